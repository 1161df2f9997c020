//! One watcher's stream: a snapshot if it needs one, then changes in order without a gap.
//!
//! A feed is pulled by its watcher and buffers nothing of its own: a watcher too slow for the
//! changes that the board keeps gets a fresh snapshot.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::codec;
use dnc_proto::internal::WatchEvent;
use dnc_proto::internal::watch_event::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::board::{Board, Note};

/// A quiet stream says this often that it lives.
pub(crate) const ALIVE: Duration = Duration::from_secs(5);

/// One watcher's place in the changes.
pub(crate) struct Feed {
    board: Arc<Board>,
    notes: broadcast::Receiver<Note>,
    /// The revision that the watcher has once it has read what was given to it.
    sent: u64,
    /// Whether changes alone may not bring it up to date.
    behind: bool,
}

// === impl Feed ===

impl Feed {
    pub(crate) fn new(board: Arc<Board>, notes: broadcast::Receiver<Note>, revision: u64) -> Self {
        Self { board, notes, sent: revision, behind: true }
    }

    /// The next thing to tell the watcher. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> WatchEvent {
        let alive_at = Instant::now() + ALIVE;
        let event = loop {
            if let Some(snapshot) = self.snapshot() {
                break snapshot;
            }
            match timeout_at(alive_at, self.notes.recv()).await {
                Err(_) => break Event::Alive(self.sent),
                Ok(Ok(Note::Changed(change))) if change.from_revision == self.sent => {
                    self.sent += 1;
                    break Event::Change(change.as_ref().clone());
                }
                // Older than what the watcher has: it was in its snapshot, or this voter lags behind the one it listened to before.
                Ok(Ok(Note::Changed(change))) if change.from_revision < self.sent => {}
                Ok(Ok(Note::Changed(_) | Note::Replaced) | Err(RecvError::Lagged(_))) => {
                    self.behind = true;
                }
                Ok(Err(RecvError::Closed)) => unreachable!("the feed holds the board, which holds the sender"),
            }
        };
        WatchEvent { event: Some(event) }
    }

    /// A snapshot, if changes may have been missed and the catalog is newer than what the watcher has.
    fn snapshot(&mut self) -> Option<Event> {
        if !std::mem::take(&mut self.behind) {
            return None;
        }
        let catalog = self.board.catalog();
        if catalog.revision <= self.sent {
            return None;
        }
        self.sent = catalog.revision;
        Some(Event::Snapshot(codec::encode(catalog.as_ref())))
    }
}

#[cfg(test)]
mod tests;
