//! Rules that are added while something is wrong: once one is acknowledged, no router may clear what it lists.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::Verdict;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::url;
use dnc_tests::grpc::Router;
use dnc_tests::numbers::COVERED;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Findings, LIMIT, PAUSE, Shared};

/// The exchange that rules list, in one area code after the other: none of the workload's.
const EXCHANGE: &str = "777";

/// The errand.
pub struct Rules {
    routers: Vec<SocketAddr>,
    /// Numbers that rules list, each since it was acknowledged.
    listed: Arc<Mutex<Vec<PhoneNumber>>>,
    added: u16,
    found: Shared,
    stop: CancellationToken,
    watching: Vec<JoinHandle<()>>,
}

// === impl Rules ===

impl Rules {
    /// Begins to watch every router.
    pub fn begin(routers: &[SocketAddr]) -> Rules {
        let (listed, found, stop) =
            (Arc::<Mutex<Vec<PhoneNumber>>>::default(), Shared::default(), CancellationToken::new());
        let watching = routers.iter().map(|router| {
            let (router, listed, found, stop) = (*router, Arc::clone(&listed), found.clone(), stop.clone());
            tokio::spawn(async move {
                let ended = stop.run_until_cancelled(watch(router, &listed, &found)).await;
                debug_assert!(ended.is_none(), "it watches for ever");
            })
        });
        let watching = watching.collect();
        Rules { routers: routers.to_vec(), listed, added: 0, found, stop, watching }
    }

    /// Adds a rule through one router, and looks at all of them at once.
    pub async fn add(&mut self, through: usize) -> Result<()> {
        let area = COVERED.start + self.added;
        ensure!(area < COVERED.end, "there are no more area codes");
        self.added += 1;
        let client = Client::new([url(self.routers[through])])?;
        let request = v1::AddRuleRequest {
            r#type: "prefix".into(),
            pattern: format!("{area}{EXCHANGE}"),
            author: "chaos".into(),
            ..v1::AddRuleRequest::default()
        };
        timeout(LIMIT, client.add_rule(request)).await.context("add a rule in time")?.context("add a rule")?;
        let number = PhoneNumber::parse(&format!("{area}{EXCHANGE}0100")).context("a number of the plan")?;
        self.listed.lock().expect("nobody panics while holding it").push(number);
        Ok(())
    }

    /// Ends, with what was seen.
    pub async fn end(self) -> Result<Findings> {
        self.stop.cancel();
        for watching in self.watching {
            watching.await.context("a task broke down")?;
        }
        Ok(self.found.read())
    }
}

/// Asks one router for every number that a rule lists, again and again.
async fn watch(at: SocketAddr, listed: &Mutex<Vec<PhoneNumber>>, found: &Shared) {
    loop {
        // The pace of this errand, not a wait for anything.
        sleep(PAUSE).await;
        let numbers = listed.lock().expect("nobody panics while holding it").clone();
        let Ok(Ok(router)) = timeout(Duration::from_secs(1), Router::connect(at)).await else { continue };
        for number in numbers {
            // No answer, and UNKNOWN, are the safe side; how often checks fail is counted by the workload.
            let Ok(Ok(verdict)) = timeout(Duration::from_secs(2), router.check(number)).await else { continue };
            let right = verdict != Verdict::Clear;
            found.add(
                1,
                if right {
                    Ok(())
                } else {
                    Err(anyhow::anyhow!("the router at {at} clears {number}, which a rule lists"))
                },
            );
        }
    }
}
