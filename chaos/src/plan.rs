//! What is done, to whom and in which order: decided by a scenario and a seed before anything happens.
//!
//! An [`Act`] is data. Who leads is not known before the run, so an act names its victims by what
//! they are ([`Who`]), and a [`Cast`] says at the beginning of each round who that is.

use std::fmt;
use std::time::Duration;

use dnc_tests::cluster::{Size, Victim};
use dnc_tests::process::Role;

use crate::disk::damage::Which;
use crate::world::Harm;

/// A process by what it is when a round begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The node that leads most shards.
    Leader,
    /// The node that leads fewest: it follows in most.
    Follower,
    /// The node that is neither.
    Other,
    /// The meta voter that leads.
    MetaLeader,
    /// A meta voter that follows.
    MetaFollower,
    /// A router, from 0.
    Router(usize),
    /// A process by its place in the cluster.
    The(Victim),
}

/// Who is meant by several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// These.
    These(Vec<Who>),
    /// All but these.
    AllBut(Vec<Who>),
    /// All of a role.
    All(Role),
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// They are killed without warning.
    Kill(Group),
    /// They are started again.
    Start(Group),
    /// They are stopped in their tracks.
    Pause(Group),
    /// They go on.
    Resume(Group),
    /// They are asked to end one after the other, started again, and are whole before the next one's turn.
    Roll(Group),
    /// They are asked to end, and nobody waits for it.
    AskToEnd(Group),
    /// They have ended as they were asked to.
    Ended(Group),
    /// Harm is done to all that the first send to the second, and, both ways, the other way around.
    Harm {
        /// Who sends.
        from: Group,
        /// Who should receive.
        to: Group,
        /// What happens to it.
        harm: Harm,
        /// Whether it happens to what the second send to the first as well.
        both_ways: bool,
    },
    /// Whatever they send and receive comes later by the first time, and by up to the second one more.
    Delay(Group, Duration, Duration),
    /// The network is whole again. It must have harmed something.
    Mend,
    /// They stop at the same moment, and what they had not synced is gone.
    PowerCut(Group),
    /// Their disks do not come back from a sync.
    Stall(Group),
    /// Their disks fail each sync with an I/O error.
    FailSync(Group),
    /// Their clocks on the wall are ahead by so many seconds, or behind.
    Clock(Group, i64),
    /// Their disks and clocks are as they should be. What was wrong must have been met with.
    Soothe(Group),
    /// Their data folders are gone; they must have been killed.
    Wipe(Group),
    /// The small disk is filled to the last byte.
    Fill,
    /// There is room on the small disk again.
    Drain,
    /// One bit of each file of a kind is flipped, so far into it (of a thousand parts); they must have been killed.
    Flip(Group, Which, u64),
    /// The beginning of a record is left at the end of their logs, so many bytes of it; they must have been killed.
    Tear(Group, u64),
    /// Each finds the damage, gives its data up, and is replaced by itself.
    Replaced(Group),
    /// Every shard comes to be led by others than these.
    LedByOthers(Group),
    /// The next version of a list is being loaded; it goes on by itself.
    Load,
    /// The version that is being loaded is active.
    Loaded,
    /// A rule is being added through a router; it goes on by itself until it is acknowledged.
    AddRule {
        /// Through which one, from 0.
        router: usize,
    },
    /// The rule is acknowledged.
    RuleAdded,
    /// Many numbers are being suppressed at a time, until nobody acknowledges it any more.
    Burst,
    /// So many numbers of one shard are suppressed that its filter must grow.
    Crowd,
    /// Exemptions are being granted and revoked.
    Exempt,
    /// Numbers are suppressed, released, and suppressed again.
    SuppressAgain,
    /// Those releases are repeated.
    RepeatReleases,
    /// One more node joins; it holds nothing yet.
    Join,
    /// A node begins to give all of its replicas away.
    Depart {
        /// Which one.
        who: Who,
        /// Through which router it is asked for, from 0.
        router: usize,
    },
    /// So many of its replicas are gone.
    Moved(u32),
    /// All of them are, and it holds none.
    Departed,
    /// So many times as many callers as the routers take in begin to ask.
    Flood(usize, &'static str),
    /// They end.
    Ebb,
    /// So it stays for a while.
    Hold(Duration),
    /// Everybody is ready, and every replica has all that any replica of its shard has; each shard has so many.
    Whole {
        /// Replicas of each shard.
        replicas: usize,
    },
}

