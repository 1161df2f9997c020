//! Backups, made and restored by the first router that takes the call: the work is its, and ends when the caller leaves.

use dnc_proto::v1;
use dnc_proto::v1::backup_event::Event;
use dnc_proto::v1::backup_service_client::BackupServiceClient;
use tonic::transport::Channel;
use tonic::{Response, Streaming};

use super::{CONNECT, Client, Error, MAX_ANSWER_BYTES, WRITES};

// === impl Client ===

impl Client {
    /// Makes a backup, and tells how far it is.
    pub async fn create_backup(
        &self,
        request: v1::CreateBackupRequest,
        progress: impl FnMut(v1::BackupProgress),
    ) -> Result<v1::BackupResult, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        result(backups(channel).create_backup(self.named(request)).await?, progress).await
    }

    /// The backups in a place.
    pub async fn list_backups(&self, request: v1::ListBackupsRequest) -> Result<v1::BackupList, Error> {
        let send = async |channel, request| backups(channel).list_backups(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// Compares a backup with its checksums, and tells how far it is.
    pub async fn verify_backup(
        &self,
        request: v1::VerifyBackupRequest,
        progress: impl FnMut(v1::BackupProgress),
    ) -> Result<v1::BackupResult, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        result(backups(channel).verify_backup(self.named(request)).await?, progress).await
    }

    /// Restores a backup into a new cluster, and tells how far it is.
    pub async fn restore_backup(
        &self,
        request: v1::RestoreBackupRequest,
        progress: impl FnMut(v1::BackupProgress),
    ) -> Result<v1::BackupResult, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        result(backups(channel).restore_backup(self.named(request)).await?, progress).await
    }
}

async fn result(
    response: Response<Streaming<v1::BackupEvent>>,
    mut progress: impl FnMut(v1::BackupProgress),
) -> Result<v1::BackupResult, Error> {
    let mut events = response.into_inner();
    let mut result = None;
    while let Some(event) = events.message().await? {
        match event.event {
            Some(Event::Progress(now)) => progress(now),
            Some(Event::Result(done)) => result = Some(done),
            None => {}
        }
    }
    result.ok_or(Error::NoResult)
}

fn backups(channel: Channel) -> BackupServiceClient<Channel> {
    BackupServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
