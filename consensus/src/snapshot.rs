//! Snapshots without files: a consistent view of a group's keys is read by its own thread and
//! handed on in chunks, and the receiver writes the chunks into a new epoch (see `keyspace`).

use rocksdb::{ReadOptions, WriteBatch};
use tokio::sync::{mpsc, oneshot};
use xxhash_rust::xxh3::Xxh3;

use crate::config::CHUNK_BYTES_SOFT;
use crate::db::{Db, Family, Record, after_prefix};
use crate::error::StoreError;
use crate::keyspace::{Keyspace, PREFIX};
use crate::raft_types::{SnapshotMeta, log_id};
use crate::replica::{Applied, Replica};

/// The contents of a snapshot.
pub(crate) enum SnapshotData {
    /// Only its position was asked for: the state itself is in RocksDB anyway.
    Built,
    /// To be sent.
    Outgoing(Outgoing),
    /// Received completely.
    Spooled(Keyspace),
}

/// The chunks of a view, in order. Dropping it ends the thread that reads them.
pub(crate) struct Outgoing {
    parts: mpsc::Receiver<Result<Part, StoreError>>,
}

/// A chunk, or the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Pairs in key order: two lengths (four bytes each, little endian), key, value.
    Chunk { number: u64, pairs: Vec<u8> },
    /// What there was.
    End(Totals),
}

/// What sender and receiver must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) chunks: u64,
    pub(crate) pairs: u64,
    /// XXH3 over the bytes of all chunks.
    pub(crate) checksum: u64,
}

/// A snapshot being received. Dropping it deletes what has arrived.
pub(crate) struct Spool {
    state: Keyspace,
    count: Counter,
}

/// A transfer that cannot be trusted, or not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("chunk {got} of the snapshot came where {expected} was due")]
    Order { expected: u64, got: u64 },
    #[error("chunk {0} of the snapshot is cut off inside a pair")]
    Torn(u64),
    #[error("the snapshot is not complete: sent {sent:?}, received {received:?}")]
    Totals { sent: Totals, received: Totals },
    #[error("the snapshot ended without its end mark")]
    Cut,
    #[error("store a chunk of the snapshot")]
    Store(#[from] StoreError),
}

#[derive(Default)]
struct Counter {
    chunks: u64,
    pairs: u64,
    hasher: Xxh3,
}

/// Chunks that the reading thread may be ahead of the network.
const PARTS_AHEAD: usize = 4;

