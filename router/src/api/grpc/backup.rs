//! `BackupService`.

use std::pin::Pin;

use dnc_proto::v1;
use dnc_proto::v1::backup_service_server::BackupService;
use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{named, shown_id, status};
use crate::api::caller::grpc_request_id;
use crate::api::state::State;
use crate::backup::{Error, Progress};
use crate::cluster::Cluster;

/// Events that wait for a slow caller; more are left out, except for the last.
const EVENTS: usize = 64;

/// Backups over gRPC.
pub struct Service<C>(pub State<C>);

/// What is told while it goes on, and in the end.
type Events = Pin<Box<dyn Stream<Item = Result<v1::BackupEvent, Status>> + Send>>;

#[tonic::async_trait]
impl<C: Cluster> BackupService for Service<C> {
    type CreateBackupStream = Events;
    type VerifyBackupStream = Events;
    type RestoreBackupStream = Events;

    async fn create_backup(
        &self,
        request: Request<v1::CreateBackupRequest>,
    ) -> Result<Response<Self::CreateBackupStream>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let v1::CreateBackupRequest { place } = request.into_inner();
        let backups = self.0.backups.clone();
        let work = async move |progress: Progress| backups.create(&place, &progress).await;
        Ok(self.told("create_backup", &request_id, work))
    }

    async fn list_backups(&self, request: Request<v1::ListBackupsRequest>) -> Result<Response<v1::BackupList>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let listed = self.0.backups.list(&request.into_inner().place).await;
        listed.map(|list| named(list, &request_id)).map_err(|why| status(&why))
    }

    async fn verify_backup(
        &self,
        request: Request<v1::VerifyBackupRequest>,
    ) -> Result<Response<Self::VerifyBackupStream>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let v1::VerifyBackupRequest { place, name } = request.into_inner();
        let backups = self.0.backups.clone();
        let work = async move |progress: Progress| backups.verify(&place, &name, &progress).await;
        Ok(self.told("verify_backup", &request_id, work))
    }

    async fn restore_backup(
        &self,
        request: Request<v1::RestoreBackupRequest>,
    ) -> Result<Response<Self::RestoreBackupStream>, Status> {
        let request_id = grpc_request_id(request.metadata());
        let v1::RestoreBackupRequest { place, name } = request.into_inner();
        let backups = self.0.backups.clone();
        let work = async move |progress: Progress| backups.restore(&place, &name, &progress).await;
        Ok(self.told("restore_backup", &request_id, work))
    }
}

// === impl Service ===

impl<C: Cluster> Service<C> {
    /// Begins work that tells how far it is.
    fn told<F>(
        &self,
        op: &'static str,
        request_id: &str,
        work: impl FnOnce(Progress) -> F + Send + 'static,
    ) -> Response<Events>
    where
        F: Future<Output = Result<v1::BackupResult, Error>> + Send,
    {
        let (sender, events) = mpsc::channel(EVENTS);
        let span = tracing::info_span!("backup", op, api = "grpc", request_id = shown_id(&self.0, request_id));
        let told = async move {
            let event = |result| v1::BackupEvent { event: Some(v1::backup_event::Event::Result(result)) };
            let last = work(Progress::new(sender.clone())).await.map(event).map_err(|why| status(&why));
            // The caller may have left; the outcome is in the log as well.
            let _ = sender.send(last).await;
        };
        tokio::spawn(told.instrument(span));
        let events: Events = Box::pin(ReceiverStream::new(events));
        named(events, request_id)
    }
}
