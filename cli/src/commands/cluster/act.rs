//! What changes the cluster: plans begun, followed and cancelled; nodes that come back or go.

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use dnc_proto::v1::{
    ApplyPlanRequest, ClusterNode, DrainNodeRequest, NodeRetired, PlanProgress, PlanStarted, ReplaceNodeRequest,
};
use dnc_router::client::Client;

use super::join::is_named;
use super::wait::{Waiting, how_far, until_ended};
use super::{Start, text};
use crate::args::{Caller, Output};
use crate::commands::{client, explain};
use crate::output;

/// Exit code if a plan that was waited for was cancelled.
const CANCELLED: u8 = 1;

/// Has the moves made that the cluster needs.
pub async fn apply(start: Start) -> Result<ExitCode> {
    let client = client(&start.caller)?;
    let request = ApplyPlanRequest { throttle: start.throttle, request_id: start.request_id.clone() };
    let started = client.apply_plan(request).await.map_err(explain).context("apply a plan")?;
    finish(&client, started, &start).await
}

/// Has a node give its replicas away.
pub async fn drain(named: &str, start: Start) -> Result<ExitCode> {
    let client = client(&start.caller)?;
    let Some(node) = find(&client, named).await? else {
        bail!("there is no node {named}");
    };
    let node = node.node;
    let started = begin_drain(&client, node, &start).await?;
    finish(&client, started, &start).await
}

