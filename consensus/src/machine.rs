//! What a replicated state machine is to this crate, and how it writes.

use rocksdb::WriteBatch;

use crate::config::PAIR_BYTES_MAX;
use crate::db::Family;
use crate::error::{MachineError, StoreError};
use crate::keyspace::Keyspace;
use crate::types::{GroupId, LogPosition};

/// A deterministic state machine: the same commands in the same order make the same state on every
/// replica. It may look at nothing but the commands and the state.
///
/// The state lives in the [`Keyspace`]; what the machine keeps in memory is rebuilt from it by
/// [`Self::load`]. Readers on other threads that want an answer as new as the log (an *overlay* of
/// what is in the log and not applied yet) must read [`Group::tail`] first, then the overlay, then
/// the state: in any other order an entry can pass between two looks.
///
/// `load`, `apply` and `applied` are called one after another, never at once; so are `appended` and
/// `truncated`. The two rows run on different tasks, but an entry is appended before it is applied.
/// None of them may block on this replica's own [`Group`].
///
/// An error stops the replica: going on would make it differ from the others.
///
/// [`Group`]: crate::Group
/// [`Group::tail`]: crate::Group::tail
pub trait Machine: Send + Sync + 'static {
    /// Rebuilds everything in memory from the state: before the group starts, and after a snapshot
    /// was installed. `state` replaces the keyspace of any earlier call. Publish both together:
    /// readers of an earlier keyspace go on reading the earlier state until they let it go.
    ///
    /// Overlays are not touched by this: `appended`, `truncated` and `applied` keep them right.
    fn load(&self, state: &Keyspace) -> Result<(), MachineError>;

    /// Applies one committed command, and answers whoever wrote it. Typically: read `tx.state()`,
    /// compute, `tx.put(..)`, `tx.commit()?`, then publish in memory. What is collected and not
    /// committed is committed on return.
    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError>;

    /// The log grew by this command, which may never be committed. Called before the entry can be
    /// acknowledged to anyone or be named by the tail; and when the group starts, for each entry
    /// above the applied one, before the group serves.
    fn appended(&self, at: LogPosition, command: &[u8]);

    /// All entries above this index left the log: they contradicted the leader's. (A log that loses
    /// even its entry 0 says 0 too: that entry is the first membership, never a command.)
    fn truncated(&self, after_index: u64);

    /// Everything up to `at` is applied and visible, so overlays may drop it. Called after every
    /// entry, blank ones and memberships included, and after every `load`.
    fn applied(&self, at: LogPosition);
}

/// One committed command on its way into the state. Writes are collected, and become one with the
/// applied position when they are committed: after a crash either both are there or neither.
pub struct Transition<'a> {
    group: GroupId,
    at: LogPosition,
    state: &'a Keyspace,
    batch: WriteBatch,
    /// The record that names `at` as applied: key and value.
    applied: ([u8; 9], Vec<u8>),
    committed: bool,
    refused: Option<String>,
}

// === impl Transition ===

