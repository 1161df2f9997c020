//! Rules that are added while something is wrong: once one is acknowledged, no router may clear what it lists.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_core::tenant::DEFAULT_TENANT;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::url;
use dnc_tests::numbers::COVERED;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::watch::{Keeper, Watch};
use super::{Findings, LIMIT, PAUSE};

/// The exchange that rules list, in one area code after the other: none of the workload's.
const EXCHANGE: &str = "777";

/// The errand.
pub struct Rules {
    routers: Vec<SocketAddr>,
    watch: Watch,
    added: u16,
    adding: Option<JoinHandle<Result<()>>>,
}

// === impl Rules ===

impl Rules {
    /// Begins to watch every router.
    pub fn begin(routers: &[SocketAddr]) -> Rules {
        Rules { routers: routers.to_vec(), watch: Watch::begin(routers, DEFAULT_TENANT), added: 0, adding: None }
    }

    /// Begins to add a rule through one router; it is tried again until it is acknowledged.
    pub fn begin_adding(&mut self, through: usize) -> Result<()> {
        ensure!(self.adding.is_none(), "a rule is being added");
        let area = COVERED.start + self.added;
        ensure!(area < COVERED.end, "there are no more area codes");
        self.added += 1;
        let client = Client::new([url(self.routers[through])])?;
        self.adding = Some(tokio::spawn(add(client, area, self.watch.keeper())));
        Ok(())
    }

    /// Waits until the rule is acknowledged.
    pub async fn added(&mut self) -> Result<()> {
        self.adding.take().context("no rule is being added")?.await.context("a task broke down")?
    }

    /// Ends, with what was seen.
    pub async fn end(self) -> Result<Findings> {
        self.watch.end().await
    }
}

async fn add(client: Client, area: u16, keeper: Keeper) -> Result<()> {
    let request = v1::AddRuleRequest {
        r#type: "prefix".into(),
        pattern: format!("{area}{EXCHANGE}"),
        author: "chaos".into(),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..v1::AddRuleRequest::default()
    };
    let number = PhoneNumber::parse(&format!("{area}{EXCHANGE}0100")).context("a number of the plan")?;
    let deadline = Instant::now() + LIMIT;
    loop {
        match timeout(LIMIT, client.add_rule(request.clone())).await.context("add a rule in time")? {
            Ok(_) => break,
            // Decided, perhaps, but not known everywhere: to repeat it is safe.
            Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
            Err(error) => return Err(error).context("add a rule"),
        }
    }
    keeper.keep(number);
    Ok(())
}
