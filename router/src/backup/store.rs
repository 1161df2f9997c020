//! Where backups are: a folder or a bucket, through OpenDAL. Each backup is a folder in it, each file is written under
//! another name first and appears whole, and whatever is read or written is hashed on its way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use opendal::layers::TimeoutLayer;
use opendal::options::{ListOptions, ReaderOptions, WriteOptions};
use opendal::{Buffer, BufferStream, ErrorKind, Operator, Writer};
use prost::bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::error::Error;
use super::manifest::{self, File, is_backup_name};
use super::progress::Progress;
use crate::api::answer::hex;
use crate::failure::Invalid;
use crate::sync::{NOT_ALLOWED, RateLimit, SourcePlace, SyncOptions, bucket};

/// Bytes that are written, or read, at a time.
const PIECE: usize = 1 << 20;
/// Bytes of one part of a file in a bucket, which has 10,000 of them at most.
const PART: usize = 32 << 20;
/// Most backups that one place may hold.
const MAX_BACKUPS: usize = 10_000;
/// Files that are being written are in this folder of the place.
const WRITING: &str = ".writing";
/// How long the place may take for one piece.
const IDLE: Duration = Duration::from_secs(120);

/// A place of backups.
pub struct Store {
    operator: Operator,
    /// The folder that it is, if it is one.
    folder: Option<PathBuf>,
}

/// A file being written.
pub struct Sink {
    writer: Writer,
    path: String,
    buffer: Vec<u8>,
    hash: Sha256,
    bytes: u64,
}

/// A file being read, compared with what the manifest says of it when it ends.
pub struct Source<'a> {
    stream: BufferStream,
    waiting: Buffer,
    file: &'a File,
    hash: Sha256,
    bytes: u64,
}

// === impl Store ===

impl Store {
    /// Opens a place to read from: `file:///folder`, or `s3://bucket/path` with the environment's keys.
    pub async fn open(url: &str, options: &SyncOptions) -> Result<Self, Error> {
        Self::at(url, None, options, false).await
    }

    /// Opens a place to write to.
    pub async fn open_to_write(url: &str, options: &SyncOptions) -> Result<Self, Error> {
        Self::at(url, None, options, true).await
    }

    async fn at(url: &str, key: Option<&str>, options: &SyncOptions, to_write: bool) -> Result<Self, Error> {
        let bad = |why: &str| Error::Invalid(Invalid::new("place", why));
        let place = SourcePlace::parse(url).map_err(|why| bad(&why.to_string()))?;
        if !options.allows(&place) {
            return Err(bad(NOT_ALLOWED));
        }
        let (operator, folder) = match place.scheme() {
            "s3" => (bucket(&place, key, options, &RateLimit::new(u16::MAX))?, None),
            "file" => {
                let path = place.url().to_file_path().map_err(|()| bad("not a folder of the router's machine"))?;
                // What is not mounted must not be written to what is below.
                if !tokio::fs::metadata(&path).await.is_ok_and(|found| found.is_dir()) {
                    return Err(bad("there is no such folder on the router's machine; make it first"));
                }
                (folder(&path, to_write).map_err(|why| bad(&cause(&why)))?, Some(path))
            }
            _ => return Err(bad("a place of backups is file:///folder or s3://bucket/path")),
        };
        // Whatever is asked of it: a disk that is not there any more answers nothing, not even that.
        let limits = TimeoutLayer::new().with_timeout(IDLE).with_io_timeout(IDLE);
        Ok(Self { operator: operator.layer(limits), folder })
    }

    /// The names of all backups, the newest first.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |why| failed("list", "the place", &why);
        let mut entries = self.operator.lister_options("/", ListOptions::default()).await.map_err(failed)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.try_next().await.map_err(failed)? {
            let name = entry.name().trim_end_matches('/');
            if entry.metadata().is_dir() && is_backup_name(name) {
                if names.len() == MAX_BACKUPS {
                    let why = format!("there are more than {MAX_BACKUPS} backups");
                    return Err(Error::Store { doing: "list", file: "the place".into(), why });
                }
                names.push(name.to_owned());
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(names)
    }

    /// Whether there is anything of a backup of this name.
    pub async fn has(&self, backup: &str) -> Result<bool, Error> {
        let mut entries = self
            .operator
            .lister_options(&format!("{backup}/"), ListOptions::default())
            .await
            .map_err(|why| failed("list", backup, &why))?;
        match entries.next().await {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(why)) if why.kind() == ErrorKind::NotFound => Ok(false),
            Some(Err(why)) => Err(failed("list", backup, &why)),
        }
    }

    /// A backup's manifest as it is stored, if there is one.
    pub async fn manifest(&self, backup: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = format!("{backup}/{}", manifest::MANIFEST);
        let size = match self.operator.stat(&path).await {
            Ok(found) => found.content_length(),
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(failed("read", &path, &why)),
        };
        if size > manifest::MAX_BYTES as u64 {
            return Err(Error::damaged(manifest::MANIFEST, "it is longer than a manifest can be"));
        }
        let read = self.operator.read(&path).await.map_err(|why| failed("read", &path, &why))?;
        Ok(Some(read.to_vec()))
    }

