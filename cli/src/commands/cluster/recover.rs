//! `dnc cluster recover`: shards that lost their majority for good. It says what is left and what would be lost; having it
//! done takes `--unsafe`, and the names of what is given up.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};

use anyhow::{Context, Result, bail};
use dnc_proto::v1::{RecoverShardsRequest, Recovery, RecoveryPreview};

use crate::args::{Caller, Output};
use crate::commands::{client, explain, plain};
use crate::output::{self, thousands};

/// Most shards that a range of names can stand for.
const SHARDS_MAX: u32 = 4_096;

/// Arguments of `dnc cluster recover`.
#[derive(clap::Args)]
pub struct Recover {
    /// Have it done. What was acknowledged, and only replicas that are gone had, is lost.
    #[arg(long = "unsafe", conflicts_with = "dry_run")]
    break_promises: bool,
    /// Only say what is left and what would be lost, as without --unsafe.
    #[arg(long)]
    dry_run: bool,
    /// What is given up, by name, as it is said before: shard-3,shard-7..9,node-2,node-5. Asked for on a terminal unless
    /// given.
    #[arg(long, value_name = "NAMES", requires = "break_promises")]
    confirm: Option<String>,
    /// Why: it is kept in the cluster's history for ever.
    #[arg(long, value_name = "TEXT", default_value = "the majority of replicas was lost for good")]
    why: String,
    /// A UUID by which a repeated request is recognised; made unless given.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    caller: Caller,
}

/// What somebody gives up.
#[derive(Debug, Default, PartialEq, Eq)]
struct GivenUp {
    shards: BTreeSet<u32>,
    nodes: BTreeSet<u64>,
}

/// Says what is left, and has it done if that is wanted and confirmed.
pub async fn run(asked: Recover) -> Result<()> {
    let client = client(&asked.caller)?;
    let preview = client.preview_recovery().await.map_err(explain).context("look at what is left")?;
    let told = asked.caller.output;
    if !asked.break_promises {
        return match told {
            Output::Json => output::json(&preview),
            Output::Text => {
                show(&preview)?;
                if preview.confirm.is_empty() {
                    return Ok(());
                }
                output::line(format_args!(
                    "\nnothing was changed; to give this up: dnc cluster recover --unsafe --confirm {}",
                    preview.confirm
                ))
            }
        };
    }
    let confirm = match asked.confirm {
        Some(names) => names,
        None => ask(&preview)?,
    };
    let GivenUp { shards, nodes } = parse(&confirm).context("the names of what is given up")?;
    let (shards, gone) = (shards.into_iter().collect(), nodes.into_iter().collect());
    // Repeated with the id of one that was done, it is told again: so it is asked even if nothing is left to do.
    let request = RecoverShardsRequest { shards, gone, why: asked.why, request_id: asked.request_id };
    let done = client.recover_shards(request).await.map_err(explain).context("recover the shards")?;
    match told {
        Output::Json => output::json(&done),
        Output::Text => {
            output::line(in_words(&done))?;
            output::line(
                "the replicas that are left go on now, and the others are made anew on the nodes that answer: dnc cluster \
                 status; import the opt-outs again from the dialers' own records",
            )
        }
    }
}

/// Shows what is left, and asks for the names of what is given up.
fn ask(preview: &RecoveryPreview) -> Result<String> {
    if preview.confirm.is_empty() {
        show(preview)?;
        bail!("nothing can be recovered now");
    }
    if !std::io::stdin().is_terminal() {
        bail!("what is given up has to be confirmed by name: --confirm {}", preview.confirm);
    }
    show(preview)?;
    output::line(format_args!("\nto give this up, type its name ({}):", preview.confirm))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    if parse(&answer).ok() != parse(&preview.confirm).ok() {
        bail!("that is not its name; nothing was changed");
    }
    Ok(answer)
}

fn show(preview: &RecoveryPreview) -> Result<()> {
    if preview.shards.is_empty() && preview.refused.is_empty() {
        return output::line(
            "every shard has a majority of replicas that answer: nothing is to be recovered; a node whose data is lost is \
             replaced: dnc cluster replace",
        );
    }
    let rows = preview.shards.iter().flat_map(|shard| {
        shard.replicas.iter().map(move |replica| {
            let at = |known: String| if replica.state == "gone" { "-".to_owned() } else { known };
            vec![
                shard.shard.to_string(),
                replica.node.to_string(),
                replica.state.clone(),
                at(replica.term.to_string()),
                at(replica.index.to_string()),
                at(replica.applied.to_string()),
                if replica.state == "survivor" { thousands(shard.suppressions) } else { "-".into() },
            ]
        })
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        output::table(&["SHARD", "NODE", "REPLICA", "TERM", "LOG ENDS AT", "APPLIED", "SUPPRESSIONS"], &rows)?;
    }
    for node in &preview.gone {
        let others = match node.other_replicas {
            0 => String::new(),
            some => format!("; {some} replicas of other shards are made anew elsewhere"),
        };
        let error = plain(&node.error);
        output::line(format_args!(
            "gone for good then: node {} at {} ({error}){others}",
            node.node,
            plain(&node.address)
        ))?;
    }
    for shard in &preview.refused {
        output::line(format_args!("shard {} cannot be recovered: {}", shard.shard, shard.why))?;
        output::line(format_args!("  -> {}", shard.advice))?;
    }
    preview.warnings.iter().try_for_each(|warning| output::line(format_args!("! {warning}")))
}

/// A recovery that was done, in one line.
pub fn in_words(recovery: &Recovery) -> String {
    let shards: Vec<String> =
        recovery.shards.iter().map(|shard| format!("{} from node {}", shard.shard, shard.survivor)).collect();
    format!(
        "recovered without a majority at {}: shards {}; given up for good: nodes {:?}; {} ({})",
        recovery.at,
        shards.join(", "),
        recovery.gone,
        plain(&recovery.why),
        recovery.recovery_id
    )
}

/// Shards and nodes by name: "shard-3,shard-7..9,node-2".
fn parse(names: &str) -> Result<GivenUp> {
    let mut given = GivenUp::default();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let strange = || format!("{name} is not the name of a shard or a node");
        if let Some(node) = name.strip_prefix("node-") {
            given.nodes.insert(node.parse().with_context(strange)?);
            continue;
        }
        let id = |text: &str| text.parse::<u32>().ok().filter(|id| *id < SHARDS_MAX).with_context(strange);
        let range = name.strip_prefix("shard-").with_context(strange)?;
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        given.shards.extend(id(first)?..=id(last)?);
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_named_one_by_one_or_by_runs_and_nodes_one_by_one() {
        let given = |shards: &[u32], nodes: &[u64]| GivenUp {
            shards: shards.iter().copied().collect(),
            nodes: nodes.iter().copied().collect(),
        };
        assert_eq!(parse("shard-3,shard-7..9,node-2").expect("names"), given(&[3, 7, 8, 9], &[2]));
        assert_eq!(parse(" shard-0, node-12,node-4 \n").expect("names"), given(&[0], &[4, 12]));
        assert_eq!(parse("").expect("no names"), GivenUp::default());
        for bad in ["3", "shard-", "shard-x", "shard-1..", "shard-0..4294967295", "node-", "node-1..2", "yes"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
