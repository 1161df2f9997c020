//! Receives what a caller sends: a header, then each file's name and its bytes.
//!
//! Files are kept without a name in the spool folder, so that they vanish with this process
//! whatever happens to it.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dnc_proto::v1;
use dnc_proto::v1::import_request::Part;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tonic::Status;

use super::Progress;
use super::error::Error;
use crate::failure::Invalid;
use crate::options::{MAX_CHUNK_BYTES, Options};

/// Longest name of a file, bytes.
const MAX_FILE_NAME: usize = 255;

/// Reads a caller's parts in the order that they must have.
pub struct Receiver<S> {
    parts: S,
    idle: Duration,
    spool_dir: PathBuf,
    max_bytes: u64,
    max_files: usize,
}

/// A file as it arrived. It is gone when this is dropped.
pub struct Received {
    /// Its name.
    pub name: String,
    /// Its bytes, to be read from the beginning.
    pub file: File,
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// A file while it arrives.
pub struct Spool {
    name: String,
    file: File,
    bytes: u64,
    hash: Sha256,
}

// === impl Receiver ===

impl<S: Stream<Item = Result<v1::ImportRequest, Status>> + Unpin> Receiver<S> {
    /// Reads from these parts.
    pub fn new(parts: S, options: &Options) -> Self {
        Self {
            parts,
            idle: Duration::from_secs(options.import.idle_s),
            spool_dir: options.spool_dir.clone(),
            max_bytes: options.import.max_bytes,
            max_files: options.import.max_files,
        }
    }

    /// The header, which comes first.
    pub async fn header(&mut self) -> Result<v1::ImportHeader, Error> {
        match self.next().await? {
            Some(Part::Header(header)) => Ok(header),
            _ => Err(Error::Protocol("an import begins with a header")),
        }
    }

    /// All files that follow; `total_bytes` is how many they have together, 0 if the caller did not know.
    pub async fn files(&mut self, total_bytes: u64, progress: &Progress) -> Result<Vec<Received>, Error> {
        progress.phase(v1::ImportPhase::Receiving, total_bytes);
        let mut received = Vec::new();
        let mut current: Option<Spool> = None;
        let mut bytes = 0;
        while let Some(part) = self.next().await? {
            match part {
                Part::Header(_) => return Err(Error::Protocol("an import has one header")),
                Part::File(file) => {
                    if let Some(spool) = current.take() {
                        received.push(spool.finish()?);
                    }
                    if received.len() == self.max_files {
                        let max = self.max_files;
                        return Err(Error::TooLarge(format!("an import has at most {max} files")));
                    }
                    current = Some(Spool::create(file.name, &self.spool_dir)?);
                }
                Part::Chunk(chunk) => {
                    let Some(spool) = current.take() else {
                        return Err(Error::Protocol("a file's name comes before its bytes"));
                    };
                    if chunk.len() > MAX_CHUNK_BYTES {
                        let detail = format!("larger than {MAX_CHUNK_BYTES} bytes");
                        return Err(Invalid::new("chunk", detail).into());
                    }
                    bytes += chunk.len() as u64;
                    if bytes > self.max_bytes {
                        let max = self.max_bytes;
                        return Err(Error::TooLarge(format!(
                            "the files of an import have at most {max} bytes together"
                        )));
                    }
                    let written = tokio::task::spawn_blocking(move || spool.write(&chunk));
                    current = Some(written.await.map_err(|_| Error::Unexpected)??);
                    progress.done(bytes);
                }
            }
        }
        if let Some(spool) = current.take() {
            received.push(spool.finish()?);
        }
        if total_bytes > 0 && bytes != total_bytes {
            // A list that is cut off would make numbers clear that it lists.
            return Err(Error::NotReceived(format!("{bytes} bytes came, and the header says {total_bytes}")));
        }
        if received.is_empty() {
            return Err(Error::Protocol("an import has at least one file"));
        }
        Ok(received)
    }

    async fn next(&mut self) -> Result<Option<Part>, Error> {
        let next = tokio::time::timeout(self.idle, self.parts.next()).await;
        match next.map_err(|_| Error::Silent(self.idle.as_secs()))? {
            None => Ok(None),
            Some(Err(why)) => Err(Error::NotReceived(why.message().to_owned())),
            Some(Ok(request)) => match request.part {
                Some(part) => Ok(Some(part)),
                None => Err(Error::Protocol("a part of an import is empty")),
            },
        }
    }
}

/// A name that can stand in reports and as evidence.
fn check_name(name: &str) -> Result<(), Invalid> {
    Invalid::require("name", name, MAX_FILE_NAME)?;
    if name.contains(['/', '\\']) {
        return Err(Invalid::new("name", "a file's name has no folders"));
    }
    if name.chars().any(char::is_control) {
        return Err(Invalid::new("name", "a file's name has no control characters"));
    }
    Ok(())
}

// === impl Spool ===

impl Spool {
    /// A new file of this name. Its bytes are kept in `folder`, where no name shows.
    pub fn create(name: String, folder: &Path) -> Result<Self, Error> {
        check_name(&name)?;
        Ok(Self { name, file: tempfile::tempfile_in(folder)?, bytes: 0, hash: Sha256::new() })
    }

    /// Takes the next bytes. Blocks.
    pub fn write(mut self, chunk: &[u8]) -> Result<Self, Error> {
        self.file.write_all(chunk)?;
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(self)
    }

    /// All bytes are in.
    pub fn finish(mut self) -> Result<Received, Error> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(Received { name: self.name, file: self.file, bytes: self.bytes, sha256: self.hash.finalize().into() })
    }
}