    /// Begins a file of a backup.
    pub async fn create(&self, backup: &str, file: &str) -> Result<Sink, Error> {
        let path = format!("{backup}/{file}");
        let options = WriteOptions { chunk: Some(PART), ..WriteOptions::default() };
        let writer = self.operator.writer_options(&path, options).await.map_err(|why| failed("write", &path, &why))?;
        Ok(Sink { writer, path, buffer: Vec::with_capacity(PIECE), hash: Sha256::new(), bytes: 0 })
    }

    /// Makes sure that the names of a backup's files survive a power cut: of a folder they are in its directory.
    pub async fn settle(&self, backup: &str) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let inner = folder.join(backup);
        let synced = tokio::task::spawn_blocking(move || {
            [inner, folder].into_iter().try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
        });
        let synced = synced.await.unwrap_or_else(|_| Err(std::io::Error::other("it was given up")));
        synced.map_err(|why| Error::Store { doing: "sync", file: backup.into(), why: why.to_string() })
    }

    /// Reads a file of a backup.
    pub async fn read<'a>(&self, backup: &str, file: &'a File) -> Result<Source<'a>, Error> {
        let path = format!("{backup}/{}", file.name);
        let options = ReaderOptions { chunk: Some(4 * PIECE), ..ReaderOptions::default() };
        let opened = self.operator.reader_options(&path, options).await.map_err(|why| unreadable(&file.name, &why))?;
        // Not more than there should be; that there is more is found by its size.
        let size = self.operator.stat(&path).await.map_err(|why| unreadable(&file.name, &why))?.content_length();
        if size != file.bytes {
            let why = format!("it has {size} bytes, and {} were written", file.bytes);
            return Err(Error::damaged(&file.name, why));
        }
        let stream = opened.into_stream(0..size).await.map_err(|why| unreadable(&file.name, &why))?;
        Ok(Source { stream, waiting: Buffer::new(), file, hash: Sha256::new(), bytes: 0 })
    }
}

fn folder(path: &Path, to_write: bool) -> opendal::Result<Operator> {
    let mut builder = opendal::services::Fs::default().root(&path.to_string_lossy());
    if to_write {
        builder = builder.atomic_write_dir(&path.join(WRITING).to_string_lossy());
    }
    Operator::new(builder)
}

// === impl Sink ===

impl Sink {
    /// Adds these bytes.
    pub async fn write(&mut self, bytes: &[u8], progress: &Progress) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE { self.flush(progress).await } else { Ok(()) }
    }

    /// Ends the file: from here on it is there, whole. How long it is, and its SHA-256.
    pub async fn finish(mut self, progress: &Progress) -> Result<(u64, String), Error> {
        self.flush(progress).await?;
        within(&self.path, self.writer.close()).await?;
        Ok((self.bytes, hex(&self.hash.finalize())))
    }

    async fn flush(&mut self, progress: &Progress) -> Result<(), Error> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.hash.update(&piece);
        self.bytes += piece.len() as u64;
        progress.advance(0, piece.len() as u64);
        within(&self.path, self.writer.write(piece)).await
    }
}

// === impl Source ===

impl Source<'_> {
    /// The next bytes. At the end, an error unless they were those that were written.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(piece) = Iterator::next(&mut self.waiting) {
                self.hash.update(&piece);
                self.bytes += piece.len() as u64;
                return Ok(Some(piece));
            }
            let next = timeout(IDLE, self.stream.next()).await;
            match next.map_err(|_| too_slow(&self.file.name))? {
                Some(Ok(pieces)) => self.waiting = pieces,
                Some(Err(why)) => return Err(unreadable(&self.file.name, &why)),
                None => break,
            }
        }
        let found = hex(&std::mem::take(&mut self.hash).finalize());
        if self.bytes != self.file.bytes || found != self.file.sha256 {
            return Err(Error::damaged(&self.file.name, "its SHA-256 is not that of what was written"));
        }
        Ok(None)
    }
}

async fn within<T>(path: &str, work: impl Future<Output = opendal::Result<T>>) -> Result<T, Error> {
    let done = timeout(IDLE, work).await.map_err(|_| too_slow(path))?;
    done.map_err(|why| failed("write", path, &why))
}

fn too_slow(file: &str) -> Error {
    Error::Store { doing: "wait for", file: file.into(), why: "it took too long".into() }
}

fn failed(doing: &'static str, file: &str, why: &opendal::Error) -> Error {
    Error::Store { doing, file: file.into(), why: cause(why) }
}

/// A file that the manifest names is part of the backup: without it there is none.
fn unreadable(file: &str, why: &opendal::Error) -> Error {
    match why.kind() {
        ErrorKind::NotFound => Error::damaged(file, "it is missing"),
        _ => failed("read", file, why),
    }
}

/// What went wrong, in words of our own: OpenDAL's name URLs and requests.
fn cause(why: &opendal::Error) -> String {
    let io = std::error::Error::source(why).and_then(|source| source.downcast_ref::<std::io::Error>());
    match (why.kind(), io) {
        (ErrorKind::NotFound, _) => "there is no such bucket, folder or file".into(),
        (ErrorKind::PermissionDenied, _) => "the router may not do that there".into(),
        (ErrorKind::ConfigInvalid, _) => "bucket, endpoint, region or key are not as they must be".into(),
        (ErrorKind::RateLimited, _) => "it asks for fewer requests".into(),
        (_, Some(io)) => io.to_string(),
        (ErrorKind::Unexpected, None) => "it cannot be reached, or answers something else than it should".into(),
        (kind, None) => format!("it does not work: {kind}"),
    }
}

#[cfg(test)]
mod tests;
