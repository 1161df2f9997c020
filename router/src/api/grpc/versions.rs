//! `VersionService`, and how a failed import says more than its message.

use dnc_core::ids::VersionId;
use dnc_proto::v1;
use dnc_proto::v1::version_service_server::VersionService;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, status};
use crate::api::answer;
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::details;
use crate::import::{self, Activated};

/// Versions of registries over gRPC.
pub struct Service<C>(pub State<C>);

/// The status of an import that failed, with bad lines and held versions in its details.
pub fn failed(why: &import::Error) -> Status {
    let plain = status(why);
    match why.details() {
        Some(failure) => details::with_failure(&plain, &failure),
        None => plain,
    }
}

fn activated(done: Activated) -> v1::ActivateVersionResponse {
    v1::ActivateVersionResponse {
        registry: done.registry,
        version: done.version.0,
        before: done.before.map_or(0, |id| id.0),
        numbers: done.numbers,
        revision: done.revision,
    }
}

#[tonic::async_trait]
impl<C: Cluster> VersionService for Service<C> {
    async fn list_versions(
        &self,
        request: Request<v1::ListVersionsRequest>,
    ) -> Result<Response<v1::ListVersionsResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let known = self.0.cluster.known();
        let registry = known.catalog.registry_named(&request.get_ref().registry);
        let registry = registry.ok_or_else(|| status(&import::Error::UnknownRegistry))?;
        Ok(named(answer::versions(registry, known.catalog.revision), &request_id))
    }

    async fn activate_version(
        &self,
        request: Request<v1::ActivateVersionRequest>,
    ) -> Result<Response<v1::ActivateVersionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("activate_version", api = "grpc", request_id);
        let request = request.into_inner();
        let imports = &self.0.imports;
        let done = imports.activate(&request.registry, VersionId(request.version), request.force).instrument(span);
        Ok(named(activated(done.await.map_err(|why| failed(&why))?), &request_id))
    }

    async fn rollback_registry(
        &self,
        request: Request<v1::RollbackRegistryRequest>,
    ) -> Result<Response<v1::ActivateVersionResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("rollback_registry", api = "grpc", request_id);
        let request = request.into_inner();
        let from = (request.from > 0).then_some(VersionId(request.from));
        let done = self.0.imports.roll_back(&request.registry, from).instrument(span);
        Ok(named(activated(done.await.map_err(|why| failed(&why))?), &request_id))
    }
}
