//! From files to blocks, or to changes of blocks, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dnc_core::block::{Block, BlockId, BlockSetBuilder, TooManyBlocks};
use dnc_core::listfile::{self, Changes, Entry, FileSummary, ListKind, Settled, SinkError, TooManyChanges};
use dnc_proto::v1;

use super::Progress;
use super::error::Error;
use super::receive::Received;
use super::show;

/// How to read.
#[derive(Clone, Debug)]
pub struct How {
    /// Each file; the bad lines to put up with are those of all files together.
    pub options: listfile::Options,
    /// Most blocks.
    pub max_blocks: usize,
    /// Most changes.
    pub max_changes: usize,
    /// Whether the beginnings of the files are to be shown.
    pub preview: bool,
}

/// What the files hold.
pub struct Lists {
    /// The files, in the order they came.
    pub files: Vec<ReadFile>,
    /// All their numbers or changes.
    pub entries: Entries,
    /// Beginnings of the files, if they were to be shown.
    pub previews: Vec<v1::ListPreview>,
    /// Numbers read, repeated ones counted each time.
    pub processed: u64,
    /// Bad lines.
    pub failed: u64,
    /// The first of them.
    pub bad_lines: Vec<v1::BadLine>,
}

/// What files hold together. All are of one kind.
pub enum Entries {
    /// Numbers, ascending by block.
    Full(Vec<(BlockId, Block)>),
    /// Changes, the latest of each number.
    Changes(Settled),
}

/// One file as it arrived: a list, or an archive of lists.
pub struct ReadFile {
    /// Its name.
    pub name: String,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
    /// The lists in it.
    pub lists: Vec<FileSummary>,
}

/// Somebody said stop.
#[derive(Debug, thiserror::Error)]
#[error("the import was given up")]
struct GivenUp;

/// Tells the thread to stop when the future that waits for it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads all files. Any error means that nothing of them counts.
pub async fn read(files: Vec<Received>, how: How, progress: &Progress) -> Result<Lists, Error> {
    progress.phase(v1::ImportPhase::Reading, files.iter().map(|file| file.bytes).sum());
    let progress = progress.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
    tokio::task::spawn_blocking(move || read_all(files, &how, &progress, &stop)).await.map_err(|_| Error::Unexpected)?
}

fn read_all(files: Vec<Received>, how: &How, progress: &Progress, stop: &AtomicBool) -> Result<Lists, Error> {
    let mut blocks = BlockSetBuilder::with_limit(how.max_blocks);
    let mut changes = Changes::with_max(how.max_changes);
    let mut kind = None;
    let mut lists = Lists {
        files: Vec::with_capacity(files.len()),
        entries: Entries::Full(Vec::new()),
        previews: Vec::new(),
        processed: 0,
        failed: 0,
        bad_lines: Vec::new(),
    };
    let mut before = 0;
    for mut file in files {
        if how.preview && lists.previews.len() < show::MAX_PREVIEWS {
            let preview = listfile::preview(&file.name, &mut file.file, &how.options, show::PREVIEW_ROWS)?;
            let room = show::MAX_PREVIEWS - lists.previews.len();
            lists.previews.extend(preview.files.iter().take(room).map(show::preview));
        }
        let options = listfile::Options {
            max_bad_lines: how.options.max_bad_lines.saturating_sub(lists.failed),
            ..how.options.clone()
        };
        let mut numbers = lists.processed;
        let mut sink = |entry| -> Result<(), SinkError> {
            // Once in a while is often enough to tell how far it is, and to be told to stop.
            if numbers.is_multiple_of(65_536) {
                progress.read(numbers);
                if stop.load(Ordering::Relaxed) {
                    return Err(GivenUp.into());
                }
            }
            numbers += 1;
            match entry {
                Entry::Number(number) => blocks.insert(number)?,
                Entry::Change(change) => changes.insert(change)?,
            }
            Ok(())
        };
        let mut advance = |position: u64| progress.done(before + position);
        let summary =
            listfile::read(&file.name, &mut file.file, &options, &mut sink, &mut advance).map_err(sort_out)?;
        if *kind.get_or_insert(summary.kind) != summary.kind {
            return Err(Error::MixedKinds(file.name));
        }
        before += file.bytes;
        lists.processed += summary.numbers;
        lists.failed += summary.bad_count;
        let room = options.max_reported.saturating_sub(lists.bad_lines.len());
        lists.bad_lines.extend(summary.bad_lines.iter().take(room).map(show::bad_line));
        lists.files.push(ReadFile { name: file.name, sha256: file.sha256, lists: summary.files });
    }
    progress.read(lists.processed);
    progress.done(before);
    lists.entries = match kind {
        Some(ListKind::Changes) => {
            drop(blocks);
            Entries::Changes(changes.settle()?)
        }
        Some(ListKind::Full) | None => Entries::Full(blocks.into_sorted()),
    };
    Ok(lists)
}

/// Tells what this module's own sink failed with from what is wrong with a file.
fn sort_out(error: listfile::ListFileError) -> Error {
    match error {
        listfile::ListFileError::Sink(why) if why.is::<TooManyBlocks>() || why.is::<TooManyChanges>() => {
            Error::TooLarge(format!("{why}; nothing was changed"))
        }
        listfile::ListFileError::Sink(_) => Error::CallerLeft,
        other => Error::List(other),
    }
}

// === impl Lists ===

impl Lists {
    /// Whether the files hold all there is, or changes.
    pub fn kind(&self) -> ListKind {
        match self.entries {
            Entries::Full(_) => ListKind::Full,
            Entries::Changes(_) => ListKind::Changes,
        }
    }
}
