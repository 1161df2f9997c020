//! What a node says of its replicas, as messages. Pure.

use std::collections::BTreeMap;

use dnc_consensus::{Brief, LogPosition, Membership, MembershipChange, Tail};
use dnc_core::catalog::Catalog;
use dnc_core::codec;
use dnc_core::ids::{NodeId, RegistryId, ShardId, VersionId};
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_request::Change;

use crate::shard::{Found, Shard};

/// A position in a log.
pub fn position(at: LogPosition) -> wire::LogPosition {
    wire::LogPosition { term: at.term, index: at.index }
}

/// A position that somebody names.
pub fn named(at: wire::LogPosition) -> LogPosition {
    LogPosition { term: at.term, index: at.index }
}

/// Where a replica stands: the end of its log, who leads and under which lease, and the newest barrier. All of it is read
/// before the answer is made, which may show more than this says, never less. Who belongs to the group is left out under a lease
/// that suffices to whoever asks: nobody counts the answers then.
pub fn standing(tail: &Tail, brief: Brief, barrier: u64, leases: bool) -> wire::Standing {
    let counts = !(leases && brief.leased);
    let membership = tail.membership.as_deref().filter(|_| counts);
    wire::Standing {
        last: tail.last.map(position),
        membership_at: tail.membership_at.filter(|_| counts).map(position),
        membership: membership.map_or_else(Vec::new, voter_sets),
        barrier,
        leader: brief.leader.unwrap_or(0),
        applied: brief.applied.map(position),
        leased: brief.leased,
        generation: brief.generation,
    }
}

/// What a replica found, and where it stood before it looked.
pub fn answered(id: ShardId, standing: wire::Standing, found: Found) -> wire::ShardAnswer {
    let at = |at: usize| u32::try_from(at).expect("a question's numbers are bounded");
    wire::ShardAnswer {
        shard: id.0,
        no_answer: wire::NoAnswer::Unspecified.into(),
        standing: Some(standing),
        has_view: found.bulk.is_some(),
        listed: found
            .bulk
            .into_iter()
            .flatten()
            .map(|listed| wire::Listed { registry: listed.registry.0, numbers: listed.numbers.into_bytes() })
            .collect(),
        live_hits: found
            .live
            .into_iter()
            .map(|hit| wire::LiveHit { at: at(hit.at), finding: codec::encode(&hit.finding) })
            .collect(),
        exempt_hits: found
            .exemptions
            .into_iter()
            .map(|hit| wire::ExemptHit { at: at(hit.at), exemption: codec::encode(&hit.exemption) })
            .collect(),
    }
}

/// No answer, and why.
pub fn unanswered(id: ShardId, why: wire::NoAnswer) -> wire::ShardAnswer {
    wire::ShardAnswer { shard: id.0, no_answer: why.into(), ..Default::default() }
}

/// Who belongs to a group, as a replica knows it. The tail is read before `committed`: what was committed then is now.
pub fn group(
    tail: Tail,
    leads: bool,
    committed: Option<LogPosition>,
    matched: BTreeMap<NodeId, Option<LogPosition>>,
) -> wire::Group {
    let membership = tail.membership.unwrap_or_default();
    wire::Group {
        leads,
        voters: voter_sets(&membership),
        learners: membership.learners.iter().copied().collect(),
        committed: tail.membership_at.is_some() && tail.membership_at <= committed,
        membership_at: tail.membership_at.map(position),
        matched: matched.into_iter().map(|(node, at)| wire::Matched { node, at: at.map(position) }).collect(),
    }
}

/// The change of a membership that is asked for; of a leader, who is to lead.
pub fn change(asked: Change) -> Result<MembershipChange, NodeId> {
    Ok(match asked {
        Change::AddLearner(node) => MembershipChange::AddLearner(node),
        Change::RemoveLearner(node) => MembershipChange::RemoveLearner(node),
        Change::Voters(voters) => MembershipChange::SetVoters(voters.nodes.into_iter().collect()),
        Change::FinishJoint(_) => MembershipChange::FinishJoint,
        Change::Leader(to) => return Err(to),
    })
}

/// What a replica holds of a version.
pub fn version_of(shard: &Shard, registry: RegistryId, version: VersionId) -> wire::ShardVersion {
    let seal = shard.seal_of(registry, version);
    wire::ShardVersion {
        shard: shard.id().0,
        ready: seal.is_some(),
        checksum: seal.map_or(0, |seal| seal.checksum),
        numbers: seal.map_or(0, |seal| seal.numbers),
    }
}

/// Whether the versions that checks are judged by are resident.
pub fn has_view(shard: &Shard, catalog: &Catalog) -> bool {
    let active = catalog.registries.values().filter_map(|registry| Some((registry.id, registry.active?)));
    active.into_iter().all(|(registry, version)| shard.seal_of(registry, version).is_some())
}

fn voter_sets(membership: &Membership) -> Vec<wire::VoterSet> {
    membership.configs.iter().map(|voters| wire::VoterSet { nodes: voters.iter().copied().collect() }).collect()
}
