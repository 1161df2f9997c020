//! Exemptions.

use dnc_proto::v1;
use dnc_proto::v1::exemption_service_client::ExemptionServiceClient;
use tonic::transport::Channel;

use super::{Client, Error, WRITES, name, unconfirmed};

// === impl Client ===

impl Client {
    /// Exempts a number. Makes the request id if there is none.
    pub async fn grant_exemption(&self, mut request: v1::GrantExemptionRequest) -> Result<v1::Exemption, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| exemptions(channel).grant_exemption(request).await;
        self.call(WRITES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Ends exemptions of a number. Makes the request id if there is none.
    pub async fn revoke_exemption(
        &self,
        mut request: v1::RevokeExemptionRequest,
    ) -> Result<v1::RevokeExemptionResponse, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| exemptions(channel).revoke_exemption(request).await;
        self.call(WRITES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// All exemptions of a number, ended ones included.
    pub async fn list_exemptions(
        &self,
        request: v1::ListExemptionsRequest,
    ) -> Result<v1::ListExemptionsResponse, Error> {
        let send = async |channel, request| exemptions(channel).list_exemptions(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }
}

fn exemptions(channel: Channel) -> ExemptionServiceClient<Channel> {
    ExemptionServiceClient::new(channel)
}