/// Opens a view of a group's state as it is now, and the position that it is at. `None` while
/// nothing was applied. Must not run at the same time as an apply of the same group.
pub(crate) async fn open_view(replica: &Replica) -> Result<Option<(SnapshotMeta, Outgoing)>, StoreError> {
    let state = replica.state();
    let group = replica.group;
    let (opened_tx, opened) = oneshot::channel();
    let (parts_tx, parts) = mpsc::channel(PARTS_AHEAD);
    // Its own thread, because an iterator cannot leave the stack that it was made on.
    drop(tokio::task::spawn_blocking(move || {
        let db = state.db().clone();
        let view = db.raw().snapshot();
        let state_record = |record: Record| {
            view.get_cf(db.family(Family::State), record.key(group)).map_err(|source| db.read_failed(source))
        };
        let meta = (|| {
            let applied: Applied = match state_record(Record::Applied)? {
                Some(bytes) => Record::Applied.decode(&bytes)?,
                None => return Ok(None),
            };
            let Some(at) = applied.at else { return Ok(None) };
            if applied.epoch != state.epoch() {
                let what = format!("group {group} is in epoch {}, its record says {}", state.epoch(), applied.epoch);
                return Err(StoreError::Damaged(what));
            }
            let last_membership = match state_record(Record::Membership)? {
                Some(bytes) => Record::Membership.decode(&bytes)?,
                None => Default::default(),
            };
            Ok(Some(SnapshotMeta { last_log_id: Some(log_id(at)), last_membership }))
        })();
        let go_on = matches!(meta, Ok(Some(_)));
        if opened_tx.send(meta).is_err() || !go_on {
            return;
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(state.prefix().as_slice());
        options.set_iterate_upper_bound(after_prefix(state.prefix()));
        // Read once, so it must not push out of the cache what checks read.
        options.fill_cache(false);
        let pairs = view.raw_iterator_cf_opt(db.family(Family::Data), options);
        send_parts(&db, pairs, &parts_tx);
    }));
    let meta = opened.await.map_err(|_| StoreError::Interrupted)??;
    Ok(meta.map(|meta| (meta, Outgoing { parts })))
}

fn send_parts(db: &Db, mut pairs: rocksdb::DBRawIterator<'_>, parts: &mpsc::Sender<Result<Part, StoreError>>) {
    let mut count = Counter::default();
    let mut chunk = Vec::new();
    let mut in_chunk = 0;
    pairs.seek_to_first();
    loop {
        let pair = pairs.item();
        let is_end = pair.is_none();
        if let Some((key, value)) = pair {
            push_pair(&mut chunk, &key[PREFIX..], value);
            in_chunk += 1;
            pairs.next();
        }
        if chunk.len() >= CHUNK_BYTES_SOFT || (is_end && !chunk.is_empty()) {
            let number = count.add(&chunk, in_chunk);
            let part = Part::Chunk { number, pairs: std::mem::take(&mut chunk) };
            in_chunk = 0;
            if parts.blocking_send(Ok(part)).is_err() {
                return;
            }
        }
        if is_end {
            break;
        }
    }
    let end = match pairs.status() {
        Ok(()) => Ok(Part::End(count.totals())),
        Err(error) => Err(db.read_failed(error)),
    };
    // The other side may have lost interest.
    parts.blocking_send(end).ok();
}

fn push_pair(chunk: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let length = |part: &[u8]| u32::try_from(part.len()).expect("pairs are far below 4 GiB").to_le_bytes();
    chunk.extend_from_slice(&length(key));
    chunk.extend_from_slice(&length(value));
    chunk.extend_from_slice(key);
    chunk.extend_from_slice(value);
}

fn take_pair(chunk: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key_length, rest) = chunk.split_first_chunk::<4>()?;
    let (value_length, rest) = rest.split_first_chunk::<4>()?;
    let key_length = u32::from_le_bytes(*key_length) as usize;
    let value_length = u32::from_le_bytes(*value_length) as usize;
    let (key, rest) = rest.split_at_checked(key_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some((key, value, rest))
}

// === impl Outgoing ===

impl Outgoing {
    /// The next part. Nothing after the end, or after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<Part, StoreError>> {
        self.parts.recv().await
    }

    /// Takes a whole snapshot of this process into an epoch of this process.
    pub(crate) async fn spool(mut self, into: Keyspace) -> Result<Keyspace, SpoolError> {
        let mut spool = Spool::new(into);
        while let Some(part) = self.next().await {
            match part? {
                Part::Chunk { number, pairs } => spool.add(number, &pairs)?,
                Part::End(totals) => return spool.finish(totals),
            }
        }
        Err(SpoolError::Cut)
    }
}

// === impl Spool ===

impl Spool {
    pub(crate) fn new(into: Keyspace) -> Self {
        Self { state: into, count: Counter::default() }
    }

    /// Writes a chunk down. Blocks for as long as RocksDB does.
    pub(crate) fn add(&mut self, number: u64, chunk: &[u8]) -> Result<(), SpoolError> {
        let expected = self.count.chunks;
        if number != expected {
            return Err(SpoolError::Order { expected, got: number });
        }
        let db: &Db = self.state.db();
        let mut batch = WriteBatch::default();
        let mut rest = chunk;
        let mut pairs = 0;
        while !rest.is_empty() {
            let (key, value, after) = take_pair(rest).ok_or(SpoolError::Torn(number))?;
            batch.put_cf(db.family(Family::Data), self.state.full_key(key), value);
            pairs += 1;
            rest = after;
        }
        db.write(batch)?;
        self.count.add(chunk, pairs);
        Ok(())
    }

    /// All chunks have arrived: the state is whole if the sender counted the same.
    pub(crate) fn finish(self, sent: Totals) -> Result<Keyspace, SpoolError> {
        let received = self.count.totals();
        if received != sent {
            return Err(SpoolError::Totals { sent, received });
        }
        Ok(self.state)
    }
}

// === impl Counter ===

impl Counter {
    /// Counts a chunk in, and returns its number.
    fn add(&mut self, chunk: &[u8], pairs: u64) -> u64 {
        let number = self.chunks;
        self.chunks += 1;
        self.pairs += pairs;
        self.hasher.update(chunk);
        number
    }

