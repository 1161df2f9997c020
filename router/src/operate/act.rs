//! What operators do: nodes drained, replaced, retired; plans adopted and cancelled.
//!
//! A plan is checked before anything is changed. Then the node gets its duty, so that no other plan gives it replicas,
//! and the plan is adopted; if the meta group refuses that, the duty is taken back. The meta group does the rest.

use dnc_core::catalog::{Change, Duty, Purpose, Refusal};
use dnc_core::ids::{BadRequestId, NodeId, RequestId};
use dnc_core::moving;
use dnc_proto::v1;
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::forecast::Wanted;
use super::picture::{Picture, State};
use super::{Asked, Error, Operators, possible, progress, told};
use crate::clock::now_ms;
use crate::cluster::{Cluster, can_answer};
use crate::decide::{self, Undecided};
use crate::failure::Invalid;

/// A plan that an operator wants.
struct Start {
    id: RequestId,
    why: String,
    throttle: u64,
}

// === impl Operators ===

impl<C: Cluster> Operators<C> {
    /// Has the moves made that the cluster needs.
    pub async fn apply(&self, request: v1::ApplyPlanRequest) -> Result<v1::PlanStarted, Error> {
        let start = Start::new("spread replicas", request.throttle, &request.request_id)?;
        self.start(start, |_| Ok(Wanted::default())).await
    }

    /// Has a node give its replicas and leaderships away.
    pub async fn drain(&self, request: v1::DrainNodeRequest) -> Result<v1::PlanStarted, Error> {
        let node = request.node;
        let start = Start::new(format!("drain node {node}"), request.throttle, &request.request_id)?;
        let wanted = |picture: &Picture| {
            let node = known(picture, node)?;
            if picture.catalog.duty(node) == Duty::Lost {
                return Err(Error::Unfit(format!("node {node} was given up for lost: it is replaced, not drained")));
            }
            Ok(Wanted { duties: vec![(node, Duty::Draining)], replacement: None })
        };
        self.start(start, wanted).await
    }

    /// Has the replicas of a node made anew elsewhere, on one node if it is named.
    pub async fn replace(&self, request: v1::ReplaceNodeRequest) -> Result<v1::PlanStarted, Error> {
        let (old, new) = (request.node, request.replacement);
        let by = if new > 0 { format!(" by node {new}") } else { String::new() };
        let start = Start::new(format!("replace node {old}{by}"), request.throttle, &request.request_id)?;
        self.start(start, |picture| replacing(picture, old, new)).await
    }

    /// Has a node serve again.
    pub async fn recommission(&self, request: v1::RecommissionNodeRequest) -> Result<v1::ClusterNode, Error> {
        let node = request.node;
        self.set_duty(node, Duty::Serving, decide::deadline()).await?;
        info!(node, "node serves again");
        let asked = self.ask().await;
        let found = asked.known.catalog.nodes.get(&node).ok_or(Error::UnknownNode(node))?;
        Ok(told::node(&asked.picture(), found))
    }

    /// Lets a node go that holds nothing.
    pub async fn retire(&self, request: v1::RetireNodeRequest) -> Result<v1::NodeRetired, Error> {
        let node = request.node;
        let (_, known) = decide::propose(&self.cluster, &Change::RetireNode { node }, decide::deadline()).await?;
        info!(node, "node retired");
        Ok(v1::NodeRetired { node, revision: known.catalog.revision })
    }

    /// Begins no more moves of a plan: of this one, or of whichever is carried out.
    pub async fn cancel(&self, request: v1::CancelPlanRequest) -> Result<v1::PlanProgress, Error> {
        let id = match request.plan_id.as_str() {
            "" => self.cluster.known().catalog.moves.plan.as_ref().map(|plan| plan.id).ok_or(Error::NoPlan)?,
            given => parse(given, "plan_id")?,
        };
        decide::propose(&self.cluster, &Change::CancelPlan { id }, decide::deadline()).await?;
        info!(plan = %id, "plan cancelled");
        progress_of(id, &self.ask().await).plan.ok_or(Error::NoPlan)
    }

