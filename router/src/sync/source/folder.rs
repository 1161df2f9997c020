//! A watched folder: files that somebody puts there.
//!
//! A file counts once it has been left alone for the settle time: by its own clock nobody wrote to it or renamed it since.
//! The time of its last rename or change of attributes counts too, for tools that copy keep the time of the original.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use prost::bytes::Bytes;

use super::{Fetched, MAX_OFFERS, Offer, Place, SourceError, is_list, too_many};
use crate::sync::options::SyncOptions;
use crate::sync::spool::Spool;

/// Bytes read at a time.
const PIECE: usize = 256 << 10;

/// A folder on this machine.
pub struct Folder {
    path: PathBuf,
    settle_ms: u64,
}

// === impl Folder ===

impl Folder {
    /// The folder of a `file://` URL.
    pub fn new(place: &Place, options: &SyncOptions) -> Result<Self, SourceError> {
        let path = place.url().to_file_path().map_err(|()| SourceError::never("not a folder on this machine"))?;
        Ok(Self { path, settle_ms: options.settle_s * 1_000 })
    }

    /// The files that have been left alone.
    pub async fn list(&self, now_ms: u64) -> Result<Vec<Offer>, SourceError> {
        let (path, settled_ms) = (self.path.clone(), now_ms.saturating_sub(self.settle_ms));
        let listed = tokio::task::spawn_blocking(move || list(&path, settled_ms));
        listed.await.map_err(|_| SourceError::later("listing the folder was given up"))?
    }

    /// Copies a file, if it is still the one that was listed, and stays so while it is read.
    pub async fn fetch(&self, offer: &Offer, mut spool: Spool) -> Result<Fetched, SourceError> {
        let path = self.path.join(&offer.name);
        let opened = tokio::task::spawn_blocking(move || open(&path));
        let (mut file, before) = opened.await.map_err(|_| SourceError::later("opening the file was given up"))??;
        if mark(&before) != offer.mark {
            return Err(SourceError::later("the file changed after it was listed"));
        }
        loop {
            let read = tokio::task::spawn_blocking(move || -> Result<_, SourceError> {
                let mut piece = Vec::with_capacity(PIECE);
                (&mut file).take(PIECE as u64).read_to_end(&mut piece).map_err(|why| failed("read the file", &why))?;
                Ok((file, piece))
            });
            let (back, piece) = read.await.map_err(|_| SourceError::later("reading the file was given up"))??;
            file = back;
            if piece.is_empty() {
                break;
            }
            spool = spool.write(Bytes::from(piece)).await?;
        }
        let after = file.metadata().map_err(|why| failed("look at the file", &why))?;
        if mark(&after) != offer.mark {
            return Err(SourceError::later("the file changed while it was read"));
        }
        let file = spool.finish(offer.name.clone(), Some(before.len()))?;
        Ok(Fetched::Whole { file, mark: offer.mark.clone() })
    }
}

fn list(path: &Path, settled_ms: u64) -> Result<Vec<Offer>, SourceError> {
    let entries = std::fs::read_dir(path).map_err(|why| failed("list the folder", &why))?;
    let mut offers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| failed("list the folder", &why))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !is_list(&name) {
            continue;
        }
        // Follows links: a list may be one. A file that has gone meanwhile is none.
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        let changed_ms = changed_ms(&metadata);
        if !metadata.is_file() || changed_ms > settled_ms {
            continue;
        }
        if offers.len() == MAX_OFFERS {
            return Err(too_many());
        }
        offers.push(Offer {
            path: name.clone(),
            name,
            bytes: Some(metadata.len()),
            modified_ms: Some(changed_ms),
            mark: mark(&metadata),
        });
    }
    Ok(offers)
}

fn open(path: &Path) -> Result<(File, Metadata), SourceError> {
    let file = File::open(path).map_err(|why| failed("open the file", &why))?;
    let metadata = file.metadata().map_err(|why| failed("look at the file", &why))?;
    Ok((file, metadata))
}

/// When somebody last wrote to the file, renamed it or changed its attributes, milliseconds since 1970.
fn changed_ms(metadata: &Metadata) -> u64 {
    let ms = |seconds: i64, nanos: i64| u64::try_from(seconds * 1_000 + nanos / 1_000_000).unwrap_or(0);
    ms(metadata.mtime(), metadata.mtime_nsec()).max(ms(metadata.ctime(), metadata.ctime_nsec()))
}

/// Changes when the file does.
fn mark(metadata: &Metadata) -> String {
    let (inode, bytes) = (metadata.ino(), metadata.len());
    format!("{inode}-{bytes}-{}.{:09}", metadata.mtime(), metadata.mtime_nsec())
}

fn failed(doing: &str, why: &io::Error) -> SourceError {
    // The reason alone: a path in it would be repeated.
    let what = format!("{doing}: {}", why.kind());
    match why.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => SourceError::never(what),
        _ => SourceError::later(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, settle_s: u64) -> Folder {
        let place = Place::parse(&format!("file://{}", path.display())).expect("a folder");
        Folder::new(&place, &SyncOptions { settle_s, ..SyncOptions::default() }).expect("a folder")
    }

    fn spool() -> Spool {
        Spool::create(&std::env::temp_dir(), 1_000).expect("a file")
    }

    #[tokio::test]
    async fn a_file_counts_once_it_was_left_alone_and_only_if_it_is_a_list() {
        let temp = tempfile::tempdir().expect("a folder");
        for name in ["a.txt", ".hidden", "b.txt.part"] {
            std::fs::write(temp.path().join(name), "x").expect("written");
        }
        std::fs::create_dir(temp.path().join("folder")).expect("made");
        let now = crate::clock::now_ms();
        let folder = folder(temp.path(), 30);
        assert_eq!(folder.list(now).await.expect("lists"), []);
        let later = folder.list(now + 40_000).await.expect("lists");
        assert_eq!(later.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>(), ["a.txt"]);
    }

    #[tokio::test]
    async fn a_file_that_changed_since_it_was_listed_is_not_taken() {
        let temp = tempfile::tempdir().expect("a folder");
        std::fs::write(temp.path().join("a.txt"), "2015550100\n").expect("written");
        let folder = folder(temp.path(), 0);
        let offers = folder.list(u64::MAX).await.expect("lists");
        let Ok(Fetched::Whole { file, .. }) = folder.fetch(&offers[0], spool()).await else {
            panic!("a whole file");
        };
        assert_eq!((file.name.as_str(), file.bytes), ("a.txt", 11));
        std::fs::write(temp.path().join("a.txt"), "2015550100\n2015550101\n").expect("written");
        let changed = folder.fetch(&offers[0], spool()).await.expect_err("changed");
        assert!(changed.what.contains("changed after"), "{changed}");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error_and_not_an_empty_one() {
        let folder = folder(Path::new("/nowhere/at/all"), 0);
        let error = folder.list(0).await.expect_err("not there");
        assert!(error.what.contains("list the folder"), "{error}");
        assert!(!error.what.contains("nowhere"), "{error}");
    }
}