/// Who is who in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The node that leads most shards.
    pub leader: usize,
    /// The node that leads fewest shards.
    pub follower: usize,
    /// The meta voter that leads.
    pub meta_leader: usize,
    /// How many there are of each role.
    pub size: Size,
}

// === impl Group ===

impl Group {
    /// This one alone.
    pub fn one(who: Who) -> Group {
        Group::These(vec![who])
    }

    /// Everybody.
    pub fn everybody() -> Group {
        Group::AllBut(Vec::new())
    }
}

// === impl Act ===

impl Act {
    /// The act in words, with the names of those that a cast gives its parts to.
    pub fn told(&self, cast: &Cast) -> String {
        let parts = [Who::Leader, Who::Follower, Who::Other, Who::MetaLeader, Who::MetaFollower];
        let text = self.to_string();
        let played = parts.iter().filter(|who| text.contains(&who.to_string()));
        let names: Vec<String> = played.map(|who| format!("{who} is {}", cast.of(*who))).collect();
        if names.is_empty() { text } else { format!("{text} ({})", names.join(", ")) }
    }
}

// === impl Cast ===

impl Cast {
    /// Who is meant.
    pub fn of(&self, who: Who) -> Victim {
        let (role, index) = match who {
            Who::Leader => (Role::Node, self.leader),
            Who::Follower => (Role::Node, self.follower),
            Who::Other => {
                let rest = |node: &usize| ![self.leader, self.follower].contains(node);
                (Role::Node, (0..self.size.nodes).find(rest).unwrap_or(self.follower))
            }
            Who::MetaLeader => (Role::Meta, self.meta_leader),
            Who::MetaFollower => (Role::Meta, (self.meta_leader + 1) % self.size.meta),
            Who::Router(index) => (Role::Router, index),
            Who::The(victim) => (victim.role, victim.index),
        };
        Victim { role, index }
    }

    /// Who are meant.
    pub fn all(&self, group: &Group) -> Vec<Victim> {
        let of = |some: &[Who]| -> Vec<Victim> { some.iter().map(|who| self.of(*who)).collect() };
        match group {
            Group::These(these) => of(these),
            Group::AllBut(these) => {
                let these = of(these);
                self.size.victims().into_iter().filter(|one| !these.contains(one)).collect()
            }
            Group::All(role) => self.size.victims().into_iter().filter(|one| one.role == *role).collect(),
        }
    }
}

