//! So many opt-outs in one shard that its filter must grow while more of them come.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_core::tenant::DEFAULT_TENANT;
use dnc_core::verdict::Verdict;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::url;
use dnc_tests::grpc::{Router, verdict};
use dnc_tests::numbers::COVERED;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Findings, LIMIT, Shared};

/// Whole blocks that are suppressed: more than the smallest filter takes, twice over.
const BLOCKS: usize = 4;

/// Exchanges to look for them in: none of any other errand's, nor of the workload's.
const EXCHANGES: std::ops::Range<u16> = 220..400;

/// Numbers in one request, and requests at a time.
const BULK: usize = 500;
const AT_ONCE: usize = 8;

/// The errand.
#[derive(Default)]
pub struct Crowd {
    found: Shared,
}

// === impl Crowd ===

impl Crowd {
    /// Suppresses all of them, and asks every router for each of them once it is acknowledged.
    pub async fn come(&mut self, routers: &[SocketAddr], shards: u32) -> Result<()> {
        let numbers = of_one_shard(shards)?;
        let client = Client::new(routers.iter().map(|at| url(*at)))?;
        let turns = std::sync::Arc::new(Semaphore::new(AT_ONCE));
        let mut writes = JoinSet::new();
        for chunk in numbers.chunks(BULK) {
            let (client, turns, chunk) = (client.clone(), turns.clone(), chunk.to_vec());
            writes.spawn(async move {
                let _turn = turns.acquire().await?;
                suppress(&client, &chunk).await
            });
        }
        let all = async {
            while let Some(written) = writes.join_next().await {
                written.context("a task broke down")??;
            }
            anyhow::Ok(())
        };
        timeout(LIMIT, all).await.context("suppress a crowd in time")??;
        for at in routers {
            let router = Router::connect(*at).await?;
            for chunk in numbers.chunks(BULK) {
                let texts: Vec<String> = chunk.iter().map(ToString::to_string).collect();
                let answered = router.bulk_for(DEFAULT_TENANT, &texts).await?;
                for (number, result) in chunk.iter().zip(&answered.results) {
                    let cleared = verdict(result)? == Verdict::Clear;
                    let mistake = || anyhow::anyhow!("the router at {at} clears {number}, which was suppressed");
                    self.found.add(1, if cleared { Err(mistake()) } else { Ok(()) });
                }
            }
        }
        Ok(())
    }

    /// What was seen.
    pub fn end(self) -> Findings {
        self.found.read()
    }
}

async fn suppress(client: &Client, numbers: &[PhoneNumber]) -> Result<()> {
    let item = |number: &PhoneNumber| v1::AddSuppressionRequest {
        phone_number: number.to_string(),
        reason: "asked not to be called".into(),
        added_by: "chaos".into(),
        ..v1::AddSuppressionRequest::default()
    };
    let items = numbers.iter().map(item).collect();
    let request = v1::BulkAddSuppressionsRequest { items, ..v1::BulkAddSuppressionsRequest::default() };
    let answered = client.bulk_add_suppressions(request).await.context("suppress many")?;
    let done = answered.results.iter().all(|result| result.outcome() == v1::WriteOutcome::Acknowledged);
    ensure!(done && answered.results.len() == numbers.len(), "some numbers were not suppressed");
    Ok(())
}

/// Whole blocks of covered numbers, all of the first one's shard.
fn of_one_shard(shards: u32) -> Result<Vec<PhoneNumber>> {
    let blocks = COVERED.flat_map(|area| EXCHANGES.map(move |exchange| format!("{area}{exchange}")));
    let of = |block: &str, line: u32| PhoneNumber::parse(&format!("{block}{line:04}")).ok();
    let placed = blocks.filter_map(|block| Some((of(&block, 0)?.block().shard(shards), block)));
    let mut placed = placed.peekable();
    let wanted = placed.peek().context("there are blocks")?.0;
    let chosen: Vec<String> =
        placed.filter(|(shard, _)| *shard == wanted).map(|(_, block)| block).take(BLOCKS).collect();
    ensure!(chosen.len() == BLOCKS, "too few blocks fall into one shard");
    Ok(chosen.iter().flat_map(|block| (0..10_000).filter_map(move |line| of(block, line))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_of_one_shard_and_more_than_a_small_filter_takes() {
        let numbers = of_one_shard(16).expect("numbers");
        assert_eq!(numbers.len(), BLOCKS * 10_000);
        assert!(numbers.iter().all(|number| number.block().shard(16) == numbers[0].block().shard(16)));
    }
}
