//! Calls that start syncs, show them, and look numbers up where lists come from.

use std::time::Duration;

use dnc_proto::v1;
use dnc_proto::v1::sync_service_client::SyncServiceClient;
use tonic::transport::Channel;

use super::attempts::Policy;
use super::{CONNECT, Client, Error, WRITES};

/// A look-up waits for the place where a list comes from.
const LOOKUPS: Policy =
    Policy { attempt: Duration::from_secs(12), total: Duration::from_secs(15), pause: Duration::from_millis(50) };
/// Time for a start, which waits for the meta group and, if that is asked for, for the end of the sync.
const START: Duration = Duration::from_secs(20);

// === impl Client ===

impl Client {
    /// Starts to fetch lists. Not repeated on another router: the first may have started it.
    pub async fn start_sync(&self, request: v1::StartSyncRequest) -> Result<v1::StartSyncResponse, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        let mut request = self.named(request);
        request.set_timeout(START);
        Ok(syncs(channel).start_sync(request).await?.into_inner())
    }

    /// What runs, what is due, and what came of the last ones.
    pub async fn list_syncs(&self, registry: &str, limit: u32) -> Result<v1::ListSyncsResponse, Error> {
        let send = async |channel, request| syncs(channel).list_syncs(request).await;
        Ok(self.call(WRITES, v1::ListSyncsRequest { registry: registry.into(), limit }, send).await?)
    }

    /// Asks the origin of a registry's list for one number, and this cluster too.
    pub async fn lookup(&self, registry: &str, phone_number: &str) -> Result<v1::LookupResponse, Error> {
        let send = async |channel, request| syncs(channel).lookup(request).await;
        let request = v1::LookupRequest { registry: registry.into(), phone_number: phone_number.into() };
        Ok(self.call(LOOKUPS, request, send).await?)
    }
}

fn syncs(channel: Channel) -> SyncServiceClient<Channel> {
    SyncServiceClient::new(channel)
}
