//! More comes in than usual.

use std::time::Duration;

use dnc_core::tenant::DEFAULT_TENANT;

use super::{PLAIN, Scenario, WHOLE, ms};
use crate::plan::{Act, Group};

/// All scenarios of this kind.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "overload",
        proves: "five times as many call as routers take in: who is too many is refused early, and no less is answered than before",
        may_fail: true,
        router_settings: &[("DNC_MAX_IN_FLIGHT", "32")],
        round: |_| {
            let hold = Act::Hold(Duration::from_secs(6));
            let flood = |times| Act::Flood(times, DEFAULT_TENANT);
            vec![flood(1), hold.clone(), Act::Ebb, flood(5), hold, Act::Ebb, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "noisy-tenant",
        proves: "one tenant calls five times as much as routers take in: it is refused, and no check of another tenant fails",
        router_settings: &[("DNC_MAX_IN_FLIGHT", "32")],
        round: |dice| {
            let noise = Act::Hold(ms(dice, 5_000, 10_000));
            vec![Act::Flood(5, "noisy"), noise, Act::Ebb, WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "power-cut-in-burst",
        proves: "everything stops at once while many numbers are suppressed: all that was acknowledged lists from the first answer on",
        may_fail: true,
        round: |dice| {
            let everybody = Group::everybody();
            let (before, dark) = (Act::Hold(ms(dice, 300, 900)), Act::Hold(ms(dice, 200, 1_000)));
            vec![Act::Burst, before, Act::PowerCut(everybody.clone()), dark, Act::Start(everybody), WHOLE]
        },
        ..PLAIN
    },
    Scenario {
        name: "crowd",
        proves: "tens of thousands of numbers of one shard are suppressed: its filter grows, and misses none of them",
        once: true,
        round: |_| vec![Act::Crowd, WHOLE],
        ..PLAIN
    },
];
