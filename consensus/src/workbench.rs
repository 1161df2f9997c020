//! A place where state machines run outside of a replica: for simulations, which bring a log, a network and crashes of
//! their own and want the machine alone.

use std::path::Path;
use std::sync::Arc;

use crate::config::StoreOptions;
use crate::db::{Db, Record};
use crate::error::StoreError;
use crate::keyspace::{Epochs, Keyspace};
use crate::machine::Transition;
use crate::types::{GroupId, LogPosition};

/// Gives out states that belong to no replica.
pub struct Workbench {
    epochs: Epochs,
}

// === impl Workbench ===

impl Workbench {
    /// A workbench whose states lie in this folder, which is empty.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let db = Db::open(folder, &StoreOptions::default())?;
        Ok(Self { epochs: Epochs::new(Arc::new(db)) })
    }

    /// An empty state, deleted when its last reader is gone.
    pub fn state(&self, group: GroupId) -> Keyspace {
        self.epochs.begin(group)
    }
}

impl<'a> Transition<'a> {
    /// One command on its way into a state of a [`Workbench`]. No applied position is kept with it.
    pub fn on_workbench(group: GroupId, at: LogPosition, state: &'a Keyspace) -> Self {
        Transition::new(group, at, state, (Record::Applied.key(group), Vec::new()))
    }
}
