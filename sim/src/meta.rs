//! A voter of the meta group: the product's catalog machine and its reconciler, on a simulated group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::GroupId;
use dnc_core::catalog::{Catalog, Change, Decision, Founding};
use dnc_core::codec;
use dnc_core::ids::RequestId;
use dnc_meta::carry_out::{self, Care};
use dnc_meta::reconcile::{Voter, next_step};
use dnc_meta::{Board, CatalogMachine};
use tokio::time::sleep;

use crate::follow::{self, Proposed};
use crate::net::Handler;
use crate::note;
use crate::plan::{REPLICATION, VOTERS};
use crate::raft::{Group, Host, WriteError};
use crate::rpc;
use crate::world::{World, now_ms};

/// Time for one proposal of the reconciler.
const PROPOSE: Duration = Duration::from_secs(5);
/// Time for one proposal of others.
const ASKED: Duration = Duration::from_millis(1_200);
/// The catalog is looked at this often.
const TICK: Duration = Duration::from_millis(300);

/// A voter, as the reconciler sees it.
struct Seat {
    group: Group,
    board: Arc<Board>,
    host: Host,
}

// === impl Seat ===

impl Voter for Seat {
    fn leads(&self) -> bool {
        self.group.is_leader()
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.board.catalog()
    }

    async fn propose(&self, change: &Change) {
        let trace = self.host.world().trace();
        match self.group.write(codec::encode(change), PROPOSE).await {
            Ok(reply) => match codec::decode::<Decision>(&reply) {
                Ok(decision) => note!(trace, self.host.name(), "reconciler: {} -> {decision:?}", brief(change)),
                Err(error) => note!(trace, self.host.name(), "reconciler: {} -> {error}", brief(change)),
            },
            Err(error) => note!(trace, self.host.name(), "reconciler: {} -> {error:?}", brief(change)),
        }
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    fn new_id(&self) -> RequestId {
        RequestId(self.host.dice().draw(rand::Rng::random))
    }
}

fn brief(change: &Change) -> String {
    let text = format!("{change:?}");
    text.chars().take(120).collect()
}

/// One life of a voter.
pub async fn run(world: World, id: u64) -> anyhow::Result<()> {
    let host = world.host(&follow::voter(id)).await?;
    let board = Arc::new(Board::new(id));
    let machine = Arc::new(CatalogMachine::new(board.clone()));
    let peers = Arc::new(|node| Some(follow::voter(node)));
    let group = host.start(GroupId::META, id, machine, peers).await?;
    world.keeps(host.name(), board.clone());
    let founding = Founding {
        cluster: u128::from(world.plan().seed) + 1,
        log_key: [1; 32],
        shards: world.plan().shards,
        replication: REPLICATION,
        initial_nodes: REPLICATION,
    };
    let seat = Seat { group: group.clone(), board: board.clone(), host: host.clone() };
    let dial = rpc::dial(host.port().clone());
    let care = Care { replace_after: Duration::ZERO, repairs_at_once: 1 };
    let founds = async {
        group.initialize((1..=u64::from(VOTERS)).collect::<BTreeSet<_>>()).await;
        loop {
            if seat.leads()
                && let Some(change) = next_step(&seat.catalog(), &founding)
            {
                seat.propose(&change).await;
            }
            sleep(TICK).await;
        }
    };
    let handler = handler(host.clone(), group.clone(), board);
    tokio::select! {
        biased;
        served = host.port().serve(handler) => Ok(served?),
        () = founds => Ok(()),
        () = carry_out::run(&seat, &dial, care) => Ok(()),
    }
}

fn handler(host: Host, group: Group, board: Arc<Board>) -> Handler {
    Arc::new(move |path, body| {
        let (host, group, board) = (host.clone(), group.clone(), board.clone());
        Box::pin(async move {
            match path.as_str() {
                follow::PROPOSE => {
                    let proposed = match group.write(body, ASKED).await {
                        Ok(decision) => Proposed::Decision(decision),
                        Err(WriteError::NotLeader(leader)) => Proposed::NotLeader(leader),
                        Err(WriteError::Unknown(why)) => Proposed::Unknown(why),
                    };
                    Ok(codec::encode(&proposed))
                }
                follow::CATALOG => {
                    let newer_than: u64 = codec::decode(&body).map_err(|error| error.to_string())?;
                    let catalog = board.catalog();
                    Ok(codec::encode(&Some(catalog.as_ref()).filter(|catalog| catalog.revision > newer_than)))
                }
                path => host.answer(path, body).await,
            }
        })
    })
}
