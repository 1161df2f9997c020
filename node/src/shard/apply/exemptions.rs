//! Exemptions: granted and revoked.

use std::collections::{BTreeMap, BTreeSet};

use dnc_consensus::{Keyspace, Transition};
use dnc_core::command::{ShardRefusal, ShardReply};
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Removal;

use super::suppressions::{Room, take_one};
use super::{Done, repeated};
use crate::shard::keys::{self, ExemptionName, Standing};
use crate::shard::limits::{self, MAX_ENTRIES};
use crate::shard::records::{Draft, Fate, Kept, fate_of_exemption, read};
use crate::shard::requests::{Answered, Kind, Outcome, Subject};
use crate::shard::{Shard, ShardError, scan};

/// Whose exemptions, of which number.
type Owned = (PhoneNumber, TenantId);

impl Shard {
    pub(super) fn grant(&self, number: PhoneNumber, exemption: Exemption, tx: &mut Transition<'_>) -> Done {
        self.refuse_foreign(number)?;
        limits::exemption(&exemption)?;
        let (request, tenant) = (exemption.id, exemption.tenant);
        let name = ExemptionName { number, tenant, id: request };
        let subject = Subject::of(Kind::Grant, &(number, tenant));
        repeated(self.requests.lock().look(request, subject))?;
        match fate_of_exemption(tx.state(), name)? {
            Fate::Stands => return Ok(ShardReply::Granted { id: request }),
            Fate::Removed => return Err(ShardRefusal::Ended.into()),
            Fate::Unknown => {}
        }
        take_one(&mut BTreeMap::new(), (), tx.state(), &keys::exempted(number, tenant), MAX_ENTRIES)?;
        Room::default().take_standing(tx.state(), number)?;
        let loaded = self.loaded()?;
        // Before the record can be read: the filter never says no for a number that has one.
        loaded.bloom.insert(number);
        let mut draft = Draft::new(tx);
        draft.grant(name, exemption);
        let answered = Answered { request, subject, outcome: Outcome::Granted };
        self.remember(answered, draft.tx());
        draft.commit()?;
        loaded.grow(self.id.0);
        Ok(answered.outcome.reply(request))
    }

    pub(super) fn revoke(
        &self,
        request: RequestId,
        owned: Owned,
        named: &[RequestId],
        removal: Removal,
        tx: &mut Transition<'_>,
    ) -> Done {
        self.refuse_foreign(owned.0)?;
        limits::removal(&removal)?;
        let subject = Subject::of(Kind::Revoke, &owned);
        if let Some(outcome) = repeated(self.requests.lock().look(request, subject))? {
            return Ok(outcome.reply(request));
        }
        let named: BTreeSet<RequestId> = named.iter().copied().collect();
        let mut standing = standing(tx.state(), owned)?;
        standing.retain(|(name, _)| named.contains(&name.id));
        let outcome = Outcome::Revoked(standing.len() as u64);
        let mut draft = Draft::new(tx);
        for (name, exemption) in standing {
            draft.end(name, exemption, removal.clone());
        }
        self.remember(Answered { request, subject, outcome }, draft.tx());
        draft.commit()?;
        Ok(outcome.reply(request))
    }
}

/// The exemptions of a tenant that stand for a number: at most [`MAX_ENTRIES`].
fn standing(state: &Keyspace, (number, tenant): Owned) -> Result<Vec<(ExemptionName, Exemption)>, ShardError> {
    let mut names = Vec::new();
    scan(state, &keys::exempted(number, tenant), |key, _| {
        if let Standing::Exemption(name) = Standing::parse(key)? {
            names.push(name);
        }
        Ok(())
    })?;
    let whole = |name: ExemptionName| {
        let (exemption, _): Kept = read(state, &name.whole())?.ok_or(ShardError::Index)?;
        Ok((name, exemption))
    };
    names.into_iter().map(whole).collect()
}
