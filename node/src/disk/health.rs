//! Whether a disk is well: a pure function of what was seen of it, and when.

use std::fmt;
use std::time::Duration;

use crate::DiskOptions;

/// What was seen of a disk at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// How long a sync has been under way that has not returned yet.
    pub syncing_for: Option<Duration>,
    /// Why an earlier sync failed; that does not pass.
    pub failure: Option<String>,
    /// How much is free; nothing if it cannot be told.
    pub space: Option<Space>,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// For whoever is not root.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// What is wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// There is less room than it needs.
    Full,
    /// A sync takes too long.
    Stalled,
    /// A sync has failed.
    Failed(String),
}

/// What is known of a disk. Times are since any one moment.
#[derive(Debug, Default)]
pub struct Health {
    /// What is wrong, or was a moment ago.
    ailment: Option<Ailment>,
    /// When something was last seen to be wrong.
    ill_at: Duration,
}

// === impl Health ===

impl Health {
    /// Takes a look into account; what is wrong from now on. A disk is ill at once, and well again only after a while: one
    /// that is well every other second would have leaderships run to and fro.
    pub fn see(&mut self, now: Duration, seen: &Observation, options: &DiskOptions) -> Option<&Ailment> {
        match wrong(seen, options) {
            Some(ailment) => {
                self.ailment = Some(ailment);
                self.ill_at = now;
            }
            None if now.saturating_sub(self.ill_at) >= Duration::from_millis(options.well_after_ms) => {
                self.ailment = None;
            }
            None => {}
        }
        self.ailment.as_ref()
    }
}

/// What is wrong at this moment; the worst first.
fn wrong(seen: &Observation, options: &DiskOptions) -> Option<Ailment> {
    if let Some(why) = &seen.failure {
        return Some(Ailment::Failed(why.clone()));
    }
    if seen.syncing_for.is_some_and(|time| time > Duration::from_millis(options.stall_ms)) {
        return Some(Ailment::Stalled);
    }
    let lacks_room = |space: Space| {
        space.free < space.total / 100 * options.free_percent_min || space.free < options.free_mib_min << 20
    };
    seen.space.is_some_and(lacks_room).then_some(Ailment::Full)
}

impl Ailment {
    /// There is no room even for what other leaders send.
    pub fn takes_no_appends(&self) -> bool {
        matches!(self, Self::Full)
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("its disk is full"),
            Self::Stalled => f.write_str("its disk is stalled: a sync does not come back"),
            Self::Failed(why) => write!(f, "its disk failed a sync, it must be started again: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn options() -> DiskOptions {
        DiskOptions::default()
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn syncing(ms: u64) -> Observation {
        Observation { syncing_for: Some(at(ms)), ..Observation::default() }
    }

    fn free(free: u64, total: u64) -> Observation {
        Observation { space: Some(Space { free: free * MIB, total: total * MIB }), ..Observation::default() }
    }

    #[test]
    fn a_disk_is_ill_at_once_and_well_after_a_while() {
        let mut health = Health::default();
        assert_eq!(health.see(at(0), &syncing(2_000), &options()), None);
        assert_eq!(health.see(at(100), &syncing(2_001), &options()), Some(&Ailment::Stalled));
        assert_eq!(health.see(at(200), &Observation::default(), &options()), Some(&Ailment::Stalled));
        assert_eq!(health.see(at(10_099), &Observation::default(), &options()), Some(&Ailment::Stalled));
        assert_eq!(health.see(at(10_100), &Observation::default(), &options()), None);
    }

    #[test]
    fn a_disk_is_full_below_either_mark() {
        let full = |seen| Health::default().see(at(0), &seen, &options()).cloned();
        assert_eq!(full(free(256, 1_000)), None);
        assert_eq!(full(free(255, 1_000)), Some(Ailment::Full));
        assert_eq!(full(free(2_000, 100_000)), None);
        assert_eq!(full(free(1_999, 100_000)), Some(Ailment::Full));
    }

    #[test]
    fn a_failed_sync_is_worse_than_all_else_and_full_takes_no_appends() {
        let seen = Observation { failure: Some("EIO".into()), ..free(0, 100) };
        let mut health = Health::default();
        let ailment = health.see(at(0), &seen, &options()).cloned().expect("ill");
        assert_eq!(ailment, Ailment::Failed("EIO".into()));
        assert!(!ailment.takes_no_appends() && Ailment::Full.takes_no_appends());
    }

    proptest! {
        /// Whatever was seen: it is ill whenever something is wrong, and well only if nothing was for as long as it takes.
        #[test]
        fn it_is_ill_exactly_while_something_was_wrong_lately(
            looks in proptest::collection::vec((1u64..4_000, 0u64..4_000), 1..60),
        ) {
            let mut health = Health::default();
            let (mut now, mut last_ill) = (0, None);
            for (pause, syncing_ms) in looks {
                now += pause;
                if syncing_ms > 2_000 {
                    last_ill = Some(now);
                }
                let ill = health.see(at(now), &syncing(syncing_ms), &options()).is_some();
                prop_assert_eq!(ill, last_ill.is_some_and(|last| now - last < 10_000));
            }
        }
    }
}