impl<'a> Transition<'a> {
    pub(crate) fn new(group: GroupId, at: LogPosition, state: &'a Keyspace, applied: ([u8; 9], Vec<u8>)) -> Self {
        Self { group, at, state, batch: WriteBatch::default(), applied, committed: false, refused: None }
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Where the command is in the log.
    pub fn at(&self) -> LogPosition {
        self.at
    }

    /// The state before this command, and after it once it is committed.
    pub fn state(&self) -> &Keyspace {
        self.state
    }

    /// Sets a key. Key and value together may have [`PAIR_BYTES_MAX`] bytes.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        if self.admits() && key.len() + value.len() > PAIR_BYTES_MAX {
            let bytes = key.len() + value.len();
            self.refused = Some(format!("a pair of {bytes} bytes is over the limit of {PAIR_BYTES_MAX}"));
        }
        self.batch.put_cf(self.state.db().family(Family::Data), self.state.full_key(key), value);
    }

    /// Deletes a key, if it is there.
    pub fn delete(&mut self, key: &[u8]) {
        self.admits();
        self.batch.delete_cf(self.state.db().family(Family::Data), self.state.full_key(key));
    }

    /// Deletes the keys from `from` up to and without `to`.
    pub fn delete_range(&mut self, from: &[u8], to: &[u8]) {
        self.admits();
        if from < to {
            let family = self.state.db().family(Family::Data);
            self.batch.delete_range_cf(family, self.state.full_key(from), self.state.full_key(to));
        }
    }

    /// Makes the collected writes and the applied position visible, as one. Once is enough: there
    /// can be no writes after it.
    pub fn commit(&mut self) -> Result<(), MachineError> {
        if let Some(reason) = &self.refused {
            return Err(MachineError::new(reason.clone()));
        }
        if self.committed {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        let (key, value) = &self.applied;
        batch.put_cf(self.state.db().family(Family::State), key, value);
        self.state.db().write(batch)?;
        self.committed = true;
        Ok(())
    }

    /// Adds the record of a membership to what is committed.
    pub(crate) fn put_membership(&mut self, key: [u8; 9], value: &[u8]) {
        self.batch.put_cf(self.state.db().family(Family::State), key, value);
    }

    /// Writes after the commit could be lost alone in a crash, so they are an error.
    fn admits(&mut self) -> bool {
        if self.committed && self.refused.is_none() {
            self.refused = Some("the machine wrote after it had committed".to_owned());
        }
        self.refused.is_none()
    }
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::StoreOptions;
    use crate::db::{Db, Record};
    use crate::keyspace::Epochs;

    fn open() -> (tempfile::TempDir, Arc<Db>, Keyspace) {
        let folder = tempfile::tempdir().expect("folder");
        let db = Arc::new(Db::open(folder.path(), &StoreOptions::default()).expect("open"));
        let state = Epochs::new(db.clone()).open(GroupId(1), 0).expect("open the epoch");
        (folder, db, state)
    }

    fn transition(state: &Keyspace) -> Transition<'_> {
        let record = (Record::Applied.key(GroupId(1)), b"record".to_vec());
        Transition::new(GroupId(1), LogPosition { term: 1, index: 4 }, state, record)
    }

    fn record(db: &Db) -> Option<Vec<u8>> {
        db.get(Family::State, &Record::Applied.key(GroupId(1))).expect("get")
    }

    #[test]
    fn writes_and_position_become_visible_together() {
        let (_folder, db, state) = open();
        let mut tx = transition(&state);
        tx.put(b"a", b"1");
        tx.put(b"b", b"1");
        tx.put(b"c", b"1");
        tx.delete(b"c");
        tx.delete_range(b"b", b"c");
        tx.delete_range(b"c", b"a");
        assert_eq!(state.get(b"a").expect("get"), None);
        assert_eq!(record(&db), None);
        tx.commit().expect("commit");
        tx.commit().expect("a second commit does nothing");
        assert_eq!(state.get(b"a").expect("get").as_deref(), Some(b"1".as_slice()));
        assert_eq!(state.get(b"b").expect("get"), None);
        assert_eq!(state.get(b"c").expect("get"), None);
        assert_eq!(record(&db).as_deref(), Some(b"record".as_slice()));
    }

    #[test]
    fn a_write_after_the_commit_is_an_error() {
        let (_folder, _db, state) = open();
        let mut tx = transition(&state);
        tx.commit().expect("commit");
        tx.put(b"a", b"1");
        assert!(tx.commit().is_err());
        assert_eq!(state.get(b"a").expect("get"), None);
    }

    #[test]
    fn a_pair_that_no_snapshot_could_carry_is_an_error() {
        let (_folder, db, state) = open();
        let mut tx = transition(&state);
        tx.put(b"a", &vec![0; PAIR_BYTES_MAX]);
        assert!(tx.commit().is_err());
        assert_eq!(record(&db), None);
    }
}
