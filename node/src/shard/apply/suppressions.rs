//! Suppressions: one, many, removed, verified.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use dnc_consensus::{Keyspace, Transition};
use dnc_core::command::{Addition, MAX_BATCH, ShardRefusal, ShardReply};
use dnc_core::ids::{RegistryId, RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::{Removal, Suppression};

use super::{Done, Stop, repeated};
use crate::shard::keys::{self, EntryName, Standing};
use crate::shard::limits::{self, MAX_ENTRIES, MAX_STANDING};
use crate::shard::records::{Draft, Fate, fate_of, read};
use crate::shard::requests::{Answered, Kind, Outcome, Subject};
use crate::shard::{Shard, ShardError, scan, scan_from};

/// Whose suppressions, of which number, in which registry.
type Owned = (PhoneNumber, RegistryId, TenantId);

impl Shard {
    pub(super) fn suppress(&self, addition: Addition, tx: &mut Transition<'_>) -> Done {
        let request = addition.suppression.id;
        let name = self.accept(&addition)?;
        let subject = Subject::of(Kind::Suppress, &(name.number, name.registry, name.tenant));
        repeated(self.requests.lock().look(request, subject))?;
        match fate_of(tx.state(), name)? {
            Fate::Stands => return Ok(ShardReply::Suppressed { id: request }),
            // Acknowledging it again would say that it stands.
            Fate::Removed => return Err(ShardRefusal::Ended.into()),
            Fate::Unknown => {}
        }
        Room::default().take(tx.state(), name)?;
        self.list(vec![(name, addition.suppression)], Answered { request, subject, outcome: Outcome::Suppressed }, tx)
    }

    pub(super) fn suppress_many(&self, request: RequestId, additions: Vec<Addition>, tx: &mut Transition<'_>) -> Done {
        if additions.is_empty() || additions.len() > MAX_BATCH {
            let limit = u32::try_from(MAX_BATCH).expect("a small constant");
            return Err(ShardRefusal::BadBatch(limit).into());
        }
        let names = additions.iter().map(|addition| self.accept(addition)).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<RequestId> = names.iter().map(|name| name.id).collect();
        if ids.len() < names.len() {
            return Err(ShardRefusal::RequestReused.into());
        }
        let about: Vec<_> = names.iter().map(|name| (name.number, name.registry, name.tenant, name.id)).collect();
        let subject = Subject::of(Kind::SuppressMany, &about);
        let before = repeated(self.requests.lock().look(request, subject))?;
        let mut new = Vec::new();
        let mut room = Room::default();
        for (name, addition) in names.into_iter().zip(additions) {
            let own = Subject::of(Kind::Suppress, &(name.number, name.registry, name.tenant));
            if name.id != request {
                repeated(self.requests.lock().look(name.id, own))?;
            }
            match fate_of(tx.state(), name)? {
                Fate::Stands => {}
                Fate::Removed => return Err(ShardRefusal::Ended.into()),
                // Entries of a request that was carried out leave a trace, so it was another one.
                Fate::Unknown if before.is_some() => return Err(ShardRefusal::RequestReused.into()),
                Fate::Unknown => {
                    room.take(tx.state(), name)?;
                    new.push((name, addition.suppression));
                }
            }
        }
        if let Some(outcome) = before {
            return Ok(outcome.reply(request));
        }
        let outcome = Outcome::SuppressedMany(new.len() as u64);
        self.list(new, Answered { request, subject, outcome }, tx)
    }

    pub(super) fn release(
        &self,
        request: RequestId,
        owned: Owned,
        named: &[RequestId],
        removal: Removal,
        tx: &mut Transition<'_>,
    ) -> Done {
        self.refuse_foreign(owned.0)?;
        limits::removal(&removal)?;
        let subject = Subject::of(Kind::Release, &owned);
        if let Some(outcome) = repeated(self.requests.lock().look(request, subject))? {
            return Ok(outcome.reply(request));
        }
        let named: BTreeSet<RequestId> = named.iter().copied().collect();
        let mut standing = standing(tx.state(), owned)?;
        standing.retain(|(name, _)| named.contains(&name.id));
        let outcome = Outcome::Released(standing.len() as u64);
        let mut draft = Draft::new(tx);
        for (name, suppression) in standing {
            draft.remove(name, suppression, removal.clone());
        }
        self.remember(Answered { request, subject, outcome }, draft.tx());
        self.count_live(draft.commit()?);
        Ok(outcome.reply(request))
    }

    pub(super) fn verify(&self, request: RequestId, owned: Owned, verified_ms: u64, tx: &mut Transition<'_>) -> Done {
        self.refuse_foreign(owned.0)?;
        let subject = Subject::of(Kind::Verify, &owned);
        if let Some(outcome) = repeated(self.requests.lock().look(request, subject))? {
            return Ok(outcome.reply(request));
        }
        let standing = standing(tx.state(), owned)?;
        let outcome = Outcome::Verified(standing.len() as u64);
        let mut draft = Draft::new(tx);
        for (name, suppression) in standing {
            if suppression.verified_ms < verified_ms {
                draft.verify(name, suppression, verified_ms);
            }
        }
        self.remember(Answered { request, subject, outcome }, draft.tx());
        draft.commit()?;
        Ok(outcome.reply(request))
    }

    /// Whether an addition can be, whatever is there already; its name.
    fn accept(&self, addition: &Addition) -> Result<EntryName, ShardRefusal> {
        let Addition { number, registry, suppression } = addition;
        self.refuse_foreign(*number)?;
        limits::suppression(suppression)?;
        Ok(EntryName { number: *number, registry: *registry, tenant: suppression.tenant, id: suppression.id })
    }

    /// Lists new suppressions, and remembers the request that asked for it.
    fn list(&self, new: Vec<(EntryName, Suppression)>, answered: Answered, tx: &mut Transition<'_>) -> Done {
        let loaded = self.loaded()?;
        let mut draft = Draft::new(tx);
        for (name, suppression) in new {
            // Before the record can be read: the filter never says no for a number that has one.
            loaded.bloom.insert(name.number);
            draft.list(name, &suppression);
        }
        self.remember(answered, draft.tx());
        self.count_live(draft.commit()?);
        loaded.grow(self.id.0);
        Ok(answered.outcome.reply(answered.request))
    }

    pub(super) fn count_live(&self, by: i64) {
        self.live.fetch_add(by, std::sync::atomic::Ordering::Relaxed);
    }
}

/// How much room there is for what a command adds, what it has added before included.
#[derive(Default)]
pub(super) struct Room {
    in_registry: BTreeMap<Owned, usize>,
    of_number: BTreeMap<PhoneNumber, usize>,
}

// === impl Room ===

impl Room {
    /// Takes room for a suppression, or refuses it.
    fn take(&mut self, state: &Keyspace, name: EntryName) -> Result<(), Stop> {
        let owned = (name.number, name.registry, name.tenant);
        let prefix = keys::standing_in(name.number, name.registry, name.tenant);
        take_one(&mut self.in_registry, owned, state, &prefix, MAX_ENTRIES)?;
        self.take_standing(state, name.number)
    }

    /// Takes room for anything that stands for a number, or refuses it.
    pub(super) fn take_standing(&mut self, state: &Keyspace, number: PhoneNumber) -> Result<(), Stop> {
        take_one(&mut self.of_number, number, state, &keys::standing_of(number), MAX_STANDING)
    }
}

/// Counts one more under a key of which the state holds so many already.
pub(super) fn take_one<K: Ord>(
    taken: &mut BTreeMap<K, usize>,
    key: K,
    state: &Keyspace,
    prefix: &[u8],
    limit: usize,
) -> Result<(), Stop> {
    let so_far = match taken.entry(key) {
        std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
        std::collections::btree_map::Entry::Vacant(new) => {
            let mut stored = 0;
            scan_from(state, prefix, prefix, |_, _| {
                stored += 1;
                Ok(if stored < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            new.insert(stored)
        }
    };
    if *so_far >= limit {
        let limit = u32::try_from(limit).expect("a small constant");
        return Err(ShardRefusal::TooManyEntries(limit).into());
    }
    *so_far += 1;
    Ok(())
}

/// The suppressions that stand for a number in a registry: at most [`MAX_ENTRIES`].
fn standing(state: &Keyspace, (number, registry, tenant): Owned) -> Result<Vec<(EntryName, Suppression)>, ShardError> {
    let mut names = Vec::new();
    scan(state, &keys::standing_in(number, registry, tenant), |key, _| {
        if let Standing::Suppression(name) = Standing::parse(key)? {
            names.push(name);
        }
        Ok(())
    })?;
    let whole = |name: EntryName| {
        let suppression = read(state, &name.whole(keys::ENTRY))?.ok_or(ShardError::Index)?;
        Ok((name, suppression))
    };
    names.into_iter().map(whole).collect()
}