/// Lets nodes go, until one cannot go yet.
pub async fn decommission(named: &[String], start: Start) -> Result<ExitCode> {
    ensure!(named.len() == 1 || start.request_id.is_empty(), "a request id names one request: give one node with it");
    let client = client(&start.caller)?;
    for named in named {
        let code = let_go(&client, named, &start).await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Drains a node if it holds anything, and lets it go.
async fn let_go(client: &Client, named: &str, start: &Start) -> Result<ExitCode> {
    let Some(now) = find(client, named).await? else {
        // Ids are never given again; at an address nobody may be left, which is what was wanted.
        ensure!(named.parse::<u64>().is_err(), "there is no node {named}");
        output::note(format_args!("no node is at {named}: there is nothing to let go"));
        return Ok(ExitCode::SUCCESS);
    };
    let node = now.node;
    let under_way = running(client).await?;
    let plan = match (now.duty.as_str(), under_way) {
        _ if now.idle && now.duty != "serving" => None,
        // Whatever is under way is what empties it.
        ("draining" | "lost", Some(plan)) => Some(plan),
        ("lost", None) => bail!("node {node} was given up for lost and holds replicas: dnc cluster apply moves them"),
        _ => begin_drain(client, node, start).await?.plan,
    };
    if let Some(plan) = plan {
        if !start.waiting.wait {
            tell(&plan, start.caller.output)?;
            if start.caller.output == Output::Text {
                output::line(format_args!("when it is done: dnc cluster decommission {node}"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let ended = until_ended(client, &plan, &start.waiting).await?;
        if ended.dropped > 0 {
            tell(&ended, start.caller.output)?;
            return Ok(ExitCode::from(CANCELLED));
        }
    }
    retire(client, node, start.caller.output).await?;
    Ok(ExitCode::SUCCESS)
}

/// The node of this id, or at this address.
async fn find(client: &Client, named: &str) -> Result<Option<ClusterNode>> {
    let nodes = client.list_nodes().await.map_err(explain).context("list the nodes")?.nodes;
    Ok(nodes.into_iter().find(|node| is_named(node, named)))
}

/// Has a node serve again.
pub async fn recommission(node: u64, caller: &Caller) -> Result<()> {
    let client = client(caller)?;
    let node = client.recommission_node(node).await.map_err(explain).context("have the node serve again")?;
    match caller.output {
        Output::Json => output::json(&node),
        Output::Text => output::line(format_args!(
            "node {} serves; it holds {} replicas, and takes more by the next plan",
            node.node, node.replicas
        )),
    }
}

/// Has the replicas of a lost node made anew, and lets it go once they are.
pub async fn replace(old: u64, new: Option<u64>, start: Start) -> Result<ExitCode> {
    let client = client(&start.caller)?;
    let request = ReplaceNodeRequest {
        node: old,
        replacement: new.unwrap_or(0),
        throttle: start.throttle,
        request_id: start.request_id.clone(),
    };
    let started = client.replace_node(request).await.map_err(explain).context("replace the node")?;
    let done = match &started.plan {
        None => true,
        Some(_) if !start.waiting.wait => false,
        Some(plan) => until_ended(&client, plan, &start.waiting).await?.dropped == 0,
    };
    if done {
        retire(&client, old, start.caller.output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if start.caller.output == Output::Text && !start.waiting.wait {
        output::line(format_args!("when it is done: dnc cluster decommission {old}"))?;
    }
    finish(&client, started, &start).await
}

/// Begins no more moves of a plan.
pub async fn cancel(plan: Option<&str>, waiting: &Waiting, caller: &Caller) -> Result<()> {
    let client = client(caller)?;
    let mut now = client.cancel_plan(plan.unwrap_or("")).await.map_err(explain).context("cancel the plan")?;
    if waiting.wait && now.ended_at.is_none() {
        now = until_ended(&client, &now, waiting).await?;
    }
    tell(&now, caller.output)
}

/// The plan that is carried out.
pub async fn running(client: &Client) -> Result<Option<PlanProgress>> {
    let history = client.plan_history().await.map_err(explain).context("look for a plan")?;
    Ok(history.plans.into_iter().find(|plan| plan.ended_at.is_none()))
}

/// How a plan that was waited for ended, as an exit code.
pub fn exit_of(plan: &PlanProgress) -> ExitCode {
    if plan.dropped > 0 { ExitCode::from(CANCELLED) } else { ExitCode::SUCCESS }
}

async fn begin_drain(client: &Client, node: u64, start: &Start) -> Result<PlanStarted> {
    let request = DrainNodeRequest { node, throttle: start.throttle, request_id: start.request_id.clone() };
    client.drain_node(request).await.map_err(explain).context("drain the node")
}

/// Waits for a plan if that is wanted, and tells of it.
async fn finish(client: &Client, mut started: PlanStarted, start: &Start) -> Result<ExitCode> {
    if let (true, Some(plan)) = (start.waiting.wait, &started.plan) {
        started.plan = Some(until_ended(client, plan, &start.waiting).await?);
    }
    match (start.caller.output, &started.plan) {
        (Output::Json, _) => output::json(&started)?,
        (Output::Text, Some(plan)) => tell(plan, Output::Text)?,
        (Output::Text, None) => output::line("nothing has to move")?,
    }
    Ok(started.plan.as_ref().map_or(ExitCode::SUCCESS, exit_of))
}

async fn retire(client: &Client, node: u64, how: Output) -> Result<()> {
    let retired: NodeRetired = client.retire_node(node).await.map_err(explain).context("retire the node")?;
    match how {
        Output::Json => output::json(&retired),
        Output::Text => output::line(format_args!("node {node} is retired; its id is never given again")),
    }
}

fn tell(plan: &PlanProgress, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(plan),
        Output::Text => output::line(in_words(plan)),
    }
}

/// A plan in one line.
pub fn in_words(plan: &PlanProgress) -> String {
    let PlanProgress { why, plan_id, moves, done, dropped, throttle, .. } = plan;
    let pace = if *throttle > 0 { format!(", {} a second each", text::size(*throttle)) } else { String::new() };
    match (plan.ended_at.is_some(), *dropped) {
        (true, 0) => format!("{why}: done, {done} moves (plan {plan_id})"),
        (true, _) => format!("{why}: cancelled, {done} of {moves} moves were made (plan {plan_id})"),
        (false, _) => format!("{why}: {done} of {moves} moves done{pace}; {} (plan {plan_id})", how_far(plan)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_told_in_one_line_whether_it_runs_ended_or_was_cancelled() {
        let plan = PlanProgress {
            plan_id: "7".into(),
            why: "drain node 3".into(),
            moves: 4,
            done: 1,
            throttle: 1_024,
            seconds_left: Some(9),
            ..PlanProgress::default()
        };
        let told = "drain node 3: 1 of 4 moves done, 1.00 KiB a second each; 0 B, about 9 s left (plan 7)";
        assert_eq!(in_words(&plan), told);
        let ended = PlanProgress { done: 4, ended_at: Some("then".into()), ..plan };
        assert_eq!(in_words(&ended), "drain node 3: done, 4 moves (plan 7)");
        let cancelled = PlanProgress { done: 3, dropped: 1, ..ended };
        assert_eq!(in_words(&cancelled), "drain node 3: cancelled, 3 of 4 moves were made (plan 7)");
    }
}
