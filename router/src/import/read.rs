//! From files to blocks, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dnc_core::block::{Block, BlockId, BlockSetBuilder, TooManyBlocks};
use dnc_core::listfile::{self, FileSummary, SinkError};
use dnc_proto::v1;

use super::Progress;
use super::error::Error;
use super::receive::Received;

/// Limits on one reading.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bad lines to put up with, in all files together.
    pub max_bad_lines: u64,
    /// Most blocks.
    pub max_blocks: usize,
}

/// What the files hold.
pub struct Lists {
    /// The files, in the order they came.
    pub files: Vec<ReadFile>,
    /// All their numbers, ascending by block.
    pub blocks: Vec<(BlockId, Block)>,
    /// Numbers read, repeated ones counted each time.
    pub processed: u64,
    /// Bad lines.
    pub failed: u64,
    /// The first of them.
    pub bad_lines: Vec<v1::BadLine>,
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
pub async fn read(files: Vec<Received>, limits: Limits, progress: &Progress) -> Result<Lists, Error> {
    progress.phase(v1::ImportPhase::Reading, files.iter().map(|file| file.bytes).sum());
    let progress = progress.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
    tokio::task::spawn_blocking(move || read_all(files, limits, &progress, &stop))
        .await
        .map_err(|_| Error::Unexpected)?
}

fn read_all(files: Vec<Received>, limits: Limits, progress: &Progress, stop: &AtomicBool) -> Result<Lists, Error> {
    let mut blocks = BlockSetBuilder::with_limit(limits.max_blocks);
    let mut lists = Lists {
        files: Vec::with_capacity(files.len()),
        blocks: Vec::new(),
        processed: 0,
        failed: 0,
        bad_lines: Vec::new(),
    };
    let mut before = 0;
    for mut file in files {
        let options = listfile::Options {
            max_bad_lines: limits.max_bad_lines.saturating_sub(lists.failed),
            ..listfile::Options::default()
        };
        let mut numbers = lists.processed;
        let mut sink = |number| -> Result<(), SinkError> {
            // Once in a while is often enough to tell how far it is, and to be told to stop.
            if numbers.is_multiple_of(65_536) {
                progress.read(numbers);
                if stop.load(Ordering::Relaxed) {
                    return Err(GivenUp.into());
                }
            }
            numbers += 1;
            Ok(blocks.insert(number)?)
        };
        let mut advance = |position: u64| progress.done(before + position);
        let summary =
            listfile::read(&file.name, &mut file.file, &options, &mut sink, &mut advance).map_err(sort_out)?;
        before += file.bytes;
        lists.processed += summary.numbers;
        lists.failed += summary.bad_count;
        let room = options.max_reported.saturating_sub(lists.bad_lines.len());
        let bad_lines = summary.bad_lines.into_iter().take(room);
        lists.bad_lines.extend(bad_lines.map(|bad| v1::BadLine {
            file: bad.file,
            line: bad.line,
            error: bad.why.to_string(),
        }));
        lists.files.push(ReadFile { name: file.name, sha256: file.sha256, lists: summary.files });
    }
    progress.read(lists.processed);
    progress.done(before);
    lists.blocks = blocks.into_sorted();
    Ok(lists)
}

/// Tells what this module's own sink failed with from what is wrong with a file.
fn sort_out(error: listfile::ListFileError) -> Error {
    match error {
        listfile::ListFileError::Sink(why) => match why.downcast::<TooManyBlocks>() {
            Ok(why) => Error::TooLarge(format!("{why}; nothing was changed")),
            Err(_) => Error::CallerLeft,
        },
        other => Error::List(other),
    }
}
