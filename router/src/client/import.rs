//! Sends list files to a router.

use std::io;
use std::path::{Path, PathBuf};

use dnc_proto::v1;
use dnc_proto::v1::import_request::Part;
use prost::bytes::Bytes;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{CONNECT, Client, Error, registries};

/// Bytes sent at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Pieces read ahead.
const AHEAD: usize = 8;

// === impl Client ===

impl Client {
    /// Loads list files into a registry as a new version, and tells how far it is. Nothing changes unless all of it succeeds.
    ///
    /// Files are sent under their names without folders. If `header.total_bytes` is 0 it is set here.
    pub async fn import(
        &self,
        mut header: v1::ImportHeader,
        files: &[PathBuf],
        mut progress: impl FnMut(v1::ImportProgress),
    ) -> Result<v1::ImportResult, Error> {
        let mut total = 0;
        for path in files {
            let metadata = tokio::fs::metadata(path).await;
            total += metadata.map_err(|why| unreadable(path, why))?.len();
        }
        if header.total_bytes == 0 {
            header.total_bytes = total;
        }
        let channel = self.routers.first_alive(CONNECT).await?;
        let (sender, parts) = mpsc::channel(AHEAD);
        let sending = async {
            let sent = send(&sender, header, files).await;
            if sent.is_err() {
                // What was sent is not all there is, and must not look as if it were: a part without content is refused.
                let _ = sender.send(v1::ImportRequest { part: None }).await;
            }
            drop(sender);
            sent
        };
        let receiving = async {
            let response = registries(channel).import(self.named(ReceiverStream::new(parts))).await?;
            let mut events = response.into_inner();
            let mut result = None;
            while let Some(event) = events.message().await? {
                match event.event {
                    Some(v1::import_event::Event::Progress(now)) => progress(now),
                    Some(v1::import_event::Event::Result(done)) => result = Some(done),
                    None => {}
                }
            }
            result.ok_or(Error::NoResult)
        };
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

/// Sends the header and the files. That the router has stopped listening is no error here: its answer says why.
async fn send(
    sender: &mpsc::Sender<v1::ImportRequest>,
    header: v1::ImportHeader,
    files: &[PathBuf],
) -> Result<(), Error> {
    let put = async |part| {
        let request = v1::ImportRequest { part: Some(part) };
        sender.send(request).await.is_ok()
    };
    if !put(Part::Header(header)).await {
        return Ok(());
    }
    for path in files {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if !put(Part::File(v1::ImportFile { name })).await {
            return Ok(());
        }
        let mut file = File::open(path).await.map_err(|why| unreadable(path, why))?;
        loop {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            let mut piece = (&mut file).take(CHUNK_BYTES as u64);
            let read = piece.read_to_end(&mut buffer).await;
            if read.map_err(|why| unreadable(path, why))? == 0 {
                break;
            }
            if !put(Part::Chunk(Bytes::from(buffer))).await {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File { file: path.display().to_string(), source }
}
