//! What is shown of the cluster: on one screen, as tables, in words.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use dnc_proto::v1::explain_request::What;
use dnc_proto::v1::{ClusterNode, ClusterReplica, ClusterShard, ClusterStatus, PlanPreview, PlanProgress};
use dnc_proto::v1::{NodeEffect, PreviewPlanRequest, ReplicaMove};

use super::wait::{Waiting, until_ended};
use super::{Plan, act, recover, text};
use crate::args::{Caller, Output};
use crate::commands::{client, explain, plain};
use crate::output::{self, thousands};

/// Exit code of a cluster that is not healthy.
const NOT_HEALTHY: u8 = 1;

/// Everything on one screen.
pub async fn status(caller: &Caller) -> Result<ExitCode> {
    let status = client(caller)?.cluster_status().await.map_err(explain).context("ask for the status")?;
    match caller.output {
        Output::Json => output::json(&status)?,
        Output::Text => screen(&status)?,
    }
    Ok(if status.healthy { ExitCode::SUCCESS } else { ExitCode::from(NOT_HEALTHY) })
}

/// All nodes.
pub async fn nodes(caller: &Caller) -> Result<()> {
    let answer = client(caller)?.list_nodes().await.map_err(explain).context("list the nodes")?;
    match caller.output {
        Output::Json => output::json(&answer),
        Output::Text => node_table(&answer.nodes),
    }
}

/// All shards.
pub async fn shards(caller: &Caller) -> Result<()> {
    let answer = client(caller)?.list_shards().await.map_err(explain).context("list the shards")?;
    match caller.output {
        Output::Json => output::json(&answer),
        Output::Text => {
            let rows: Vec<_> = answer.shards.iter().map(shard_row).collect();
            output::table(&["SHARD", "REPLICAS", "MAY FAIL", "SIZE", "NUMBERS", "SUPPRESSIONS", "MOVES"], &rows)
        }
    }
}

/// The moves that the cluster needs.
pub async fn plan(asked: Plan) -> Result<()> {
    let request = PreviewPlanRequest {
        leaving: asked.drain,
        throttle: asked.throttle,
        lost: asked.replace.unwrap_or(0),
        replacement: asked.with.unwrap_or(0),
    };
    let plan = client(&asked.caller)?.preview_plan(request).await.map_err(explain).context("plan")?;
    match asked.caller.output {
        Output::Json => output::json(&plan),
        Output::Text => preview(&plan),
    }
}

/// The plan that is carried out, and those that have ended.
pub async fn history(waiting: &Waiting, caller: &Caller) -> Result<ExitCode> {
    let client = client(caller)?;
    let mut exit = ExitCode::SUCCESS;
    if waiting.wait
        && let Some(plan) = act::running(&client).await?
    {
        exit = act::exit_of(&until_ended(&client, &plan, waiting).await?);
    }
    let answer = client.plan_history().await.map_err(explain).context("show the plans")?;
    match caller.output {
        Output::Json => output::json(&answer)?,
        Output::Text => {
            let rows: Vec<_> = answer.plans.iter().map(plan_row).collect();
            output::table(&["BEGUN", "ENDED", "STATE", "MOVES", "WHY", "PLAN"], &rows)?;
            answer.recoveries.iter().try_for_each(|past| output::line(recover::in_words(past)))?;
        }
    }
    Ok(exit)
}

/// What something is doing, and what to do about it.
pub async fn why(what: &[String], caller: &Caller) -> Result<()> {
    let told = client(caller)?.explain(named(what)?).await.map_err(explain).context("explain")?;
    if caller.output == Output::Json {
        return output::json(&told);
    }
    output::line(format_args!("{}: {}", told.subject, told.state))?;
    told.details.iter().try_for_each(|detail| output::line(format_args!("  {detail}")))?;
    if told.advice.is_empty() {
        return output::line("nothing is to be done");
    }
    output::line("to do:")?;
    told.advice.iter().try_for_each(|advice| output::line(format_args!("  {advice}")))
}

/// What is asked about. A small number alone could be a shard or a node.
fn named(what: &[String]) -> Result<What> {
    let words: Vec<&str> = what.iter().flat_map(|word| word.splitn(2, [':', '='])).collect();
    let id =
        |text: &str, kind: &str| -> Result<u64> { text.parse().with_context(|| format!("the number of a {kind}")) };
    match words.as_slice() {
        ["shard", text] => Ok(What::Shard(u32::try_from(id(text, "shard")?).context("the number of a shard")?)),
        ["node", text] => Ok(What::Node(id(text, "node")?)),
        [text] if text.len() < 7 => bail!("say what it is: `shard {text}`, `node {text}`, or a whole phone number"),
        // A number may have a space in it.
        [_] => Ok(What::PhoneNumber(what[0].clone())),
        _ => Ok(What::PhoneNumber(what.join(" "))),
    }
}

fn screen(status: &ClusterStatus) -> Result<()> {
    let state = if status.healthy { "healthy" } else { "NOT HEALTHY" };
    let may_fail = match status.failures_tolerated {
        0 => "no node may fail now".into(),
        1 => "any one node may fail now".into(),
        some => format!("any {some} nodes may fail now"),
    };
    output::line(format_args!("{state}; {may_fail}"))?;
    for problem in &status.problems {
        output::line(format_args!("  {}: {}", problem.severity, problem.what))?;
        output::line(format_args!("    -> {}", problem.advice))?;
    }
    let ClusterStatus { shards, shards_led, shards_under_replicated, shards_without_majority, .. } = status;
    output::line(format_args!(
        "\n{shards} shards: {shards_led} with a leader, {shards_under_replicated} under-replicated, \
         {shards_without_majority} without a majority"
    ))?;
    match &status.plan {
        Some(plan) => output::line(format_args!("moves: {}\n", act::in_words(plan)))?,
        None => output::line("no moves\n")?,
    }
    node_table(&status.nodes)
}

