//! The cluster's operators: how it stands, why, what a plan would come to; and plans made and cancelled.
//!
//! Whatever is shown is a pure function of one [`picture`]: the catalog, and what the nodes say of themselves. [`health`]
//! says what is wrong, [`why`] what a shard or a node is doing, [`forecast`] what moves a plan has and what they come to,
//! [`progress`] how far one is, [`recover`] what is left of shards without a majority. [`act`] changes what is wanted of nodes and has plans carried out, by the meta group.

mod act;
#[cfg(test)]
mod fixture;
mod forecast;
mod health;
mod picture;
mod progress;
mod recover;
#[cfg(test)]
mod tests;
mod told;
mod why;

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::Duty;
use dnc_core::ids::{NodeId, ShardId};
use dnc_core::moving::{self, plan::Impossible};
use dnc_core::number::PhoneNumber;
use dnc_meta::Known;
use dnc_proto::v1;
use dnc_proto::v1::explain_request::What;
use tokio::time::Instant;

use self::forecast::{Outlook, Wanted, outlook};
use self::picture::{Picture, Shard};
use crate::clock::now_ms;
use crate::cluster::{Cluster, can_answer};
use crate::decide::Undecided;
use crate::failure::{Failure, Invalid, Kind};
use crate::route::NodeReplicas;

/// Time for the nodes to say how they stand.
const ASK: Duration = Duration::from_secs(2);

/// What operators see and do.
#[derive(Clone)]
pub struct Operators<C> {
    cluster: C,
}

/// Why something is not shown, or was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The cluster is not known yet, or its shards are not placed.
    #[error("this router does not know the cluster yet, or its shards are not placed")]
    NotReady,
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(NodeId),
    /// No such shard.
    #[error("there is no shard {0}")]
    UnknownShard(u32),
    /// Nothing is being carried out.
    #[error("no plan is being carried out")]
    NoPlan,
    /// A replica has nowhere to go.
    #[error("this plan cannot work: {0}; nothing was changed")]
    Impossible(#[from] Impossible),
    /// A group that has no majority cannot decide who belongs to it.
    #[error(
        "this plan cannot work: {shard} has no majority of replicas that answer ({answering} of {all}), \
         so nothing of it can move; bring its nodes back first, or see dnc cluster recover; nothing was changed",
        shard = health::named(&[.0.id]), answering = .0.voting(), all = .0.replicas.len()
    )]
    Stuck(Shard),
    /// It does not fit the node.
    #[error("{0}; nothing was changed")]
    Unfit(String),
    /// It is not decided.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// A node got its new duty, and the plan that goes with it is not known to be adopted.
    #[error("node {node} is {duty}, but {why}", duty = told::duty(*.duty))]
    HalfDone {
        /// The node.
        node: NodeId,
        /// Its duty now.
        duty: Duty,
        /// Why there is no plan.
        #[source]
        why: Undecided,
    },
}

/// What the nodes said, and the catalog that they were asked by.
struct Asked {
    known: Arc<Known>,
    nodes: Vec<NodeReplicas>,
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::NotReady => Kind::Unavailable,
            Error::UnknownNode(_) | Error::UnknownShard(_) | Error::NoPlan => Kind::NotFound,
            Error::Impossible(_) | Error::Stuck(_) | Error::Unfit(_) => Kind::Precondition,
            Error::Undecided(why) | Error::HalfDone { why, .. } => why.kind(),
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

// === impl Asked ===

impl Asked {
    fn picture(&self) -> Picture<'_> {
        Picture::new(&self.known.catalog, &self.nodes)
    }
}

// === impl Operators ===

impl<C: Cluster> Operators<C> {
    /// The operators of this cluster.
    pub fn new(cluster: C) -> Self {
        Self { cluster }
    }

    /// Whether all is well, and all that fits on a screen.
    pub async fn status(&self) -> v1::ClusterStatus {
        told::status(&self.ask().await.picture(), now_ms())
    }

    /// All nodes.
    pub async fn nodes(&self) -> v1::ClusterNodes {
        told::nodes(&self.ask().await.picture())
    }

    /// All shards.
    pub async fn shards(&self) -> v1::ClusterShards {
        told::shards(&self.ask().await.picture())
    }

    /// The moves that a cluster needs, if these nodes are to leave it; changes nothing.
    pub async fn preview(&self, request: v1::PreviewPlanRequest) -> Result<v1::PlanPreview, Error> {
        let asked = self.ready().await?;
        let picture = asked.picture();
        let mut wanted = Wanted::default();
        for node in request.leaving {
            wanted.duties.push((act::known(&picture, node)?, Duty::Draining));
        }
        if request.lost > 0 {
            let replaced = act::replacing(&picture, request.lost, request.replacement)?;
            wanted.duties.extend(replaced.duties);
            wanted.replacement = replaced.replacement;
        } else if request.replacement > 0 {
            return Err(Invalid::new("replacement", "needs the node that is lost, too").into());
        }
        Ok(possible(&picture, &wanted)?.told(&picture, moving::throttle(request.throttle)))
    }

    /// The plan that is carried out, and those that have ended, the newest first.
    pub async fn history(&self) -> v1::PlanHistory {
        let asked = self.ask().await;
        let (picture, moves) = (asked.picture(), &asked.known.catalog.moves);
        let running = moves.plan.iter().map(|plan| progress::of_plan(plan, &picture, now_ms()));
        let recoveries = asked.known.catalog.recoveries.past.iter().rev().map(recover::told).collect();
        v1::PlanHistory { plans: running.chain(moves.past.iter().rev().map(progress::of_past)).collect(), recoveries }
    }

    /// What a shard, a node, or the shard of a number is doing, and what to do about it.
    pub async fn explain(&self, request: v1::ExplainRequest) -> Result<v1::Explanation, Error> {
        let asked = self.ready().await?;
        let picture = asked.picture();
        match request.what {
            Some(What::Node(node)) => why::node(&picture, node).ok_or(Error::UnknownNode(node)),
            Some(What::Shard(shard)) => why::shard(&picture, ShardId(shard)).ok_or(Error::UnknownShard(shard)),
            Some(What::PhoneNumber(text)) => {
                let number = PhoneNumber::parse(&text).map_err(|why| Invalid::new("phone_number", why.to_string()))?;
                let shard = number.block().shard(asked.known.catalog.shard_map.shards());
                let mut told = why::shard(&picture, ShardId(shard)).ok_or(Error::UnknownShard(shard))?;
                told.details.insert(0, format!("the number belongs to shard {shard}"));
                Ok(told)
            }
            None => Err(Invalid::new("what", "a phone number, a shard or a node").into()),
        }
    }

    /// Asks all nodes how they stand.
    async fn ask(&self) -> Asked {
        let nodes = self.cluster.replicas(Instant::now() + ASK).await;
        // As it is after they were asked: a node that has joined meanwhile is one that did not answer.
        Asked { known: self.cluster.known(), nodes }
    }

    async fn ready(&self) -> Result<Asked, Error> {
        let asked = self.ask().await;
        if can_answer(&asked.known.catalog) { Ok(asked) } else { Err(Error::NotReady) }
    }
}

/// The moves, if they can be made.
fn possible(picture: &Picture, wanted: &Wanted) -> Result<Outlook, Error> {
    let outlook = outlook(picture, wanted)?;
    match outlook.stuck(picture) {
        Some(shard) => Err(Error::Stuck(shard.clone())),
        None => Ok(outlook),
    }
}
