//! The sweep: ends what ends by itself, once a majority of the shard's clocks say that its time has come.

use std::ops::ControlFlow;

use dnc_consensus::Transition;
use dnc_core::command::{MAX_SWEEP, ShardReply};
use dnc_core::suppression::{Removal, Suppression};

use super::Done;
use crate::shard::keys::{self, Standing};
use crate::shard::records::{Draft, Kept, read};
use crate::shard::{Shard, scan_from};

/// Why an entry ended that ended by itself.
const EXPIRED: &str = "expired";

impl Shard {
    pub(super) fn sweep(&self, now_ms: u64, limit: u32, tx: &mut Transition<'_>) -> Done {
        let limit = limit.clamp(1, MAX_SWEEP) as usize;
        let mut due = Vec::new();
        let mut more = false;
        scan_from(tx.state(), &[keys::DUE], &[keys::DUE], |key, _| {
            let (end, what) = Standing::parse_due(key)?;
            if end > now_ms {
                return Ok(ControlFlow::Break(()));
            }
            if due.len() == limit {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            due.push((end, what));
            Ok(ControlFlow::Continue(()))
        })?;
        let removal =
            Removal { request: None, reason: EXPIRED.to_owned(), removed_by: String::new(), removed_ms: now_ms };
        let mut ended = 0;
        let mut draft = Draft::new(tx);
        for (end, what) in due {
            match what {
                Standing::Suppression(name) => match read::<Suppression>(draft.state(), &name.whole(keys::ENTRY))? {
                    Some(suppression) => {
                        draft.remove(name, suppression, removal.clone());
                        ended += 1;
                    }
                    None => draft.tx().delete(&name.due(end)),
                },
                Standing::Exemption(name) => match read::<Kept>(draft.state(), &name.whole())? {
                    Some((exemption, None)) => {
                        draft.end(name, exemption, removal.clone());
                        ended += 1;
                    }
                    // What has ended already leaves the index with it; a key that stayed must not stop the sweep for good.
                    Some((_, Some(_))) | None => draft.tx().delete(&name.due(end)),
                },
            }
        }
        self.count_live(draft.commit()?);
        Ok(ShardReply::Swept { ended, more })
    }
}
