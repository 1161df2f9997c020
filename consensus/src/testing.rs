//! A machine for unit tests, and the Raft library's own tests of a store.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use openraft::testing::log::{StoreBuilder, Suite};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::config::StoreOptions;
use crate::error::MachineError;
use crate::keyspace::Keyspace;
use crate::log_store::LogStore;
use crate::machine::{Machine, Transition};
use crate::raft_types::Types;
use crate::replica::Replica;
use crate::state_machine::StateMachine;
use crate::store::Store;
use crate::types::{GroupId, LogPosition};

/// Keeps what it is told. A command `key=value` sets a key, `key` deletes it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) seen: Mutex<Seen>,
}

/// What a [`Recorder`] was told.
#[derive(Default)]
pub(crate) struct Seen {
    /// Commands in the log that are not applied.
    pub(crate) overlay: BTreeMap<u64, Vec<u8>>,
    pub(crate) applied: Option<LogPosition>,
    pub(crate) loads: usize,
    pub(crate) state: Option<Keyspace>,
}

impl Machine for Recorder {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        let mut seen = self.seen.lock();
        seen.loads += 1;
        seen.state = Some(state.clone());
        Ok(())
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        match command.split(|byte| *byte == b'=').collect::<Vec<_>>()[..] {
            [key, value] => tx.put(key, value),
            _ => tx.delete(command),
        }
        tx.commit()?;
        Ok(command.to_vec())
    }

    fn appended(&self, at: LogPosition, command: &[u8]) {
        self.seen.lock().overlay.insert(at.index, command.to_vec());
    }

    fn truncated(&self, after_index: u64) {
        self.seen.lock().overlay.split_off(&(after_index + 1));
    }

    fn applied(&self, at: LogPosition) {
        let mut seen = self.seen.lock();
        seen.overlay = seen.overlay.split_off(&(at.index + 1));
        seen.applied = Some(at);
    }
}

/// One replica without the network.
pub(crate) fn replica(store: &Store, group: u64, machine: Arc<Recorder>) -> (Arc<Replica>, LogStore, StateMachine) {
    let replica = Replica::open(store.clone(), GroupId(group), machine).expect("open the replica");
    let log = LogStore::new(replica.clone());
    let (state_machine, _) = StateMachine::open(replica.clone()).expect("open the state machine");
    (replica, log, state_machine)
}

pub(crate) fn store(folder: &TempDir) -> Store {
    Store::open(folder.path(), StoreOptions::default()).expect("open the store")
}

/// All keys and values of a state.
pub(crate) fn contents(state: &Keyspace) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let collect = |key: &[u8], value: &[u8]| {
        all.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    };
    state.scan(b"", collect).expect("scan");
    all
}

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, (TempDir, Store)> for Builder {
    async fn build(&self) -> Result<((TempDir, Store), LogStore, StateMachine), openraft::StorageError<Types>> {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(&folder);
        let (_, log, state_machine) = replica(&store, 7, Arc::new(Recorder::default()));
        Ok(((folder, store), log, state_machine.with_gaps()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_raft_library_accepts_this_store() {
    Suite::test_all(Builder).await.expect("suite");
}
