//! What a voter of the meta group is told when it starts.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use dnc_consensus::HostOptions;
use dnc_core::catalog::{MAX_NODES, MAX_SHARDS};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most voters: more only make decisions slower.
const MAX_VOTERS: usize = 7;

/// How a voter is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// This voter's id, one of those in `voters`. A voter that lost its data folder comes back under a new one.
    pub id: u64,
    /// Folder for everything that it keeps.
    pub data_dir: PathBuf,
    /// All voters, this one included: a list of texts, or one text with commas.
    #[serde(deserialize_with = "voters")]
    pub voters: Vec<Voter>,
    /// Shards that the cluster is founded with; without meaning afterwards.
    #[serde(default = "default_shards")]
    pub shards: u32,
    /// Replicas of each shard; without meaning after the founding.
    #[serde(default = "default_replication")]
    pub replication: u32,
    /// Nodes that must have joined before the shards are placed; without meaning after the founding.
    #[serde(default = "default_initial_nodes")]
    pub initial_nodes: u32,
    /// A node that has been away for so many seconds has its replicas made anew on others; 0 for never.
    #[serde(default = "default_replace_after_s")]
    pub replace_after_s: u64,
    /// So many damaged nodes may be replaced by themselves at a time; 0 for none.
    #[serde(default = "default_repairs_at_once")]
    pub repairs_at_once: usize,
    /// Timing of the Raft group.
    #[serde(default)]
    pub raft: HostOptions,
}

/// One voter and where it listens; as text `id=host:port/host:port`, the service first, then raft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Its id, from 1.
    pub id: u64,
    /// Where nodes, routers and the other voters' bootstrap reach it.
    pub service: String,
    /// Where the other voters' Raft reaches it.
    pub raft: String,
}

/// Text that describes no voter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a voter is written id=host:port/host:port (service, then raft) with an id from 1, this is {0:?}")]
pub struct BadVoter(String);

/// Options that make no meta group.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadOptions {
    /// No voters, or too many.
    #[error("a meta group has 1 to {MAX_VOTERS} voters, these are {0}")]
    VoterCount(usize),
    /// An id twice.
    #[error("voter {0} is named twice")]
    VoterTwice(u64),
    /// This voter is not among them.
    #[error("this is voter {0}, which is not among the voters")]
    NotAVoter(u64),
    /// The numbers for founding do not fit each other.
    #[error(
        "a cluster has 1 to {MAX_SHARDS} shards, 1 to 7 replicas of each, and at least as many initial nodes (at most {MAX_NODES}); asked for are {shards} shards, {replication} replicas, {initial_nodes} initial nodes"
    )]
    Founding {
        /// Shards asked for.
        shards: u32,
        /// Replicas asked for.
        replication: u32,
        /// Initial nodes asked for.
        initial_nodes: u32,
    },
}

fn default_shards() -> u32 {
    16
}

fn default_replication() -> u32 {
    3
}

/// Longer than a machine needs to start again.
fn default_replace_after_s() -> u64 {
    900
}

fn default_repairs_at_once() -> usize {
    1
}

fn default_initial_nodes() -> u32 {
    3
}

// === impl Options ===

impl Options {
    /// Options for one voter, all else at its default.
    pub fn new(id: u64, data_dir: PathBuf, voters: Vec<Voter>) -> Self {
        Self {
            id,
            data_dir,
            voters,
            shards: default_shards(),
            replication: default_replication(),
            initial_nodes: default_initial_nodes(),
            replace_after_s: default_replace_after_s(),
            repairs_at_once: default_repairs_at_once(),
            raft: HostOptions::default(),
        }
    }

    /// Finds what cannot work before anything is written or listened to.
    pub fn check(&self) -> Result<(), BadOptions> {
        if !(1..=MAX_VOTERS).contains(&self.voters.len()) {
            return Err(BadOptions::VoterCount(self.voters.len()));
        }
        let mut ids = BTreeSet::new();
        for voter in &self.voters {
            if !ids.insert(voter.id) {
                return Err(BadOptions::VoterTwice(voter.id));
            }
        }
        if !ids.contains(&self.id) {
            return Err(BadOptions::NotAVoter(self.id));
        }
        let fits = (1..=MAX_SHARDS).contains(&self.shards)
            && (1..=7).contains(&self.replication)
            && self.initial_nodes >= self.replication
            && self.initial_nodes as usize <= MAX_NODES;
        if !fits {
            return Err(BadOptions::Founding {
                shards: self.shards,
                replication: self.replication,
                initial_nodes: self.initial_nodes,
            });
        }
        Ok(())
    }
}

// === impl Voter ===

impl fmt::Display for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}/{}", self.id, self.service, self.raft)
    }
}

impl FromStr for Voter {
    type Err = BadVoter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadVoter(text.to_owned());
        let (id, addresses) = text.trim().split_once('=').ok_or_else(bad)?;
        let (service, raft) = addresses.split_once('/').ok_or_else(bad)?;
        let id: u64 = id.parse().map_err(|_| bad())?;
        if id == 0 || !is_address(service) || !is_address(raft) {
            return Err(bad());
        }
        Ok(Self { id, service: service.to_owned(), raft: raft.to_owned() })
    }
}

/// Whether it is `host:port`; the host is not resolved.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c == '/')
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

impl Serialize for Voter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Voter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A list of voters, from a list (files) or from one text with commas (flags and the environment).
fn voters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Voter>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<Voter>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("voters as id=host:port/host:port, in a list or with commas")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',').map(|voter| voter.parse().map_err(E::custom)).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut voters = Vec::new();
            while let Some(voter) = seq.next_element()? {
                voters.push(voter);
            }
            Ok(voters)
        }
    }

    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Voter> {
        ["1=a:1/a:2", "2=b:1/b:2", "3=[::1]:1/c.example:2"].iter().map(|text| text.parse().expect("a voter")).collect()
    }

    #[test]
    fn a_voter_reads_back_from_its_text() {
        for voter in three() {
            assert_eq!(voter.to_string().parse(), Ok(voter));
        }
        for bad in ["", "1", "1=a:1", "0=a:1/a:2", "x=a:1/a:2", "1=a/a:2", "1=:1/a:2", "1=a:1/a:0"] {
            assert_eq!(bad.parse::<Voter>(), Err(BadVoter(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn voters_come_as_a_list_or_with_commas() {
        let list = r#"{"id":1,"data_dir":"d","voters":["1=a:1/a:2","2=b:1/b:2"]}"#;
        let commas = r#"{"id":1,"data_dir":"d","voters":"1=a:1/a:2, 2=b:1/b:2"}"#;
        for text in [list, commas] {
            let options: Options = serde_json::from_str(text).expect("options");
            assert_eq!(options.voters, three()[..2]);
            assert_eq!((options.shards, options.replication), (16, 3));
        }
    }

    #[test]
    fn options_that_make_no_group_are_refused() {
        let good = Options::new(1, "d".into(), three());
        assert_eq!(good.check(), Ok(()));
        let with = |change: fn(&mut Options)| {
            let mut options = good.clone();
            change(&mut options);
            options.check().expect_err("refused")
        };
        assert_eq!(with(|o| o.voters.clear()), BadOptions::VoterCount(0));
        assert_eq!(with(|o| o.voters[1].id = 1), BadOptions::VoterTwice(1));
        assert_eq!(with(|o| o.id = 9), BadOptions::NotAVoter(9));
        assert!(matches!(with(|o| o.initial_nodes = 2), BadOptions::Founding { .. }));
        assert!(matches!(with(|o| o.shards = 0), BadOptions::Founding { .. }));
    }
}