// === impl Display ===

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Leader => f.write_str("the leader"),
            Who::Follower => f.write_str("a follower"),
            Who::Other => f.write_str("the third node"),
            Who::MetaLeader => f.write_str("the meta leader"),
            Who::MetaFollower => f.write_str("a meta follower"),
            Who::Router(index) => write!(f, "router {index}"),
            Who::The(victim) => write!(f, "{victim}"),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |some: &[Who]| some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Group::These(these) => f.write_str(&join(these)),
            Group::AllBut(these) if these.is_empty() => f.write_str("everybody"),
            Group::AllBut(these) => write!(f, "all but {}", join(these)),
            Group::All(role) => write!(f, "every {}", role.word()),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Kill(group) => write!(f, "kill {group}"),
            Act::Start(group) => write!(f, "start {group}"),
            Act::Pause(group) => write!(f, "pause {group}"),
            Act::Resume(group) => write!(f, "resume {group}"),
            Act::Roll(group) => write!(f, "restart {group} one after the other"),
            Act::AskToEnd(group) => write!(f, "ask {group} to end"),
            Act::Ended(group) => write!(f, "wait until {group} has ended"),
            Act::Harm { from, to, harm, both_ways } => {
                let what = match harm {
                    Harm::Cut => "cut".into(),
                    Harm::Loss(percent) => format!("lose {percent}% of"),
                };
                write!(f, "{what} {from} {} {to}", if *both_ways { "to and from" } else { "to" })
            }
            Act::Delay(group, delay, jitter) => {
                write!(f, "delay packets of {group} by {} to {} ms", delay.as_millis(), (*delay + *jitter).as_millis())
            }
            Act::Mend => f.write_str("mend the network"),
            Act::PowerCut(group) => write!(f, "cut the power of {group}"),
            Act::Stall(group) => write!(f, "stall every sync of {group}"),
            Act::FailSync(group) => write!(f, "fail every sync of {group}"),
            Act::Clock(group, ahead_s) => write!(f, "set the clock of {group} by {ahead_s:+} s"),
            Act::Soothe(group) => write!(f, "set disk and clock of {group} right"),
            Act::Wipe(group) => write!(f, "delete the data of {group}"),
            Act::Fill => f.write_str("fill the small disk"),
            Act::Drain => f.write_str("make room on the small disk"),
            Act::Flip(group, which, permille) => {
                write!(f, "flip a bit in each .{} of {group}, at {permille} of 1000", which.extension())
            }
            Act::Tear(group, bytes) => write!(f, "leave {bytes} bytes of a record at the end of the log of {group}"),
            Act::Replaced(group) => write!(f, "wait until {group} has found the damage and is replaced by itself"),
            Act::LedByOthers(group) => write!(f, "wait until {group} leads nothing"),
            Act::Load => f.write_str("begin to load the next version of a list"),
            Act::Loaded => f.write_str("wait until the next version is active"),
            Act::AddRule { router } => write!(f, "begin to add a rule through router {router}"),
            Act::RuleAdded => f.write_str("wait until the rule is acknowledged"),
            Act::Burst => f.write_str("begin to suppress many numbers at a time"),
            Act::Crowd => f.write_str("suppress so many numbers of one shard that its filter grows"),
            Act::Exempt => f.write_str("begin to grant exemptions and to revoke them"),
            Act::SuppressAgain => f.write_str("suppress, release and again suppress numbers"),
            Act::RepeatReleases => f.write_str("repeat those releases"),
            Act::Join => f.write_str("add a node"),
            Act::Depart { who, router } => write!(f, "begin to drain {who} through router {router}"),
            Act::Moved(moves) => write!(f, "wait until {moves} replicas have moved"),
            Act::Departed => f.write_str("wait until all have moved and the drained node holds none"),
            Act::Flood(times, tenant) => {
                write!(f, "{times} times as many callers of tenant {tenant} as the routers take in")
            }
            Act::Ebb => f.write_str("end the flood of callers"),
            Act::Hold(time) => write!(f, "hold for {:.1} s", time.as_secs_f64()),
            Act::Whole { replicas } => write!(f, "wait until all is whole, {replicas} replicas of each shard"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_names_everybody_once() {
        let cast = Cast { leader: 2, follower: 0, meta_leader: 2, size: Size::default() };
        let minority = vec![Who::Leader, Who::MetaLeader, Who::Router(0)];
        let mut both = cast.all(&Group::These(minority.clone()));
        assert_eq!(both.len(), 3);
        assert_eq!(both[0], Victim { role: Role::Node, index: 2 });
        both.extend(cast.all(&Group::AllBut(minority)));
        both.sort();
        assert_eq!(both, cast.all(&Group::everybody()));
        assert_eq!(cast.of(Who::MetaFollower).index, 0);
        assert_eq!(cast.of(Who::Other).index, 1);
    }
}
