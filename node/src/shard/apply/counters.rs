//! Counters of days.

use dnc_consensus::Transition;
use dnc_core::codec;
use dnc_core::counts::Counts;
use dnc_core::ids::{RequestId, TenantId};
use jiff::civil::Date;

use super::{Done, repeated};
use crate::shard::requests::{Answered, Kind, Outcome, Subject};
use crate::shard::{Shard, keys, limits, records};

impl Shard {
    pub(super) fn count(
        &self,
        request: RequestId,
        tenant: TenantId,
        day: Date,
        more: &Counts,
        tx: &mut Transition<'_>,
    ) -> Done {
        // What was counted is what the request is about: with other counters it is another request.
        let subject = Subject::of(Kind::Count, &(tenant, day, more));
        if let Some(outcome) = repeated(self.requests.lock().look(request, subject))? {
            return Ok(outcome.reply(request));
        }
        let key = keys::counts(day, tenant);
        let mut counts: Counts = records::read(tx.state(), &key)?.unwrap_or_default();
        limits::counts(&counts, more)?;
        counts.add(more);
        tx.put(&key, &codec::encode(&counts));
        self.remember(Answered { request, subject, outcome: Outcome::Counted }, tx);
        tx.commit()?;
        Ok(Outcome::Counted.reply(request))
    }
}
