//! `RegistryService`.

use std::pin::Pin;

use dnc_proto::v1;
use dnc_proto::v1::registry_service_server::RegistryService;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use super::{named, status, versions};
use crate::api::answer;
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::import::Progress;
use crate::registries::NewRegistry;

/// Events of one import that wait for a slow caller; more are left out, except for the last.
const EVENTS: usize = 64;

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
        let request = request.into_inner();
        let made = self
            .0
            .registries
            .create(NewRegistry {
                name: request.name,
                kind: request.r#type,
                jurisdiction: request.jurisdiction,
                max_age_days: request.max_age_days,
            })
            .instrument(span)
            .await
            .map_err(|why| status(&why))?;
        Ok(named(answer::registry(&made), &request_id))
    }

    async fn list_registries(
        &self,
        request: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<v1::ListRegistriesResponse>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let known = self.0.registries.list();
        let response = v1::ListRegistriesResponse {
            registries: known.catalog.registries.values().map(answer::registry).collect(),
            revision: known.catalog.revision,
        };
        Ok(named(response, &request_id))
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
                    Err(why) => Err(versions::failed(&why)),
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
