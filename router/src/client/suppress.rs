//! Opt-outs: written, found, carried around.

use std::path::Path;

use dnc_proto::v1;
use dnc_proto::v1::import_suppressions_request::Part;
use dnc_proto::v1::suppression_service_client::SuppressionServiceClient;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::{CONNECT, Client, Error, MAX_ANSWER_BYTES, WRITES, name, unconfirmed};

/// Bytes of a file sent at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Pieces read ahead.
const AHEAD: usize = 8;
/// Entries that are looked up before a removal: far more than a number can have.
const ENTRIES: u32 = 1_000;

// === impl Client ===

impl Client {
    /// Lists a number in a live registry. Makes the request id if there is none.
    pub async fn add_suppression(
        &self,
        mut request: v1::AddSuppressionRequest,
    ) -> Result<v1::AddSuppressionResponse, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| suppressions(channel).add_suppression(request).await;
        self.call(WRITES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Lists many numbers. Makes the request id if there is none. Each result says what became of its number.
    pub async fn bulk_add_suppressions(
        &self,
        mut request: v1::BulkAddSuppressionsRequest,
    ) -> Result<v1::BulkSuppressionsResponse, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| suppressions(channel).bulk_add_suppressions(request).await;
        let done = self.call_for_best(WRITES, request, send, open_items).await;
        done.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Removes a number from a live registry: the entries that the request names, or those that there
    /// are now. Makes the request id if there is none.
    pub async fn remove_suppression(
        &self,
        mut request: v1::RemoveSuppressionRequest,
    ) -> Result<v1::RemoveSuppressionResponse, Error> {
        if request.entry_ids.is_empty() && request.request_id.is_empty() {
            let registry = if request.registry.is_empty() { "internal" } else { &request.registry };
            let search = v1::SearchSuppressionsRequest {
                number: request.phone_number.clone(),
                registry: registry.to_owned(),
                limit: ENTRIES,
                ..v1::SearchSuppressionsRequest::default()
            };
            let standing = self.search_suppressions(search).await?.suppressions;
            request.entry_ids = standing.into_iter().map(|entry| entry.suppression_id).collect();
        }
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| suppressions(channel).remove_suppression(request).await;
        self.call(WRITES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Removes many numbers. Makes the request id if there is none. Each result says what became of its number.
    pub async fn bulk_remove_suppressions(
        &self,
        mut request: v1::BulkRemoveSuppressionsRequest,
    ) -> Result<v1::BulkSuppressionsResponse, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| suppressions(channel).bulk_remove_suppressions(request).await;
        let done = self.call_for_best(WRITES, request, send, open_items).await;
        done.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Notes that somebody made sure of a number's entries. Makes the request id if there is none.
    pub async fn verify_suppression(
        &self,
        mut request: v1::VerifySuppressionRequest,
    ) -> Result<v1::VerifySuppressionResponse, Error> {
        let request_id = name(&mut request.request_id);
        let send = async |channel, request| suppressions(channel).verify_suppression(request).await;
        self.call(WRITES, request, send).await.map_err(|failed| unconfirmed(failed, request_id))
    }

    /// Finds entries.
    pub async fn search_suppressions(
        &self,
        request: v1::SearchSuppressionsRequest,
    ) -> Result<v1::SearchSuppressionsResponse, Error> {
        let send = async |channel, request| suppressions(channel).search_suppressions(request).await;
        Ok(self.call(WRITES, request, send).await?)
    }

    /// All entries as text. What came is whole only if the stream ends without an error. Not repeated when the router goes away.
    pub async fn export_suppressions(
        &self,
        request: v1::ExportSuppressionsRequest,
    ) -> Result<Streaming<v1::ExportSuppressionsResponse>, Error> {
        let channel = self.routers.first_alive(CONNECT).await?;
        Ok(suppressions(channel).export_suppressions(self.named(request)).await?.into_inner())
    }

    /// Takes in a file that was exported, and tells how many bytes of it are sent. Not repeated when the router goes
    /// away; importing the file again adds nothing twice.
    pub async fn import_suppressions(
        &self,
        header: v1::ImportSuppressionsHeader,
        file: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<v1::ImportSuppressionsResponse, Error> {
        let unreadable = |source| Error::File { file: file.display().to_string(), source };
        let mut content = File::open(file).await.map_err(unreadable)?;
        let channel = self.routers.first_alive(CONNECT).await?;
        let (sender, parts) = mpsc::channel(AHEAD);
        let sending = async {
            let put = async |part| sender.send(v1::ImportSuppressionsRequest { part }).await.is_ok();
            let mut go_on = put(Some(Part::Header(header))).await;
            let mut sent = 0;
            while go_on {
                let mut buffer = Vec::with_capacity(CHUNK_BYTES);
                let read = (&mut content).take(CHUNK_BYTES as u64).read_to_end(&mut buffer).await;
                match read {
                    Ok(0) => break,
                    Ok(_) => {
                        sent += buffer.len() as u64;
                        go_on = put(Some(Part::Chunk(buffer))).await;
                        progress(sent);
                    }
                    Err(why) => {
                        // What was sent is not all there is, and must not look as if it were: a part without content is refused.
                        put(None).await;
                        return Err(unreadable(why));
                    }
                }
            }
            drop(sender);
            Ok(())
        };
        let request = self.named(ReceiverStream::new(parts));
        let receiving = async { Ok(suppressions(channel).import_suppressions(request).await?.into_inner()) };
        tokio::pin!(sending, receiving);
        tokio::select! {
            // The router can refuse before all is sent; then sending ends by itself.
            done = &mut receiving => done,
            sent = &mut sending => match sent {
                Ok(()) => receiving.await,
                Err(why) => Err(why),
            },
        }
    }
}

/// Items of which another attempt may know more.
fn open_items(answer: &v1::BulkSuppressionsResponse) -> u32 {
    let is_open = |result: &&v1::SuppressionResult| {
        matches!(result.outcome(), v1::WriteOutcome::Unknown | v1::WriteOutcome::NotDone)
    };
    u32::try_from(answer.results.iter().filter(is_open).count()).unwrap_or(u32::MAX)
}

pub(super) fn suppressions(channel: Channel) -> SuppressionServiceClient<Channel> {
    SuppressionServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
