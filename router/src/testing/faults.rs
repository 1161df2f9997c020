//! What fails on demand.

use std::collections::VecDeque;

use dnc_core::catalog::Change;
use dnc_core::command::ShardCommand;
use dnc_core::ids::ShardId;

use super::Fake;
use crate::route::WriteError;

/// How writes are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// As a shard does.
    #[default]
    Well,
    /// Not at all: the outcome is unknown.
    Fail,
    /// As a shard does, but nothing is staged.
    NoStaging,
}

/// How a proposal whose answer is lost goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was not made.
    Before,
    /// It was made.
    After,
}

/// A proposal like the first is overtaken by the second.
type Before = (fn(&Change) -> bool, Change);

/// All that fails; nothing, to begin with.
#[derive(Default)]
pub struct Faults {
    /// Checks get no judgements.
    pub no_judgements: bool,
    /// Barriers do not reach all shards.
    pub no_barriers: bool,
    /// Replicas do not become ready.
    pub not_ready: bool,
    /// Shards do not answer questions.
    no_queries: bool,
    /// Questions after so many are not answered.
    lost_queries: Option<usize>,
    writes: Written,
    /// So many writes are carried out, and their answers lost.
    lost_writes: usize,
    /// How the next proposals are lost.
    lost: VecDeque<Lost>,
    /// Which other proposals are lost, and how.
    lose: Option<fn(&Change) -> Option<Lost>>,
    before: Option<Before>,
}

// === impl Faults ===

impl Faults {
    /// Whether a write is not carried out.
    pub fn before_write(&self, shard: ShardId, command: &ShardCommand) -> Result<(), WriteError> {
        match self.writes {
            Written::Fail => Err(WriteError::Unknown(shard)),
            Written::NoStaging if matches!(command, ShardCommand::Stage { .. }) => Err(WriteError::NoLeader(shard)),
            Written::NoStaging | Written::Well => Ok(()),
        }
    }

    /// Whether the answer to a write that was carried out is lost.
    pub fn after_write(&mut self, shard: ShardId) -> Result<(), WriteError> {
        if self.lost_writes > 0 {
            self.lost_writes -= 1;
            return Err(WriteError::Unknown(shard));
        }
        Ok(())
    }

    /// Whether the question of this number, counted from 1, is not answered.
    pub fn no_query(&self, count: usize) -> bool {
        self.no_queries || self.lost_queries.is_some_and(|from| count > from)
    }

    /// Whether this proposal is lost, and what overtakes it.
    pub fn of_proposal(&mut self, change: &Change) -> (Option<Lost>, Option<Change>) {
        let next = self.lost.pop_front();
        let lost = next.or_else(|| self.lose.and_then(|lose| lose(change)));
        let overtaken = self.before.take_if(|(which, _)| which(change));
        (lost, overtaken.map(|(_, other)| other))
    }
}

// === impl Fake ===

impl Fake {
    /// Gives no judgements any more.
    pub fn lose_judgements(&self) {
        self.state.lock().faults.no_judgements = true;
    }

    /// Answers writes like this from now on.
    pub fn answer_writes(&self, how: Written) {
        self.state.lock().faults.writes = how;
    }

    /// Does the next writes and loses their answers.
    pub fn lose_writes(&self, count: usize) {
        self.state.lock().faults.lost_writes = count;
    }

    /// Answers this many more questions, and none after them.
    pub fn lose_queries_after(&self, count: usize) {
        let mut state = self.state.lock();
        state.faults.lost_queries = Some(state.seen.queries + count);
    }

    /// No shard answers questions from now on.
    pub fn lose_queries(&self) {
        self.state.lock().faults.no_queries = true;
    }

    /// Loses the next proposals before they are made.
    pub fn lose_meta(&self, count: usize) {
        self.state.lock().faults.lost.extend(vec![Lost::Before; count]);
    }

    /// Loses the next proposal like this.
    pub fn lose_next(&self, how: Lost) {
        self.state.lock().faults.lost.push_back(how);
    }

    /// Loses those proposals that `which` says.
    pub fn lose_proposals(&self, which: fn(&Change) -> Option<Lost>) {
        self.state.lock().faults.lose = Some(which);
    }

    /// Another change is made just before the next one like this.
    pub fn change_before(&self, which: fn(&Change) -> bool, other: Change) {
        self.state.lock().faults.before = Some((which, other));
    }

    /// No barrier reaches all shards from now on.
    pub fn lose_barriers(&self) {
        self.state.lock().faults.no_barriers = true;
    }

    /// Barriers reach all shards again.
    pub fn find_barriers(&self) {
        self.state.lock().faults.no_barriers = false;
    }

    /// No replica becomes ready from now on.
    pub fn never_ready(&self) {
        self.state.lock().faults.not_ready = true;
    }
}