    /// Checks a plan, says what is wanted of its nodes, and has it carried out.
    async fn start(
        &self,
        start: Start,
        wanted: impl Fn(&Picture) -> Result<Wanted, Error>,
    ) -> Result<v1::PlanStarted, Error> {
        let deadline = decide::deadline();
        let Start { id, why, throttle } = start;
        let is_known = |moves: &dnc_core::catalog::Moves| {
            moves.plan.iter().map(|plan| plan.id).chain(moves.past.iter().map(|past| past.id)).any(|other| other == id)
        };
        if is_known(&self.cluster.known().catalog.moves) {
            return Ok(progress_of(id, &self.ask().await));
        }
        let asked = self.ask().await;
        let catalog = &asked.known.catalog;
        if !can_answer(catalog) {
            return Err(Error::NotReady);
        }
        let picture = asked.picture();
        let wanted = wanted(&picture)?;
        if catalog.moves.plan.is_some() {
            return Err(Undecided::Refused(Refusal::PlanUnderWay).into());
        }
        let moves = possible(&picture, &wanted)?.moves;
        for (node, duty) in &wanted.duties {
            self.set_duty(*node, *duty, deadline).await?;
        }
        if moves.is_empty() {
            return Ok(v1::PlanStarted { plan: None, revision: self.cluster.known().catalog.revision });
        }
        let (count, purpose) = (moves.len(), Purpose { why, throttle, made_ms: now_ms() });
        let adopted = decide::propose(&self.cluster, &Change::AdoptPlan { id, purpose, moves }, deadline).await;
        let Err(why) = adopted else {
            info!(plan = %id, moves = count, "plan adopted");
            return Ok(progress_of(id, &Asked { known: self.cluster.known(), nodes: asked.nodes }));
        };
        let Some((node, duty)) = wanted.duties.first().copied() else {
            return Err(why.into());
        };
        // Only a refusal is sure: a plan that may have been adopted still needs the duty.
        if matches!(why, Undecided::Refused(_)) {
            match self.set_duty(node, catalog.duty(node), deadline).await {
                Ok(()) => return Err(why.into()),
                Err(error) => warn!(node, %error, "take the duty of a node back"),
            }
        }
        Err(Error::HalfDone { node, duty, why })
    }

    async fn set_duty(&self, node: NodeId, duty: Duty, deadline: Instant) -> Result<(), Error> {
        decide::propose(&self.cluster, &Change::SetDuty { node, duty }, deadline).await?;
        Ok(())
    }
}

/// How far a plan is; none if it is not there.
fn progress_of(id: RequestId, asked: &Asked) -> v1::PlanStarted {
    let (picture, catalog) = (asked.picture(), &asked.known.catalog);
    let running = catalog.moves.plan.iter().filter(|plan| plan.id == id);
    let mut running = running.map(|plan| progress::of_plan(plan, &picture, now_ms()));
    let past = || catalog.moves.past.iter().find(|past| past.id == id).map(progress::of_past);
    v1::PlanStarted { plan: running.next().or_else(past), revision: catalog.revision }
}

/// A node that is there.
pub fn known(picture: &Picture, node: NodeId) -> Result<NodeId, Error> {
    if picture.catalog.nodes.contains_key(&node) { Ok(node) } else { Err(Error::UnknownNode(node)) }
}

/// What is wanted so that a node can be given up: by this replacement, or by whichever fits if it is 0.
pub fn replacing(picture: &Picture, old: NodeId, new: NodeId) -> Result<Wanted, Error> {
    let unfit = |why: String| Err(Error::Unfit(why));
    known(picture, old)?;
    let whole = picture.held_by(old).all(|(_, state)| !matches!(state, State::Missing | State::Away));
    if picture.answer(old).is_ok() && whole && !picture.is_idle(old) {
        return unfit(format!("node {old} answers and has its data: drain it instead, or stop it first"));
    }
    let duties = vec![(old, Duty::Lost)];
    if new == 0 {
        return Ok(Wanted { duties, replacement: None });
    }
    known(picture, new)?;
    if new == old {
        return unfit("a node does not replace itself: without its data it joins under another id".into());
    }
    if picture.catalog.duty(new) != Duty::Serving {
        return unfit(format!("node {new} is {}, and takes no replicas", told::duty(picture.catalog.duty(new))));
    }
    if let Err(why) = picture.answer(new) {
        return unfit(format!("node {new} does not answer ({why}), and takes no replicas"));
    }
    Ok(Wanted { duties, replacement: Some((old, new)) })
}

// === impl Start ===

impl Start {
    fn new(why: impl Into<String>, throttle: u64, request_id: &str) -> Result<Self, Invalid> {
        let id = request(request_id)?;
        Ok(Self { id, why: why.into(), throttle: moving::throttle(throttle) })
    }
}

/// The id of a request, made if it has none.
pub fn request(id: &str) -> Result<RequestId, Invalid> {
    match id {
        "" => Ok(RequestId(Uuid::now_v7().as_u128())),
        given => parse(given, "request_id"),
    }
}

fn parse(id: &str, field: &'static str) -> Result<RequestId, Invalid> {
    id.parse().map_err(|why: BadRequestId| Invalid::new(field, why.to_string()))
}