fn node_table(nodes: &[ClusterNode]) -> Result<()> {
    let row = |node: &ClusterNode| {
        let answers =
            if node.answers { "yes".into() } else { format!("no: {}", plain(node.error.as_deref().unwrap_or(""))) };
        vec![
            node.node.to_string(),
            plain(&node.address),
            plain(&node.zone),
            node.duty.clone(),
            node.replicas.to_string(),
            node.leaders.to_string(),
            node.incoming.to_string(),
            text::size(node.bytes),
            answers,
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    output::table(&["NODE", "ADDRESS", "ZONE", "DUTY", "REPLICAS", "LEADS", "COMING", "SIZE", "ANSWERS"], &rows)
}

fn shard_row(shard: &ClusterShard) -> Vec<String> {
    // The usual is left out, so that what is not stands out.
    let replica = |replica: &ClusterReplica| match replica.state.as_str() {
        "follower" => replica.node.to_string(),
        "leader" => format!("{}*", replica.node),
        state => format!("{}({state})", replica.node),
    };
    let replicas: Vec<String> = shard.replicas.iter().map(replica).collect();
    vec![
        shard.shard.to_string(),
        replicas.join(" "),
        shard.failures_tolerated.map_or_else(|| "no majority".into(), |count| count.to_string()),
        text::size(shard.bytes),
        thousands(shard.numbers),
        thousands(shard.suppressions),
        shard.r#move.as_ref().map_or_else(|| "-".into(), |step| format!("{} -> {}", step.from, step.to)),
    ]
}

fn plan_row(plan: &PlanProgress) -> Vec<String> {
    vec![
        plan.made_at.clone(),
        plan.ended_at.clone().unwrap_or_else(|| "-".into()),
        plan.state.clone(),
        format!("{} of {}", plan.done, plan.moves),
        plain(&plan.why),
        plan.plan_id.clone(),
    ]
}

fn preview(plan: &PlanPreview) -> Result<()> {
    if plan.moves.is_empty() {
        return output::line("nothing has to move");
    }
    let row = |step: &ReplicaMove| {
        vec![step.shard.to_string(), step.from.to_string(), step.to.to_string(), text::size(step.bytes)]
    };
    let rows: Vec<_> = plan.moves.iter().map(row).collect();
    output::table(&["SHARD", "FROM", "TO", "SIZE"], &rows)?;
    output::line("")?;
    let row = |node: &NodeEffect| {
        vec![node.node.to_string(), node.replicas_before.to_string(), node.replicas_after.to_string()]
    };
    let rows: Vec<_> = plan.nodes.iter().map(row).collect();
    output::table(&["NODE", "REPLICAS NOW", "REPLICAS THEN"], &rows)?;
    output::line(format_args!("\n{}", in_words(plan)))?;
    output::line("nothing was changed; to have this done: apply, drain or replace, in the place of plan")
}

/// What a plan comes to.
fn in_words(plan: &PlanPreview) -> String {
    let (now, then) = (plan.failures_tolerated_before, plan.failures_tolerated_after);
    format!(
        "{} moves, {}; about {} at {} a second{}\nnodes that may fail: {now} now, {} meanwhile, {then} then\n\
         zones of each shard, at least: {} now, {} then",
        plan.moves.len(),
        text::size(plan.bytes),
        text::time(plan.expected_seconds),
        text::size(plan.bytes_per_second),
        if plan.rate_is_assumed { ", which is assumed" } else { "" },
        now.min(then),
        plan.fewest_zones_before,
        plan.fewest_zones_after,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<What> {
        named(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_about_is_a_shard_a_node_or_a_number() {
        assert_eq!(asked(&["shard", "5"]).unwrap(), What::Shard(5));
        assert_eq!(asked(&["node:3"]).unwrap(), What::Node(3));
        assert_eq!(asked(&["2015550100"]).unwrap(), What::PhoneNumber("2015550100".into()));
        assert_eq!(asked(&["201", "5550100"]).unwrap(), What::PhoneNumber("201 5550100".into()));
        let why = asked(&["5"]).unwrap_err().to_string();
        assert!(why.contains("`shard 5`") && why.contains("`node 5`"), "{why}");
        assert!(asked(&["shard", "x"]).is_err());
    }

    #[test]
    fn replicas_that_are_not_as_usual_stand_out() {
        let replica = |node, state: &str| ClusterReplica { node, state: state.into() };
        let replicas = vec![replica(1, "leader"), replica(2, "follower"), replica(3, "away")];
        let shard = ClusterShard { replicas, failures_tolerated: Some(0), ..ClusterShard::default() };
        assert_eq!(shard_row(&shard)[1..3], ["1* 2 3(away)", "0"]);
        let lost = ClusterShard { failures_tolerated: None, ..shard };
        assert_eq!(shard_row(&lost)[2], "no majority");
    }

    #[test]
    fn a_preview_says_what_is_assumed_and_what_may_fail_meanwhile() {
        let plan = PlanPreview {
            expected_seconds: 61,
            bytes_per_second: 1_024,
            rate_is_assumed: true,
            failures_tolerated_after: 1,
            ..PlanPreview::default()
        };
        let told = in_words(&plan);
        assert!(told.contains("about 1 min 1 s at 1.00 KiB a second, which is assumed"), "{told}");
        assert!(told.contains("0 now, 0 meanwhile, 1 then"), "{told}");
    }
}
