//! `RegistryService`.

use std::pin::Pin;

use dnc_proto::v1;
use dnc_proto::v1::registry_service_server::RegistryService;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use super::{named, status};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::api::told::{self, Detail};
use crate::cluster::Cluster;
use crate::import::Progress;
use crate::registries::{Error, Found};

/// Events of one import that wait for a slow caller; more are left out, except for the last.
const EVENTS: usize = 64;

#[allow(clippy::result_large_err)] // tonic's own error type.
fn told(found: Result<Found, Error>, request_id: &str) -> Result<Response<v1::Registry>, Status> {
    let found = found.map_err(|why| status(&why))?;
    Ok(named(told::registry(&found.known.catalog, found.registry(), Detail::Whole), request_id))
}

/// Registries and imports over gRPC.
pub struct Service<C>(pub State<C>);

#[tonic::async_trait]
impl<C: Cluster> RegistryService for Service<C> {
    async fn create_registry(
        &self,
        request: Request<v1::CreateRegistryRequest>,
    ) -> Result<Response<v1::Registry>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("create_registry", api = "grpc", request_id);
        let made = self.0.registries.create(request.into_inner()).instrument(span).await;
        told(made, &request_id)
    }

    async fn get_registry(&self, request: Request<v1::GetRegistryRequest>) -> Result<Response<v1::Registry>, Status> {
        let request_id = grpc_request_id(request.metadata());
        told(self.0.registries.get(&request.into_inner().registry).await, &request_id)
    }

    async fn update_registry(
        &self,
        request: Request<v1::UpdateRegistryRequest>,
    ) -> Result<Response<v1::Registry>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("update_registry", api = "grpc", request_id);
        told(self.0.registries.update(request.into_inner()).instrument(span).await, &request_id)
    }

    async fn retire_registry(
        &self,
        request: Request<v1::RetireRegistryRequest>,
    ) -> Result<Response<v1::Registry>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("retire_registry", api = "grpc", request_id);
        told(self.0.registries.retire(&request.into_inner().registry).instrument(span).await, &request_id)
    }

    async fn list_registries(
        &self,
        request: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<v1::ListRegistriesResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let known = self.0.registries.list();
        Ok(named(told::registries(&known.catalog), &request_id))
    }

    type ImportStream = Pin<Box<dyn Stream<Item = Result<v1::ImportEvent, Status>> + Send>>;

    async fn import(
        &self,
        request: Request<Streaming<v1::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let span = tracing::info_span!("import", api = "grpc", request_id);
        let slot = self.0.imports.slot().map_err(|why| status(&why))?;
        let imports = self.0.imports.clone();
        let (sender, events) = mpsc::channel(EVENTS);
        let progress = Progress::new(sender.clone());
        let parts = request.into_inner();
        tokio::spawn(
            async move {
                let outcome = imports.run(slot, parts, progress).await;
                let last = match outcome {
                    Ok(result) => Ok(v1::ImportEvent { event: Some(v1::import_event::Event::Result(result)) }),
                    Err(why) => Err(status(&why)),
                };
                // The caller may have left; the outcome is in the log as well.
                let _ = sender.send(last).await;
            }
            .instrument(span),
        );
        let events: Self::ImportStream = Box::pin(ReceiverStream::new(events));
        Ok(named(events, &request_id))
    }
}
