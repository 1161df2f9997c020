//! Exemptions that are granted and revoked: once a revocation is acknowledged, nothing lifts the listing any more.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use dnc_core::number::PhoneNumber;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::url;
use dnc_tests::numbers::{Numbers, today};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::watch::{Keeper, Watch};
use super::{Findings, LIMIT, PAUSE};

/// Whose exemptions they are: nobody else asks for this tenant.
const TENANT: &str = "exempting";

/// Numbers that are exempted in turn; all of them are on a list.
const NUMBERS: usize = 24;

/// How long one stays exempted, and then does not, at least; each number has a pace of its own.
const PACE: Duration = Duration::from_millis(200);

/// The errand.
pub struct Exempt {
    watch: Watch,
    stop: CancellationToken,
    working: Vec<JoinHandle<Result<()>>>,
}

// === impl Exempt ===

impl Exempt {
    /// Makes the tenant, and begins to grant and to revoke.
    pub async fn begin(routers: &[SocketAddr]) -> Result<Exempt> {
        let client = Client::new(routers.iter().map(|at| url(*at)))?;
        // One that holds no list is answered from none, and then there is nothing to lift.
        let holds = Some(v1::Holds { everything: true, ..v1::Holds::default() });
        let tenant = v1::CreateTenantRequest { name: TENANT.into(), holds, ..v1::CreateTenantRequest::default() };
        client.create_tenant(tenant).await.context("make a tenant")?;
        let (watch, stop) = (Watch::begin(routers, TENANT), CancellationToken::new());
        let numbers = Numbers::for_clients(1).listed.into_iter().take(NUMBERS).zip(1u32..);
        let working = numbers.map(|(number, turn)| {
            let client = client.clone().for_tenant(TENANT)?;
            let (keeper, stop) = (watch.keeper(), stop.clone());
            anyhow::Ok(tokio::spawn(work(client, number, PACE + PACE * turn / 8, keeper, stop)))
        });
        let working = working.collect::<Result<_>>()?;
        Ok(Exempt { watch, stop, working })
    }

    /// Ends once every exemption is revoked, with what was seen.
    pub async fn end(self) -> Result<Findings> {
        self.stop.cancel();
        for working in self.working {
            // Where nobody answers any more, what was seen so far is what there is to tell.
            let _ = working.await.context("a task broke down")?;
        }
        self.watch.end().await
    }
}

async fn work(
    client: Client,
    number: PhoneNumber,
    pace: Duration,
    keeper: Keeper,
    stop: CancellationToken,
) -> Result<()> {
    while !stop.is_cancelled() {
        keeper.let_go(number);
        let grant = v1::GrantExemptionRequest {
            phone_number: number.to_string(),
            ground: "purchase".into(),
            since: today().to_string(),
            granted_by: "chaos".into(),
            ..v1::GrantExemptionRequest::default()
        };
        // One of unknown outcome may be granted after it was revoked: of this number nothing can be said any more.
        client.grant_exemption(grant).await.context("grant")?;
        sleep(pace).await;
        timeout(LIMIT, revoke(&client, number)).await.context("revoke in time")?;
        keeper.keep(number);
        sleep(pace).await;
    }
    Ok(())
}

/// Revokes all that stands, again until it is acknowledged.
async fn revoke(client: &Client, number: PhoneNumber) {
    let request = v1::RevokeExemptionRequest {
        phone_number: number.to_string(),
        reason: "the caller has objected".into(),
        revoked_by: "chaos".into(),
        ..v1::RevokeExemptionRequest::default()
    };
    while client.revoke_exemption(request.clone()).await.is_err() {
        sleep(PAUSE).await;
    }
}
