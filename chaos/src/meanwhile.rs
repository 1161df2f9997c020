//! What operators do while a scenario does its harm: any scenario, with a list replaced or a node drained around it.

use clap::ValueEnum;

use crate::plan::{Act, Who};

/// What goes on while the faults of a round come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Meanwhile {
    /// Checks and opt-outs alone.
    #[default]
    Nothing,
    /// The next version of a list is loaded and becomes active.
    Load,
    /// A node joins, and another gives it all of its replicas.
    Drain,
}

// === impl Meanwhile ===

impl Meanwhile {
    /// A round with this around it; `None` if the round does the same by itself, or loses a node that is never made anew.
    pub fn around(self, round: Vec<Act>) -> Option<Vec<Act>> {
        let (begin, end): (&[Act], Act) = match self {
            Meanwhile::Nothing => return Some(round),
            Meanwhile::Load => (&[Act::Load], Act::Loaded),
            Meanwhile::Drain => (&[Act::Join, Act::Depart { who: Who::Follower, router: 1 }], Act::Departed),
        };
        let Some((whole @ Act::Whole { replicas: 3 }, faults)) = round.split_last() else { return None };
        let is_like = |act: &Act| match self {
            Meanwhile::Nothing => false,
            Meanwhile::Load => *act == Act::Load,
            // A load must reach all replicas, and burst and crowd fill what moves: they are tried without moves.
            Meanwhile::Drain => matches!(act, Act::Join | Act::Load | Act::Burst | Act::Crowd),
        };
        if faults.iter().any(is_like) {
            return None;
        }
        Some([begin, faults, &[end, whole.clone()]].concat())
    }

    /// Whether a cluster takes it once only.
    pub fn is_once(self) -> bool {
        self == Meanwhile::Drain
    }

    /// A scenario's name with this around it.
    pub fn of(self, scenario: &str) -> String {
        match self {
            Meanwhile::Nothing => scenario.to_owned(),
            Meanwhile::Load => format!("{scenario}+load"),
            Meanwhile::Drain => format!("{scenario}+drain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Group;

    const WHOLE: Act = Act::Whole { replicas: 3 };

    #[test]
    fn faults_come_and_go_between_the_begin_and_the_end_of_what_goes_on() {
        let kill = Act::Kill(Group::one(Who::Leader));
        let round = vec![kill.clone(), WHOLE];
        assert_eq!(Meanwhile::Nothing.around(round.clone()), Some(round.clone()));
        assert_eq!(Meanwhile::Load.around(round.clone()), Some(vec![Act::Load, kill.clone(), Act::Loaded, WHOLE]));
        let depart = Act::Depart { who: Who::Follower, router: 1 };
        assert_eq!(Meanwhile::Drain.around(round), Some(vec![Act::Join, depart, kill, Act::Departed, WHOLE]));
    }

    #[test]
    fn what_a_round_does_by_itself_is_not_done_twice_and_who_is_lost_for_good_is_left_alone() {
        assert_eq!(Meanwhile::Load.around(vec![Act::Load, Act::Loaded, WHOLE]), None);
        assert_eq!(Meanwhile::Drain.around(vec![Act::Join, WHOLE]), None);
        assert_eq!(Meanwhile::Drain.around(vec![Act::Whole { replicas: 2 }]), None);
    }
}
