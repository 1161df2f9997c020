//! Many opt-outs at a time, so that whatever happens happens in the middle of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use dnc_core::number::PhoneNumber;
use dnc_core::tenant::DEFAULT_TENANT;
use dnc_tests::grpc::Router;
use dnc_tests::numbers::COVERED;
use tokio::task::JoinSet;

use super::Findings;
use super::watch::{Keeper, Watch};

/// Who suppress at a time.
const CALLERS: usize = 24;

/// The exchange of the numbers, in every area code in turn: none of the workload's.
const EXCHANGE: &str = "776";

/// The errand.
pub struct Burst {
    routers: Vec<SocketAddr>,
    watch: Watch,
    callers: JoinSet<()>,
    /// How many numbers were taken.
    taken: Arc<AtomicUsize>,
}

// === impl Burst ===

impl Burst {
    /// Begins to watch every router.
    pub fn begin(routers: &[SocketAddr]) -> Burst {
        let watch = Watch::begin(routers, DEFAULT_TENANT);
        Burst { routers: routers.to_vec(), watch, callers: JoinSet::new(), taken: Arc::default() }
    }

    /// Begins to suppress; each caller goes on until it is not acknowledged.
    pub async fn rise(&mut self) -> Result<()> {
        self.callers.shutdown().await;
        for caller in 0..CALLERS {
            let router = Router::connect(self.routers[caller % self.routers.len()]).await?;
            self.callers.spawn(call_on(router, self.watch.keeper(), Arc::clone(&self.taken)));
        }
        Ok(())
    }

    /// Ends, with what was seen.
    pub async fn end(mut self) -> Result<Findings> {
        self.callers.shutdown().await;
        self.watch.end().await
    }
}

async fn call_on(router: Router, keeper: Keeper, taken: Arc<AtomicUsize>) {
    while let Ok(number) = nth(taken.fetch_add(1, Ordering::Relaxed)) {
        let Ok(_) = router.suppress(&number.to_string(), "").await else { return };
        keeper.keep(number);
    }
}

fn nth(at: usize) -> Result<PhoneNumber> {
    let area = COVERED.clone().nth(at % COVERED.len()).context("an area code")?;
    Ok(PhoneNumber::parse(&format!("{area}{EXCHANGE}{:04}", at / COVERED.len()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_another_one_until_there_are_no_more() {
        assert_ne!(nth(0).expect("a number"), nth(1).expect("a number"));
        assert!(nth(COVERED.len() * 10_000 - 1).is_ok());
        assert!(nth(COVERED.len() * 10_000).is_err());
    }
}
