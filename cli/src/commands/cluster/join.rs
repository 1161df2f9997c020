//! `dnc cluster join`: how a node joins, and waiting until it has.

use std::time::Duration;

use anyhow::{Result, ensure};
use dnc_proto::v1::ClusterNode;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::text;
use crate::args::{Caller, Output};
use crate::commands::client;
use crate::output;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What to type where the new node is to run.
const COMMAND: &str =
    "dnc node --data-dir DIR --meta META --advertise HOST:7420 --advertise-raft HOST:7421 --zone ZONE";

/// Arguments of `dnc cluster join`.
#[derive(clap::Args)]
pub struct Join {
    /// The node to wait for: its id, or the address at which routers reach it (host:port).
    node: Option<String>,
    /// The longest to wait, seconds.
    #[arg(long, value_name = "S", default_value_t = 300)]
    limit: u64,
    #[command(flatten)]
    caller: Caller,
}

/// Says how a node joins; waits for it if it is named.
pub async fn run(asked: Join) -> Result<()> {
    let Some(wanted) = &asked.node else {
        return how(asked.caller.output);
    };
    if asked.caller.output == Output::Text {
        output::note(format_args!("waits for {wanted}; where it is to run: {COMMAND}"));
    }
    let client = client(&asked.caller)?;
    let deadline = Instant::now() + text::limit(asked.limit);
    loop {
        // A router that does not answer now is asked again.
        let nodes = client.list_nodes().await.map(|answer| answer.nodes).unwrap_or_default();
        let found = nodes.into_iter().find(|node| is_named(node, wanted));
        if let Some(node) = found.as_ref().filter(|node| node.answers) {
            return joined(node, asked.caller.output);
        }
        ensure!(
            Instant::now() < deadline,
            match &found {
                Some(node) => format!("node {} has joined, but does not answer", node.node),
                None => format!("{wanted} has not joined; its log says whether it reaches the meta voters"),
            }
        );
        sleep(PAUSE).await;
    }
}

fn how(how: Output) -> Result<()> {
    if how == Output::Json {
        return output::json(&json!({ "command": COMMAND }));
    }
    output::line("A node joins by being started with a data folder of its own:\n")?;
    output::line(format_args!("  {COMMAND}\n"))?;
    output::line("META: the service addresses of the meta voters, as the other nodes have them (--meta).")?;
    output::line("ZONE: where it fails together with others; replicas of a shard are spread over zones.")?;
    output::line("It gets an id, and holds nothing until replicas are moved to it: dnc cluster plan, then apply.")?;
    output::line("To wait for it: dnc cluster join HOST:7420")
}

fn joined(node: &ClusterNode, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(node),
        Output::Text => output::line(format_args!(
            "node {} at {} has joined, with {} replicas{}",
            node.node,
            node.address,
            node.replicas,
            if node.idle { "; give it its share: dnc cluster plan, then apply" } else { "" }
        )),
    }
}

/// Whether this is the node of this id, or at this address.
pub fn is_named(node: &ClusterNode, wanted: &str) -> bool {
    node.address == wanted || wanted.parse() == Ok(node.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_its_id_or_its_address() {
        let node = ClusterNode { node: 4, address: "n4:7420".into(), ..ClusterNode::default() };
        assert!(is_named(&node, "4") && is_named(&node, "n4:7420"));
        assert!(!is_named(&node, "44") && !is_named(&node, "n4") && !is_named(&node, ""));
    }
}
