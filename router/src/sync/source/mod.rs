//! Where lists come from: a watched folder, HTTP, object storage, SFTP.
//!
//! A [`Source`] lists what it offers and downloads one offer whole or not at all. It knows nothing of registries and
//! versions, tries nothing twice (the room above does) and never writes to where lists come from. What it says of itself
//! is its [`place`](Source::place): the URL without user, key and query.

mod error;
mod folder;
mod http;
mod place;
mod s3;
mod sftp;

use jiff::civil::Date;

pub use self::error::{Again, SourceError};
pub use self::http::{ask, client};
pub use self::place::Place;
pub use self::s3::bucket;
use super::options::SyncOptions;
use super::pace::RateLimit;
use super::spool::{Arrived, Spool};

/// Most files that one place may offer.
pub const MAX_OFFERS: usize = 10_000;

/// What is said of a place that callers may not name.
pub const NOT_ALLOWED: &str = "this router's settings do not allow this place: see sync.places";

/// A place that lists come from.
pub enum Source {
    /// A folder on this machine.
    Folder(folder::Folder),
    /// One file over HTTP.
    Http(http::Http),
    /// Files of a bucket.
    S3(s3::S3),
    /// Files of a folder on an SFTP server.
    Sftp(sftp::Sftp),
}

/// A file that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name, without folders.
    pub name: String,
    /// How the source finds it again.
    pub path: String,
    /// Its size, where that is known before.
    pub bytes: Option<u64>,
    /// When it came to where it is, milliseconds since 1970, where that is known.
    pub modified_ms: Option<u64>,
    /// Changes when its content does, where the source has such a thing; else empty.
    pub mark: String,
}

/// What came of a download.
#[derive(Debug)]
pub enum Fetched {
    /// The file.
    Whole {
        /// The file.
        file: Arrived,
        /// Changes when its content does; empty if the source has no such thing.
        mark: String,
    },
    /// It is still what has this mark.
    Unchanged,
}

// === impl Source ===

impl Source {
    /// The source at a URL, opened with a registry's key, if it has one.
    pub fn open(
        url: &str,
        key: Option<&str>,
        today: Date,
        options: &SyncOptions,
        limit: &RateLimit,
    ) -> Result<Self, SourceError> {
        let place = Place::parse(url).map_err(|why| SourceError::never(why.to_string()))?;
        if !options.allows(&place) {
            return Err(SourceError::never(NOT_ALLOWED));
        }
        Ok(match place.scheme() {
            "file" => Source::Folder(folder::Folder::new(&place, options)?),
            "s3" => Source::S3(s3::S3::new(&place, key, options, limit)?),
            "sftp" => Source::Sftp(sftp::Sftp::new(&place, key, options, limit)?),
            _ => Source::Http(http::Http::new(&place, key, today, options, limit)?),
        })
    }

    /// What it offers now, in no order.
    pub async fn list(&self, now_ms: u64) -> Result<Vec<Offer>, SourceError> {
        let offers = match self {
            Source::Folder(folder) => folder.list(now_ms).await,
            Source::Http(http) => Ok(vec![http.offer()]),
            Source::S3(s3) => s3.list().await,
            Source::Sftp(sftp) => sftp.list(now_ms).await,
        }?;
        Ok(offers)
    }

    /// Downloads one offer into a spool. If it still has the mark `known`, it may say so instead.
    pub async fn fetch(&self, offer: &Offer, known: Option<&str>, spool: Spool) -> Result<Fetched, SourceError> {
        match self {
            Source::Folder(folder) => folder.fetch(offer, spool).await,
            Source::Http(http) => http.fetch(known, spool).await,
            Source::S3(s3) => s3.fetch(offer, spool).await,
            Source::Sftp(sftp) => sftp.fetch(offer, spool).await,
        }
    }
}

/// Whether a file of this name is a list at all: not hidden, and not one that is still being written.
fn is_list(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let unfinished = [".part", ".partial", ".tmp", ".filepart", ".crdownload", "~"];
    let control = name.chars().any(char::is_control);
    !name.is_empty()
        && name.len() <= 255
        && !control
        && !name.starts_with(['.', '~', '#'])
        && !unfinished.iter().any(|end| lower.ends_with(end))
}

fn too_many() -> SourceError {
    SourceError::never(format!("there are more than {MAX_OFFERS} files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_and_those_being_written_are_no_lists() {
        for list in ["2026-11-9_201_x.txt", "list.csv", "part.csv", "a.txt.zip"] {
            assert!(is_list(list), "{list}");
        }
        for other in ["", ".list.txt", "list.txt.part", "LIST.PART", "a.tmp", "a.txt~", "~a", "#a#", "a\nb"] {
            assert!(!is_list(other), "{other}");
        }
    }
}