    fn totals(&self) -> Totals {
        Totals { chunks: self.chunks, pairs: self.pairs, checksum: self.hasher.digest() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openraft::EntryPayload;
    use openraft::storage::RaftStateMachine;

    use super::*;
    use crate::keyspace::delete_other_epochs;
    use crate::raft_types::{Command, Entry, Snapshot};
    use crate::state_machine::StateMachine;
    use crate::testing::{Recorder, contents, replica, store};
    use crate::types::{GroupId, LogPosition};

    const GROUP: GroupId = GroupId(1);

    async fn write(state_machine: &mut StateMachine, index: u64, command: String) {
        let entry = Entry {
            log_id: log_id(LogPosition { term: 1, index }),
            payload: EntryPayload::Normal(Command(command.into_bytes())),
        };
        state_machine.apply(futures::stream::iter([Ok((entry, None))])).await.expect("apply");
    }

    async fn take(state_machine: &mut StateMachine) -> Snapshot {
        state_machine.get_current_snapshot().await.expect("read").expect("something was applied")
    }

    async fn parts(snapshot: Snapshot) -> Vec<Part> {
        let SnapshotData::Outgoing(mut outgoing) = snapshot.snapshot else { panic!("not to be sent") };
        let mut parts = Vec::new();
        while let Some(part) = outgoing.next().await {
            parts.push(part.expect("read"));
        }
        parts
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_snapshot_shows_the_state_at_its_position_whatever_is_applied_later() {
        let folder = tempfile::tempdir().expect("folder");
        let other_folder = tempfile::tempdir().expect("folder");
        let (store, other_store) = (store(&folder), store(&other_folder));
        let machine = Arc::new(Recorder::default());
        let other_machine = Arc::new(Recorder::default());
        let (_, _, mut from) = replica(&store, 1, machine.clone());
        let (other, _, mut to) = replica(&other_store, 1, other_machine.clone());
        for index in 0..40 {
            write(&mut from, index, format!("{index}={}", "v".repeat(50_000))).await;
        }
        write(&mut to, 0, "gone=1".to_owned()).await;
        let reader = other.state();
        let before = contents(&machine.seen.lock().state.clone().expect("loaded"));
        let snapshot = take(&mut from).await;
        write(&mut from, 40, "late=1".to_owned()).await;
        assert_eq!(snapshot.meta.last_log_id.map(|at| at.index), Some(39));

        to.install_snapshot(&snapshot.meta.clone(), snapshot.snapshot).await.expect("install");
        let seen = other_machine.seen.lock();
        assert_eq!(seen.loads, 2);
        assert_eq!(seen.applied.map(|at| at.index), Some(39));
        assert_eq!(contents(seen.state.as_ref().expect("loaded")), before);
        assert_eq!(contents(&reader).len(), 1, "who read before goes on reading the old state");
        drop(reader);
        assert_eq!(delete_other_epochs(other_store.db(), GROUP, other.state().epoch()).expect("scan"), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_installed_snapshot_survives_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        {
            let store = store(&folder);
            let (_, _, mut from) = replica(&store, 1, Arc::new(Recorder::default()));
            write(&mut from, 5, "a=1".to_owned()).await;
            let snapshot = take(&mut from).await;
            let (_, _, mut to) = replica(&store, 2, Arc::new(Recorder::default()));
            to.install_snapshot(&snapshot.meta.clone(), snapshot.snapshot).await.expect("install");
        }
        let machine = Arc::new(Recorder::default());
        let (replica, _, mut state_machine) = replica(&store(&folder), 2, machine.clone());
        assert_eq!(contents(&replica.state()).len(), 1);
        assert_eq!(replica.tail.read().last, Some(LogPosition { term: 1, index: 5 }));
        let applied = state_machine.applied_state().await.expect("state").0;
        assert_eq!(applied, Some(log_id(LogPosition { term: 1, index: 5 })));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_transfer_with_anything_wrong_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let (replica, _, mut state_machine) = replica(&store, 1, Arc::new(Recorder::default()));
        for index in 0..3 {
            write(&mut state_machine, index, format!("{index}={}", "v".repeat(CHUNK_BYTES_SOFT))).await;
        }
        let parts = parts(take(&mut state_machine).await).await;
        let [Part::Chunk { pairs: first, .. }, Part::Chunk { pairs: second, .. }, .., Part::End(totals)] = &parts[..]
        else {
            panic!("the test needs several chunks")
        };
        let spool = || Spool::new(store.epochs().begin(GROUP));
        assert!(matches!(spool().add(1, second), Err(SpoolError::Order { expected: 0, got: 1 })));
        assert!(matches!(spool().add(0, &first[..first.len() - 1]), Err(SpoolError::Torn(0))));
        let mut short = spool();
        short.add(0, first).expect("add");
        assert!(matches!(short.finish(*totals), Err(SpoolError::Totals { .. })));
        let mut flipped = spool();
        for part in &parts {
            if let Part::Chunk { number, pairs } = part {
                let mut pairs = pairs.clone();
                *pairs.last_mut().expect("a byte") ^= u8::from(*number == 1);
                flipped.add(*number, &pairs).expect("add");
            }
        }
        assert!(matches!(flipped.finish(*totals), Err(SpoolError::Totals { .. })));
        assert_eq!(delete_other_epochs(store.db(), GROUP, replica.state().epoch()).expect("scan"), 0);
        assert_eq!(contents(&replica.state()).len(), 3);
    }
}
