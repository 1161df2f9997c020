//! How right a plan is about the time that it has left: a node is drained under a throttle, and what the plan said on its
//! way is held against when it ended.
//!
//!     cargo bench --workspace --bench time_left        NUMBERS=8000000 LISTS=6 THROTTLE=524288 to choose
//!
//! Prints what was said at each tenth, and the worst error after the first tenth.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{DrainNodeRequest, PlanProgress};
use dnc_router::client::Client;
use dnc_tests::cluster::Cluster;
use dnc_tests::grpc::into_registry;
use dnc_tests::lists::{Lists, full_files};
use dnc_tests::numbers::today;
use tokio::time::sleep;

/// How long the plan may take.
const LIMIT: Duration = Duration::from_secs(600);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(250);

fn main() -> Result<()> {
    // `cargo test --benches` only sees that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure())
}

#[allow(clippy::print_stdout, reason = "this is what the program is for")]
async fn measure() -> Result<()> {
    let (numbers, lists) = (setting("NUMBERS", 8_000_000)?, setting("LISTS", 6)?);
    let throttle = setting("THROTTLE", 512 << 10)?;
    let mut cluster = Cluster::start().await?;
    let router = cluster.router(0).await?;
    for list in 0..lists {
        let (held, name) = (Lists::new(list).full(usize::try_from(numbers)?), format!("state-{list}"));
        router.create_registry(&name, "state").await?;
        router.import(into_registry(&name), &full_files(&held, today())).await.context("import")?;
    }
    cluster.add_node().await?;
    let client = Client::new(cluster.router_urls())?;
    let node = cluster.node_id(0).await?;
    let request = DrainNodeRequest { node, throttle, ..DrainNodeRequest::default() };
    let began = Instant::now();
    let plan = client.drain_node(request).await?.plan.context("it holds replicas")?;
    let mut said: Vec<(f64, PlanProgress)> = Vec::new();
    let took = loop {
        ensure!(began.elapsed() < LIMIT, "the plan does not end");
        let history = client.plan_history().await?;
        let now = history.plans.into_iter().find(|known| known.plan_id == plan.plan_id).context("it is known")?;
        let at = began.elapsed().as_secs_f64();
        if now.ended_at.is_some() {
            break at;
        }
        said.push((at, now));
        sleep(LOOK).await;
    };
    println!("{lists} lists of {numbers} numbers, {throttle} bytes/s, {} moves, {took:.1} s in all", plan.moves);
    println!("{:>8} {:>6} {:>10} {:>8} {:>8} {:>7}", "at s", "moved", "left MB", "said s", "was s", "error");
    let (mut worst, mut tenth) = (0.0_f64, 0.0);
    for (at, now) in &said {
        let left = took - at;
        let error = now.seconds_left.map_or(f64::NAN, |said| said as f64 - left);
        // Of the whole time: the last second is not told to a fifth of itself.
        if *at >= took / 10.0 {
            worst = worst.max(error.abs() / took);
        }
        if *at >= tenth {
            tenth += took / 10.0;
            let (said, mb) = (now.seconds_left.unwrap_or_default(), now.bytes_left as f64 / 1e6);
            let assumed = if now.time_is_assumed { " assumed" } else { "" };
            println!(
                "{at:>8.1} {:>6} {mb:>10.1} {said:>8} {left:>8.1} {:>6.0}%{assumed}",
                now.done,
                error / took * 100.0
            );
        }
    }
    println!("worst error after the first tenth: {:.0}% of the whole time", worst * 100.0);
    cluster.passed()
}

fn setting(name: &str, default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(default), |text| text.parse().with_context(|| format!("{name} is no number")))
}
