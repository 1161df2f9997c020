//! Releases that are repeated late: what was suppressed again meanwhile stays.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_core::tenant::DEFAULT_TENANT;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::url;
use dnc_tests::numbers::COVERED;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::watch::Watch;
use super::{Findings, LIMIT, PAUSE};

/// Numbers of one round, each in an area code of its own.
const NUMBERS: usize = 32;

/// The exchange of the numbers: none of the workload's.
const EXCHANGE: &str = "774";

/// The errand.
pub struct Repeats {
    client: Client,
    watch: Watch,
    round: u32,
    /// Releases that were carried out, of numbers that are suppressed again.
    released: Vec<v1::RemoveSuppressionRequest>,
}

// === impl Repeats ===

impl Repeats {
    /// Begins to watch every router.
    pub fn begin(routers: &[SocketAddr]) -> Result<Repeats> {
        let client = Client::new(routers.iter().map(|at| url(*at)))?;
        Ok(Repeats { client, watch: Watch::begin(routers, DEFAULT_TENANT), round: 0, released: Vec::new() })
    }

    /// Suppresses numbers, releases them, and suppresses them again; all of it acknowledged.
    pub async fn suppress_again(&mut self) -> Result<()> {
        self.round += 1;
        for area in COVERED.take(NUMBERS) {
            let number = PhoneNumber::parse(&format!("{area}{EXCHANGE}{:04}", self.round))?;
            self.suppress(number).await?;
            let release = v1::RemoveSuppressionRequest {
                phone_number: number.to_string(),
                reason: "entered by mistake".into(),
                removed_by: "chaos".into(),
                // One that tells no time: only whoever carried it out can know it again.
                request_id: Uuid::new_v4().to_string(),
                ..v1::RemoveSuppressionRequest::default()
            };
            let done = self.client.remove_suppression(release.clone()).await.context("release a number")?;
            ensure!(done.removed == 1, "{} entries were released, and there was one", done.removed);
            self.suppress(number).await?;
            self.watch.keeper().keep(number);
            self.released.push(release);
        }
        Ok(())
    }

    /// Repeats the releases, as a caller would that never heard of their end.
    pub async fn repeat(&mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        for release in self.released.drain(..) {
            while let Err(error) = self.client.remove_suppression(release.clone()).await {
                ensure!(Instant::now() < deadline, "repeat a release: {error}");
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn suppress(&self, number: PhoneNumber) -> Result<()> {
        let request = v1::AddSuppressionRequest {
            phone_number: number.to_string(),
            reason: "asked not to be called".into(),
            added_by: "chaos".into(),
            ..v1::AddSuppressionRequest::default()
        };
        self.client.add_suppression(request).await.context("suppress a number")?;
        Ok(())
    }

    /// Ends, with what was seen.
    pub async fn end(self) -> Result<Findings> {
        self.watch.end().await
    }
}
