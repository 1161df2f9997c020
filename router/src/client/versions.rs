//! Versions of registries.

use std::time::Duration;

use dnc_proto::v1;
use dnc_proto::v1::version_service_client::VersionServiceClient;
use tonic::transport::Channel;

use super::attempts::Policy;
use super::{Client, Error, MAX_ANSWER_BYTES, WRITES};
use crate::details;

/// Activations: replicas may have to read a version first.
const ACTIVATIONS: Policy =
    Policy { attempt: Duration::from_secs(240), total: Duration::from_secs(300), pause: Duration::from_millis(200) };

// === impl Client ===

impl Client {
    /// All versions of a registry.
    pub async fn list_versions(&self, request: v1::ListVersionsRequest) -> Result<v1::ListVersionsResponse, Error> {
        let send = async |channel, request| versions(channel).list_versions(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// Makes a complete version the active one. Repeating it changes nothing.
    pub async fn activate_version(
        &self,
        request: v1::ActivateVersionRequest,
    ) -> Result<v1::ActivateVersionResponse, Error> {
        let send = async |channel, request| versions(channel).activate_version(request).await;
        Ok(self.call(ACTIVATIONS, request, send).await?)
    }

    /// Makes the version before active again. The request should name the version to go back from: it is repeated
    /// when a router does not answer.
    pub async fn rollback_registry(
        &self,
        request: v1::RollbackRegistryRequest,
    ) -> Result<v1::ActivateVersionResponse, Error> {
        let send = async |channel, request| versions(channel).rollback_registry(request).await;
        Ok(self.call(ACTIVATIONS, request, send).await?)
    }
}

// === impl Error ===

impl Error {
    /// What a router says of a failed import or activation beyond its message.
    pub fn import_failure(&self) -> Option<v1::ImportFailure> {
        details::failure_of(self.status()?)
    }
}

fn versions(channel: Channel) -> VersionServiceClient<Channel> {
    VersionServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
