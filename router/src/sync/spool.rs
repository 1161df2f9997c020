//! A file while it is downloaded: kept without a name in the spool folder, hashed as it arrives, no larger than allowed.
//!
//! It is gone when it is dropped, whatever happens to this process, and only one that arrived whole becomes an [`Arrived`].

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::civil::Date;
use prost::bytes::Bytes;
use sha2::{Digest, Sha256};

use super::now::Now;
use super::source::{Again, SourceError};

/// A file that is being downloaded.
pub struct Spool {
    file: File,
    hash: Sha256,
    bytes: u64,
    max_bytes: u64,
    now: Option<Now>,
}

/// A file that arrived whole.
#[derive(Debug)]
pub struct Arrived {
    /// Its name, without folders.
    pub name: String,
    /// Its bytes, to be read from the beginning.
    pub file: File,
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// The date of the list, where the place that it comes from says it.
    pub list_date: Option<Date>,
}

// === impl Spool ===

impl Spool {
    /// An empty file.
    pub fn create(folder: &Path, max_bytes: u64) -> Result<Self, SourceError> {
        let file = tempfile::tempfile_in(folder).map_err(|why| keep(&why))?;
        Ok(Self { file, hash: Sha256::new(), bytes: 0, max_bytes, now: None })
    }

    /// The same, telling how much has arrived.
    pub fn told_to(self, now: Now) -> Self {
        Self { now: Some(now), ..self }
    }

    /// Adds bytes.
    pub async fn write(mut self, piece: Bytes) -> Result<Self, SourceError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.max_bytes {
            let max = self.max_bytes;
            return Err(SourceError::never(format!("the file has more than the {max} bytes that are allowed")));
        }
        if let Some(now) = &self.now {
            now.done(self.bytes);
        }
        // Files are large and disks can be slow: not on a thread that answers checks.
        let written = tokio::task::spawn_blocking(move || {
            self.file.write_all(&piece).map_err(|why| keep(&why))?;
            self.hash.update(&piece);
            Ok(self)
        });
        written.await.map_err(|_| SourceError::never("writing to the spool folder was given up"))?
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All bytes are there, as many as `expected` where that is known.
    pub fn finish(mut self, name: String, expected: Option<u64>) -> Result<Arrived, SourceError> {
        if let Some(expected) = expected.filter(|expected| *expected != self.bytes) {
            let bytes = self.bytes;
            return Err(SourceError::later(format!("the file is cut off: {bytes} of {expected} bytes came")));
        }
        self.file.seek(SeekFrom::Start(0)).map_err(|why| keep(&why))?;
        Ok(Arrived { name, file: self.file, bytes: self.bytes, sha256: self.hash.finalize().into(), list_date: None })
    }
}

fn keep(why: &io::Error) -> SourceError {
    SourceError { what: format!("keep the file in the spool folder: {why}"), again: Again::Later }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn spool(pieces: &[&'static str], max: u64) -> Result<Spool, SourceError> {
        let mut spool = Spool::create(&std::env::temp_dir(), max)?;
        for piece in pieces {
            spool = spool.write(Bytes::from_static(piece.as_bytes())).await?;
        }
        Ok(spool)
    }

    #[tokio::test]
    async fn a_whole_file_is_hashed_and_read_from_its_beginning() {
        let mut arrived = spool(&["a", "bc"], 3).await.expect("fits").finish("x".into(), Some(3)).expect("whole");
        assert_eq!((arrived.bytes, arrived.sha256), (3, Sha256::digest(b"abc").into()));
        let mut text = String::new();
        arrived.file.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "abc");
    }

    #[tokio::test]
    async fn a_file_that_is_cut_off_or_too_large_never_arrives() {
        let cut_off = spool(&["abc"], 10).await.expect("fits").finish("x".into(), Some(4)).expect_err("cut off");
        assert_eq!(cut_off.again, Again::Later);
        let too_large = spool(&["abc", "d"], 3).await.err().expect("too large");
        assert_eq!(too_large.again, Again::Never);
    }
}
