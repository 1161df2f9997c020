//! Who leads, under which lease, and how the leadership is handed over: the product's lease on the simulation's Raft.

use std::time::Duration;

use dnc_consensus::{Brief, Claim, Moment, NodeId};
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft_rt::AsyncRuntime;
use tokio::time::{Instant, sleep, timeout};

use super::{Group, Refused, Rt, position};
use crate::plan::Plant;

/// A leader is asked this often whether it leads alone.
const ASKED: Duration = Duration::from_millis(10);

/// A moment in a world in which no machine is ever suspended.
pub(super) fn simulated(now: Instant) -> Moment {
    Moment { awake: now, always: Some(Duration::ZERO) }
}

// === impl Group ===

impl Group {
    /// Who leads, how far this replica is, and whether it leads alone now.
    pub fn brief(&self) -> Brief {
        // For whom time stands still no lease ends.
        let now = if self.parts.plants(Plant::LeaseNeverEnds) { self.ready_at } else { Instant::now() };
        self.seen(|metrics| {
            let applied = metrics.last_applied.as_ref().map(position);
            let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
            let claim = Claim {
                node: metrics.id,
                leads_in: leads.then_some(metrics.current_term),
                applied_term: applied.map(|at| at.term),
                voters: metrics.membership_config.get_joint_config(),
            };
            let leased = self.lease.holds(&claim, simulated(now));
            if leased {
                self.parts.watch_lease(metrics.id, metrics.current_term);
            }
            // Nothing is recovered here.
            Brief { leader: metrics.current_leader, applied, leased, generation: 0 }
        })
    }

    /// Asks a replica again and again whether it leads alone, for as long as it runs: it is watched what it says.
    pub(super) async fn stay_watched(self) {
        while self.failure().is_none() {
            self.brief();
            sleep(ASKED).await;
        }
    }

    /// Hands the leadership over.
    pub async fn transfer_leader(&self, to: NodeId, limit: Duration) -> Result<(), Refused> {
        if !self.is_leader() {
            return Err(Refused::NotLeader(self.leader()));
        }
        let unknown = || Refused::Unknown("the leadership was not seen handed over".to_owned());
        let group = self.clone();
        let ordered = Rt::spawn(async move {
            let bars = !group.parts.plants(Plant::LeaseAcrossHandover);
            if bars {
                group.lease.hand_over();
            }
            group.raft.trigger().transfer_leader(to).await?;
            let term = group.raft.with_raft_state(|state| state.vote_ref().leader_id.term).await?;
            if bars {
                group.lease.handed_over(term);
            }
            Ok::<(), openraft::errors::Fatal<super::Types>>(())
        });
        ordered.await.map_err(|_| unknown())?.map_err(|_| unknown())?;
        let mut metrics = self.raft.metrics();
        let seen = async {
            while metrics.borrow_watched().current_leader != Some(to) {
                if metrics.changed().await.is_err() {
                    return Err(unknown());
                }
            }
            Ok(())
        };
        timeout(limit, seen).await.unwrap_or_else(|_| Err(unknown()))
    }
}
