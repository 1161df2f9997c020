//! What can be proposed to the meta group, and what it answers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Duty, Founding, Move, Purpose, RestorePart, Restored, ShardMap, Survivor};
use crate::ids::{NodeId, RegistryId, RequestId, ShardId, TenantId, VersionId};
use crate::registry::{BadName, Claim, Content, RegistryKind, Settings, SyncRecord};
use crate::rule::Rule;
use crate::tenant::Terms;

/// Where a node listens, each as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddresses {
    /// For routers.
    pub service: String,
    /// For the other replicas of its shards.
    pub raft: String,
}

/// One proposal. Each is safe to repeat: the second time it changes nothing and gives the same answer, or is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Settles what a cluster is; the first one counts.
    Found(Founding),
    /// A node joins, or says where it listens now.
    RegisterNode {
        /// Made by the node with its data folder.
        incarnation: u128,
        /// Where it listens.
        addresses: NodeAddresses,
        /// Failure zone.
        zone: String,
    },
    /// Places the shards, once.
    PlaceShards(ShardMap),
    /// Says what is wanted of a node.
    SetDuty {
        /// Which.
        node: NodeId,
        /// What.
        duty: Duty,
    },
    /// Removes a node that holds nothing any more. Its id is never given again.
    RetireNode {
        /// Which.
        node: NodeId,
    },
    /// Has replicas moved. One plan at a time.
    AdoptPlan {
        /// Names it.
        id: RequestId,
        /// What for.
        purpose: Purpose,
        /// From where to where, in this order.
        moves: Vec<Move>,
    },
    /// Says that a move is done: the group's new voters are committed.
    FinishMove {
        /// Of which plan.
        plan: RequestId,
        /// Which.
        step: Move,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
    /// Says that a move of a cancelled plan was taken back, or never begun.
    DropMove {
        /// Of which plan.
        plan: RequestId,
        /// Which.
        step: Move,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
    /// Begins no more moves of a plan.
    CancelPlan {
        /// Which.
        id: RequestId,
    },
    /// Says that a node has found damage in its data, or has lost it: it asks to be replaced by itself under another id.
    ReportDamage {
        /// Of the damaged data folder.
        incarnation: u128,
    },
    /// Lets a damaged node give its data up: from here on nobody counts on it.
    GrantRepair {
        /// Which.
        node: NodeId,
    },
    /// Says that a node that gave its data up has come back without it.
    Succeed {
        /// Of the data folder that was given up.
        damaged: u128,
        /// Of the one in its place; it has joined.
        incarnation: u128,
    },
    /// Adds a registry.
    CreateRegistry(NewRegistry),
    /// Changes what can be changed of a registry.
    UpdateRegistry {
        /// Which.
        registry: RegistryId,
        /// The edition of the settings that these were made from.
        edition: u64,
        /// All of them.
        settings: Settings,
    },
    /// Gives a registry up. Whoever proposes it has made sure that it holds no live suppression.
    RetireRegistry {
        /// Which.
        registry: RegistryId,
    },
    /// Begins a version, made from the active one.
    BeginVersion {
        /// Of which registry.
        registry: RegistryId,
        /// Whoever loads it.
        load: u128,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
    /// Says that a version is complete on all shards. It answers no check yet.
    SealVersion {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// What it holds.
        content: Content,
    },
    /// Makes a sealed version the one that answers checks: a new one, or one of before.
    Activate {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
        /// The version that it replaces.
        from: Option<VersionId>,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
    /// Has a sealed version made resident, so that it can be made active; or nothing any more.
    Summon {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: Option<VersionId>,
    },
    /// Gives a version up.
    Discard {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
    },
    /// Removes versions that were given up, once the shards have deleted their blocks.
    Forget {
        /// Of which registry.
        registry: RegistryId,
        /// The versions that were looked for.
        versions: BTreeSet<VersionId>,
        /// Those of them of which a shard still holds blocks, because a kept version needs them.
        holding: BTreeSet<VersionId>,
    },
    /// Adds a tenant.
    CreateTenant {
        /// Unique name.
        name: String,
        /// What it holds and requires.
        terms: Terms,
    },
    /// Changes what a tenant holds and requires.
    UpdateTenant {
        /// Which.
        tenant: TenantId,
        /// The edition that this was made from.
        edition: u64,
        /// What it holds and requires.
        terms: Terms,
    },
    /// Adds a rule.
    AddRule(Rule),
    /// Removes a rule.
    RemoveRule {
        /// Which.
        rule: RequestId,
    },
    /// Takes, or renews, the right to sync a registry.
    ClaimSync {
        /// Which registry.
        registry: RegistryId,
        /// Who, and until when.
        claim: Claim,
    },
    /// Records what came of a sync or a load.
    EndSync {
        /// Of which registry.
        registry: RegistryId,
        /// What came of it.
        record: SyncRecord,
        /// When the next one is due, milliseconds since 1970; none leaves it as it is.
        next_ms: Option<u64>,
    },
    /// Says when a registry is due to be synced.
    ScheduleSync {
        /// Which registry.
        registry: RegistryId,
        /// When, milliseconds since 1970.
        next_ms: u64,
    },
    /// Begins to restore a backup into a cluster in which nothing was made yet. Until it is finished nothing else is.
    BeginRestore {
        /// Names the backup.
        backup: RequestId,
    },
    /// Says what the catalog will hold; it does not count yet.
    RestorePart {
        /// Names the backup.
        backup: RequestId,
        /// A part of it.
        part: RestorePart,
    },
    /// Makes all parts count, as one. Whoever proposes it has made sure that the shards hold all that belongs to them.
    FinishRestore(Restored),
    /// Changes nothing. Its decision names the revision with everything that was decided before it.
    Read,
    /// Has shards that lost their majority for good go on from one replica each. What only the others had is lost, and they
    /// never come back.
    Recover {
        /// Names it.
        id: RequestId,
        /// Why, in words for people.
        why: String,
        /// The nodes that are gone.
        lost: BTreeSet<NodeId>,
        /// The shards, and what is left of them.
        shards: Vec<Survivor>,
        /// Now, milliseconds since 1970.
        now_ms: u64,
    },
}

/// A registry to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRegistry {
    /// Unique name.
    pub name: String,
    /// Whose numbers it holds.
    pub kind: RegistryKind,
    /// The tenant that it belongs to; none means that it is shared.
    pub owner: Option<TenantId>,
    /// What can be changed later.
    pub settings: Settings,
    /// Now, milliseconds since 1970.
    pub now_ms: u64,
}

// === impl NewRegistry ===

impl NewRegistry {
    /// A shared registry with the usual settings.
    pub fn named(name: &str, kind: RegistryKind) -> NewRegistry {
        NewRegistry { name: name.into(), kind, owner: None, settings: Settings::default(), now_ms: 0 }
    }
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Done (or had been done before); the catalog's revision since then.
    Done {
        /// The catalog's revision.
        revision: u64,
    },
    /// A node's id.
    Node {
        /// The id.
        id: NodeId,
        /// The catalog's revision.
        revision: u64,
    },
    /// A registry's number.
    Registry {
        /// The number.
        id: RegistryId,
        /// The catalog's revision.
        revision: u64,
    },
    /// A tenant's number.
    Tenant {
        /// The number.
        id: TenantId,
        /// The catalog's revision.
        revision: u64,
    },
    /// A version to load into.
    Version {
        /// The version.
        id: VersionId,
        /// The version that it is made from.
        parent: Option<VersionId>,
        /// The catalog's revision.
        revision: u64,
    },
    /// Not done; nothing changed.
    Refused(Refusal),
}

/// Why a proposal was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No founding yet.
    #[error("the cluster is not founded yet")]
    NotFounded,
    /// A founding that makes no cluster.
    #[error("a cluster has 1 to {max} shards, and 1 to 7 replicas of each on at least as many nodes", max = super::MAX_SHARDS)]
    BadFounding,
    /// The name is taken.
    #[error("a registry with this name exists, and it is another one")]
    NameTaken,
    /// The name is not one.
    #[error("{0}")]
    BadName(String),
    /// Too many of something.
    #[error("the catalog holds as many {0} as it can")]
    Full(String),
    /// No such registry.
    #[error("no such registry")]
    UnknownRegistry,
    /// No such version.
    #[error("no such version")]
    UnknownVersion,
    /// Versions of a live registry, or entries of a bulk one.
    #[error("a registry of type {0} changes entry by entry, it has no versions")]
    LiveRegistry(RegistryKind),
    /// Another version became active since this one began.
    #[error("another version became active since this one began; load it again")]
    Superseded,
    /// A version that is not complete.
    #[error("this version is not complete, it cannot answer checks")]
    NotSealed,
    /// A version that is complete, and holds something else.
    #[error("this version is complete already")]
    IsSealed,
    /// A version from which another one is being made.
    #[error("another version is being made from this one")]
    IsParent,
    /// The registry was given up.
    #[error("this registry was retired")]
    Retired,
    /// The registry must cover numbers of a tenant.
    #[error("tenant {0} requires this registry")]
    Required(String),
    /// A live registry speaks for no area, so it cannot be required.
    #[error("registry {0} holds suppressions and covers no area, it cannot be required")]
    CoversNothing(String),
    /// Somebody else has changed it meanwhile.
    #[error("it was changed by somebody else meanwhile; read it again")]
    Edited,
    /// No such tenant.
    #[error("no such tenant")]
    UnknownTenant,
    /// The name is taken.
    #[error("a tenant with this name exists, and it is another one")]
    TenantNameTaken,
    /// A registry of another tenant.
    #[error("this registry belongs to another tenant")]
    NotTheirs,
    /// No such rule.
    #[error("no such rule")]
    UnknownRule,
    /// The id is taken.
    #[error("a rule with this id exists, and it is another one")]
    RuleIdTaken,
    /// A rule that no router would propose.
    #[error("a rule's texts are too long")]
    BadRule,
    /// Another router syncs it.
    #[error("router {0} is syncing this registry")]
    Syncing(String),
    /// The sync has ended, or was taken over.
    #[error("this sync has ended")]
    SyncEnded,
    /// A claim that no router would make.
    #[error("a claim ends after it begins")]
    BadClaim,
    /// The active version cannot be given up.
    #[error("this version answers checks, or did so a moment ago; it cannot be given up")]
    IsActive,
    /// The version was given up.
    #[error("this version was given up")]
    IsDiscarded,
    /// The shards have been placed otherwise.
    #[error("the shards are placed already")]
    AlreadyPlaced,
    /// A shard map that does not fit the founding or names unknown nodes.
    #[error("the shard map does not fit the cluster")]
    BadShardMap,
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(NodeId),
    /// It must be drained first.
    #[error("node {0} serves; drain it first")]
    NodeServes(NodeId),
    /// It must be drained first.
    #[error("node {0} still holds replicas, or is part of a plan")]
    NodeHolds(NodeId),
    /// No node of this data folder.
    #[error("no node of the catalog has this data folder")]
    UnknownFolder,
    /// It did not ask for it, or it is not replaced any more.
    #[error("node {0} has not asked to give its data up, or another node has taken its place")]
    NoRepair(NodeId),
    /// One at a time.
    #[error("another plan is being carried out; wait for it or cancel it")]
    PlanUnderWay,
    /// A plan that cannot be carried out.
    #[error("the plan does not fit the cluster: {0}")]
    BadPlan(String),
    /// No such plan.
    #[error("no such plan")]
    UnknownPlan,
    /// Backups are restored into new clusters only.
    #[error("the cluster is not empty: {0}; a backup is restored into a newly founded cluster")]
    NotEmpty(String),
    /// Nothing else is changed meanwhile.
    #[error("the cluster is being restored from a backup; nothing else can be changed until that is finished")]
    Restoring,
    /// No restore of this backup was begun.
    #[error("no restore of this backup is under way")]
    NoRestore,
    /// A backup that no cluster made.
    #[error("the backup makes no catalog: {0}")]
    BadRestore(String),
    /// A damaged node whose replicas are needed.
    #[error("without node {0}, shard {1} has no majority of replicas without damage")]
    Needed(NodeId, ShardId),
    /// It is empty, and retired as soon as its successor holds what it held.
    #[error("node {0} was damaged and has given its data up; it comes back under another id, and this one is retired")]
    GaveUp(NodeId),
    /// Its data folder is not to come back.
    #[error(
        "node {0} was given up when its shards were recovered without it; it joins as another node, without its data"
    )]
    Gone(NodeId),
    /// A recovery that does not fit the cluster.
    #[error("this cannot be recovered: {0}")]
    BadRecovery(String),
}

// === impl Refusal ===

impl From<BadName> for Refusal {
    fn from(why: BadName) -> Self {
        Refusal::BadName(why.to_string())
    }
}
