//! `dnc cluster`: how the cluster stands, which replicas move where, and which nodes come and go.
//!
//! [`show`] prints, [`act`] changes, [`wait`] follows a plan until it has ended, [`join`] waits for a
//! node, [`recover`] is for shards that lost their majority.

mod act;
mod join;
mod recover;
mod show;
mod text;
mod wait;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use self::wait::Waiting;
use crate::args::Caller;

/// Arguments of `dnc cluster`.
#[derive(clap::Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Show on one screen whether the cluster is healthy, why not, and what to do about it.
    ///
    /// Exit code 0: healthy. 1: not healthy. 2: not known.
    Status {
        #[command(flatten)]
        caller: Caller,
    },
    /// Show the nodes.
    Nodes {
        #[command(flatten)]
        caller: Caller,
    },
    /// Show the shards and their replicas.
    Shards {
        #[command(flatten)]
        caller: Caller,
    },
    /// Say how a node joins, and wait until a named one has joined.
    Join(join::Join),
    /// Have a node give its leaderships and replicas away, and take none. Refused at once if they have nowhere to go.
    Drain {
        /// The node: its id, or the address at which routers reach it (host:port).
        node: String,
        #[command(flatten)]
        start: Start,
    },
    /// Let nodes go for good, one after the other: drain them if they hold anything, then retire them. Their ids are never given again.
    ///
    /// Without --wait, and with replicas to move first, this begins; run again when they are moved, it ends.
    Decommission {
        /// The nodes: their ids, or the addresses at which routers reach them (host:port).
        #[arg(required = true)]
        nodes: Vec<String>,
        #[command(flatten)]
        start: Start,
    },
    /// Have a drained node serve again. It gets replicas by the next plan.
    Recommission {
        /// The node.
        node: u64,
        #[command(flatten)]
        caller: Caller,
    },
    /// Have the replicas of a node whose data is lost made anew on another one; with --wait, retire it then.
    Replace {
        /// The node whose data is lost.
        old: u64,
        /// The node that takes its replicas; whichever fits if it is not given.
        new: Option<u64>,
        #[command(flatten)]
        start: Start,
    },
    /// Say what is left of shards that lost their majority for good; with --unsafe, have them go on from that.
    ///
    /// What was acknowledged, and only the replicas that are gone had, is lost then: it says so, and asks for it by name.
    Recover(recover::Recover),
    /// Show the moves that the cluster needs: bytes, time, and what they do to nodes, zones and majorities. Changes nothing.
    Plan(Plan),
    /// Have the moves made that the cluster needs.
    Apply {
        #[command(flatten)]
        start: Start,
    },
    /// Begin no more moves of the plan that is carried out; those under way are finished or taken back.
    Cancel {
        /// Its id; whichever is carried out if it is not given.
        plan: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        caller: Caller,
    },
    /// Show the plan that is carried out, those that have ended, and shards that were recovered without a majority.
    History {
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        caller: Caller,
    },
    /// Say what a shard, a node, or the shard of a number is doing, and what to do about it.
    Why {
        /// A phone number; or `shard 5`; or `node 3`.
        #[arg(num_args = 1..=2, required = true, value_name = "NUMBER|shard N|node N")]
        what: Vec<String>,
        #[command(flatten)]
        caller: Caller,
    },
}

/// How a plan is carried out.
#[derive(clap::Args)]
struct Start {
    /// What each sender may use a second: 20MB, 512KiB (the least), or a number of bytes. As much as it can unless given.
    #[arg(long, value_name = "BYTES", value_parser = text::rate, default_value = "0", hide_default_value = true)]
    throttle: u64,
    /// A UUID by which a repeated request is recognised; made unless given.
    #[arg(long, value_name = "UUID", default_value = "")]
    request_id: String,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
struct Plan {
    /// As if this node were to be drained. Repeatable.
    #[arg(long, value_name = "NODE", conflicts_with = "replace")]
    drain: Vec<u64>,
    /// As if this node's data were lost.
    #[arg(long, value_name = "NODE")]
    replace: Option<u64>,
    /// With --replace: the node that takes its replicas.
    #[arg(long, value_name = "NODE", requires = "replace")]
    with: Option<u64>,
    /// What each sender may use a second: 20MB, 512KiB (the least), or a number of bytes.
    #[arg(long, value_name = "BYTES", value_parser = text::rate, default_value = "0", hide_default_value = true)]
    throttle: u64,
    #[command(flatten)]
    caller: Caller,
}

/// Does what was asked.
pub async fn run(asked: ClusterArgs) -> Result<ExitCode> {
    match asked.act {
        Act::Status { caller } => return show::status(&caller).await,
        Act::Nodes { caller } => show::nodes(&caller).await?,
        Act::Shards { caller } => show::shards(&caller).await?,
        Act::Join(asked) => join::run(asked).await?,
        Act::Drain { node, start } => return act::drain(&node, start).await,
        Act::Decommission { nodes, start } => return act::decommission(&nodes, start).await,
        Act::Recommission { node, caller } => act::recommission(node, &caller).await?,
        Act::Replace { old, new, start } => return act::replace(old, new, start).await,
        Act::Recover(asked) => recover::run(asked).await?,
        Act::Plan(asked) => show::plan(asked).await?,
        Act::Apply { start } => return act::apply(start).await,
        Act::Cancel { plan, waiting, caller } => act::cancel(plan.as_deref(), &waiting, &caller).await?,
        Act::History { waiting, caller } => return show::history(&waiting, &caller).await,
        Act::Why { what, caller } => show::why(&what, &caller).await?,
    }
    Ok(ExitCode::SUCCESS)
}
