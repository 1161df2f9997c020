//! Faults, and the way back from them.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Cluster, ClusterName, READY_LIMIT, Victim};
use crate::process::Role;

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Killed without warning, and started again after this time.
    Kill {
        /// How long it stays down.
        down: Duration,
    },
    /// Stopped in its tracks, and resumed after this time.
    Pause {
        /// How long it stands still.
        still: Duration,
    },
}

/// How a process came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// From its start (or from when it was resumed) until it was ready and, for a node, its replicas had all entries.
    pub took: Duration,
}

// === impl Cluster ===

impl Cluster {
    /// Does a fault to one process, and waits until the cluster is whole again.
    pub async fn suffer(&mut self, name: &ClusterName, victim: Victim, fault: Fault) -> Result<Recovery> {
        let recovery = self.fault(name, victim, fault).await;
        recovery.with_context(|| format!("{fault} {victim}"))
    }

    async fn fault(&mut self, name: &ClusterName, victim: Victim, fault: Fault) -> Result<Recovery> {
        let process = self.process(victim);
        // The fault's own length, not a wait for anything.
        let back = match fault {
            Fault::Kill { down } => {
                process.kill9()?;
                tokio::time::sleep(down).await;
                process.run()?;
                Instant::now()
            }
            Fault::Pause { still } => {
                process.pause()?;
                tokio::time::sleep(still).await;
                process.resume()?;
                Instant::now()
            }
        };
        process.wait_ready(READY_LIMIT).await?;
        if victim.role == Role::Node {
            self.wait_caught_up(name, victim.index).await?;
        }
        Ok(Recovery { took: back.elapsed() })
    }
}

// === impl Victim, Fault ===

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role.word(), self.index)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill { down } => write!(f, "kill for {:.1} s", down.as_secs_f64()),
            Fault::Pause { still } => write!(f, "pause for {:.1} s", still.as_secs_f64()),
        }
    }
}
