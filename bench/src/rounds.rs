//! The rounds: which works there are, and on which systems each is measured.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::generate::NationalList;

use crate::args::Args;
use crate::drawn::Drawn;
use crate::lists;
use crate::measure::Rate;
use crate::ours::{self, Ours};
use crate::pin;
use crate::postgres::{self, Postgres};
use crate::redis::{self, Redis};
use crate::report::{self, Measured, Memory};

/// Numbers of a bulk.
const BULK: usize = 1_000;
/// Commands on their way at a time on each connection to Redis.
const DEEP: usize = 100;

/// One way to use a cluster, and what else could be used.
pub struct Work {
    /// Its name in the figures.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// How the cluster is asked.
    ours: ours::How,
    /// What it is compared with.
    peers: &'static [Peer],
}

/// What a work is compared with.
pub struct Peer {
    /// Its name in the figures.
    pub name: &'static str,
    how: PeerHow,
}

#[derive(Clone, Copy)]
enum PeerHow {
    Redis(redis::How),
    Postgres(postgres::How),
}

/// All of them.
static WORKS: [Work; 5] = [
    Work {
        name: "packed_bulk",
        what: "PackedCheck of 1,000",
        ours: ours::How::Packed(BULK),
        peers: &[Peer { name: "Redis SMISMEMBER of 1,000", how: PeerHow::Redis(redis::How::Many(BULK)) }],
    },
    Work {
        name: "stream",
        what: "CheckStream, window 256",
        ours: ours::How::Stream(256),
        peers: &[
            Peer { name: "Redis SISMEMBER, 100 deep", how: PeerHow::Redis(redis::How::Each(DEEP)) },
            Peer { name: "Redis SISMEMBER in small sets, 100 deep", how: PeerHow::Redis(redis::How::Packed(DEEP)) },
        ],
    },
    Work {
        name: "unary",
        what: "Check, 64 at a time",
        ours: ours::How::Unary(16),
        peers: &[
            Peer { name: "Redis SISMEMBER, one by one", how: PeerHow::Redis(redis::How::Each(1)) },
            Peer { name: "PostgreSQL by primary key", how: PeerHow::Postgres(postgres::How::One) },
        ],
    },
    Work {
        name: "json_bulk",
        what: "REST bulk of 1,000",
        ours: ours::How::Json(BULK),
        peers: &[Peer { name: "PostgreSQL = ANY of 1,000", how: PeerHow::Postgres(postgres::How::Any(BULK)) }],
    },
    Work { name: "idle", what: "Check, one after the other", ours: ours::How::Idle, peers: &[] },
];

/// The systems, as far as they are measured.
struct Systems {
    ours: Ours,
    others: Option<(Redis, Postgres)>,
}

/// Starts everything, measures, reports.
pub async fn run(args: &Args) -> Result<()> {
    let works: Vec<&Work> = WORKS.iter().filter(|work| args.wants(work.name)).collect();
    ensure!(!works.is_empty(), "--only names no work; there are {}", names());
    pin::to(args.load_core)?;
    let list = NationalList::new(args.seed, args.numbers).context("read --numbers")?;
    let (mut systems, memory) = start(args, &list).await?;
    let mut drawn = Drawn::new(&list, args.seed);
    let mut measured: Vec<Measured> =
        works.iter().map(|work| Measured::new(work.name, work.what, work.peers)).collect();
    for round in 0..args.rounds {
        for (work, measured) in works.iter().zip(&mut measured) {
            // The order turns round by round, so that none always comes first.
            if round % 2 == 0 {
                measured.ours.push(systems.ours(work, &mut drawn, args.window()).await?);
            }
            for (peer, rates) in work.peers.iter().zip(&mut measured.peers) {
                rates.extend(systems.peer(peer, &mut drawn, args.window()).await?);
            }
            if round % 2 == 1 {
                measured.ours.push(systems.ours(work, &mut drawn, args.window()).await?);
            }
            report::say(format_args!("round {}: {}", round + 1, measured.last()));
        }
    }
    systems.ours.resume().await?;
    systems.ours.end()?;
    report::write(args, &measured, &memory)
}

fn names() -> String {
    WORKS.iter().map(|work| work.name).collect::<Vec<_>>().join(", ")
}

async fn start(args: &Args, list: &NationalList) -> Result<(Systems, Memory)> {
    let folder = tempfile::Builder::new().prefix("dnc-bench-").tempdir()?;
    let file = folder.path().join("list.txt");
    lists::whole(list, &file)?;
    let started = pin::during(args.server_core, args.load_core, Ours::start(args.nodes as usize)).await;
    let mut ours = started.context("start the cluster")?;
    report::say("the cluster runs");
    ours.load(&file).await?;
    let mut memory = Memory { ours: ours.memory()?, ..Memory::default() };
    report::say("the cluster is loaded");
    ours.pause()?;
    if args.alone {
        return Ok((Systems { ours, others: None }, memory));
    }
    let redis = pin::during(args.server_core, args.load_core, Redis::start()).await?;
    (memory.redis, memory.redis_small_sets) = redis.load(list).await.context("load Redis")?;
    report::say("Redis is loaded");
    let postgres = pin::during(args.server_core, args.load_core, Postgres::start()).await?;
    memory.postgres = postgres.load(list).await.context("load PostgreSQL")?;
    report::say("PostgreSQL is loaded");
    Ok((Systems { ours, others: Some((redis, postgres)) }, memory))
}

// === impl Systems ===

impl Systems {
    async fn ours(&mut self, work: &Work, drawn: &mut Drawn, window: Duration) -> Result<Rate> {
        self.ours.resume().await?;
        let rate = self.ours.ask(work.ours, drawn, window).await.with_context(|| format!("measure {}", work.name))?;
        self.ours.pause()?;
        Ok(rate)
    }

    async fn peer(&self, peer: &Peer, drawn: &mut Drawn, window: Duration) -> Result<Option<Rate>> {
        let Some((redis, postgres)) = &self.others else {
            return Ok(None);
        };
        let rate = match peer.how {
            PeerHow::Redis(how) => redis.ask(how, drawn, window).await,
            PeerHow::Postgres(how) => postgres.ask(how, drawn, window).await,
        };
        rate.with_context(|| format!("measure {}", peer.name)).map(Some)
    }
}
