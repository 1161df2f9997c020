//! One replica of one group, as the rest of the process sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dnc_planted::Bug;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal, InitializeError, LinearizableReadError, RaftError};
use openraft::{EmptyNode, RaftMetrics, ReadPolicy, ServerState};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::config::COMMAND_BYTES_MAX;
use crate::error::{GroupError, HostError, ReadError, WriteError};
use crate::keyspace::Keyspace;
use crate::lease::{Claim, Lease, Moment};
use crate::raft_types::{Command, Raft, Types, position};
use crate::replica::Replica;
use crate::types::{GroupId, LogPosition, NodeId, Role, Tail};

/// A replica that runs in this process. Cheap to clone; all clones are the same replica.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    raft: Raft,
    replica: Arc<Replica>,
    lease: Arc<Lease>,
    /// Before this moment an earlier life of this replica may owe a leader its lease.
    ready_at: Instant,
    runtime: Handle,
    /// Ends when nothing is applied any more.
    applier: tokio::sync::Mutex<oneshot::Receiver<()>>,
}

/// A look at a replica. What it says may have changed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// What this replica does.
    pub role: Role,
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The newest entry of its log.
    pub last: Option<LogPosition>,
    /// The newest entry that it knows to be committed.
    pub committed: Option<LogPosition>,
    /// The newest entry that is part of its state.
    pub applied: Option<LogPosition>,
    /// The log may be cut up to here.
    pub snapshot: Option<LogPosition>,
    /// The log is cut up to here.
    pub purged: Option<LogPosition>,
    /// Bytes of the state that it has received of what it is being sent; 0 if it is sent nothing.
    pub receiving: u64,
    /// It takes part in elections: what earlier lives of it owe is done.
    pub votes: bool,
    /// On the leader: how far the log of each other replica is known to agree.
    pub matched: BTreeMap<NodeId, Option<LogPosition>>,
    /// Why it stopped, if it did. Only a restart brings it back.
    pub failure: Option<String>,
}

/// What a check needs to know of a replica's Raft. What it says may have changed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The newest entry that is part of its state.
    pub applied: Option<LogPosition>,
    /// It leads and nobody else can: what it knows, read from now on, is all that was acknowledged before.
    pub leased: bool,
    /// Counts the recoveries of the group that it belongs to.
    pub generation: u64,
}

/// The groups of a process.
#[derive(Default)]
pub(crate) struct Groups {
    slots: Mutex<BTreeMap<GroupId, Slot>>,
}

enum Slot {
    /// Starting, stopping, or being discarded.
    Busy,
    Running(Group),
}

// === impl Group ===

impl Group {
    pub(crate) fn new(
        raft: Raft,
        replica: Arc<Replica>,
        lease: Arc<Lease>,
        ready_at: Instant,
        runtime: Handle,
        applier: oneshot::Receiver<()>,
    ) -> Self {
        let applier = tokio::sync::Mutex::new(applier);
        Self { inner: Arc::new(Inner { raft, replica, lease, ready_at, runtime, applier }) }
    }

    pub(crate) fn raft(&self) -> &Raft {
        &self.inner.raft
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.inner.replica
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.inner.lease
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }

    /// No lease of an earlier life is owed any more.
    fn is_ready(&self) -> bool {
        Instant::now() >= self.inner.ready_at || dnc_planted::is(Bug::VotesTooSoon)
    }

    /// It may vote: no lease of an earlier life is owed any more, its log has what that life's had, and what it reads of
    /// its own promises is on disk.
    pub(crate) fn may_vote(&self) -> bool {
        let replica = &self.inner.replica;
        self.is_ready() && replica.reaches_floor() && replica.store.wal().check().is_ok()
    }

    /// Lets the replica campaign, unless nothing new is to be written here, or an earlier life of it may owe a lease yet.
    pub(crate) fn set_campaigning(&self) {
        let campaigns = self.is_ready() && self.inner.replica.store.hold().is_none();
        self.inner.raft.runtime_config().elect(campaigns);
    }

    pub(crate) fn has_applied(&self, at: Option<LogPosition>) -> bool {
        let metrics = self.inner.raft.metrics();
        let applied = metrics.borrow_watched().last_applied.as_ref().map(position);
        at <= applied
    }

    /// The group.
    pub fn id(&self) -> GroupId {
        self.inner.replica.group
    }

    /// Counts the recoveries of the group that this replica belongs to.
    pub fn generation(&self) -> u64 {
        self.inner.replica.generation
    }

    /// The state as it is now. It does not follow the group through a snapshot: ask again for each
    /// use, or take what [`Machine::load`](crate::Machine::load) brings.
    pub fn keyspace(&self) -> Keyspace {
        self.inner.replica.state()
    }

    /// The end of the log, applied or not.
    pub fn tail(&self) -> Tail {
        self.inner.replica.tail.read()
    }

    /// Who leads, as far as this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.inner.raft.metrics().borrow_watched().current_leader
    }

    /// This replica leads, as far as it knows: another may have been elected since. A read that
    /// must be right asks [`Self::linearize`].
    pub fn is_leader(&self) -> bool {
        self.inner.raft.metrics().borrow_watched().state == ServerState::Leader
    }

    /// Who leads, how far this replica is, and whether it leads alone at this moment.
    pub fn brief(&self, now: Moment) -> Brief {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let applied = metrics.last_applied.as_ref().map(position);
        let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
        let claim = Claim {
            node: metrics.id,
            leads_in: leads.then_some(metrics.current_term),
            applied_term: applied.map(|at| at.term),
            voters: metrics.membership_config.get_joint_config(),
        };
        let leased = self.inner.lease.holds(&claim, now);
        Brief { leader: metrics.current_leader, applied, leased, generation: self.generation() }
    }

    /// How the replica is.
    pub fn status(&self) -> GroupStatus {
        let votes = self.may_vote();
        let tail = self.tail();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let failure = metrics.running_state.as_ref().err().map(ToString::to_string);
        let role = match metrics.state {
            _ if failure.is_some() => Role::Stopped,
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Stopped,
        };
        let matched = metrics.replication.iter().flatten();
        GroupStatus {
            role,
            term: metrics.current_term,
            leader: metrics.current_leader,
            last: tail.last,
            committed: metrics.local_committed.as_ref().map(position),
            applied: metrics.last_applied.as_ref().map(position),
            snapshot: metrics.snapshot.as_ref().map(position),
            purged: metrics.purged.as_ref().map(position),
            receiving: self.inner.replica.receiving.load(Ordering::Relaxed),
            votes,
            matched: matched.map(|(node, at)| (*node, at.as_ref().map(position))).collect(),
            failure,
        }
    }

    /// Makes the first membership of a new group. Every founding member may call it, with the same
    /// voters, any number of times: a member that knows of the group already does nothing.
    ///
    /// Waits for the time in which a replica that has just started may not campaign.
    pub async fn initialize(&self, voters: BTreeSet<NodeId>) -> Result<(), GroupError> {
        let (raft, ready_at) = (self.inner.raft.clone(), self.inner.ready_at);
        let members: BTreeMap<NodeId, EmptyNode> = voters.into_iter().map(|node| (node, EmptyNode {})).collect();
        // On the runtime of the groups, so that it happens even if the caller goes away.
        let done = self.inner.runtime.spawn(async move {
            tokio::time::sleep_until(ready_at).await;
            raft.initialize(members).await
        });
        match done.await {
            Ok(Ok(())) => Ok(()),
            // There is a log or a vote: this member was initialized, or another one has asked it
            // for its vote and will send it the membership.
            Ok(Err(RaftError::APIError(InitializeError::NotAllowed(_)))) => Ok(()),
            Ok(Err(RaftError::APIError(error))) => Err(GroupError::Refused(error.to_string())),
            Ok(Err(RaftError::Fatal(_))) | Err(_) => Err(GroupError::Stopped),
        }
    }

    /// Writes a command to the log, and returns where, and what the machine answered, once it is on
    /// the disks of a majority and applied here. Only the leader can.
    ///
    /// After `limit` the outcome is unknown; a caller that repeats the command must be able to tell
    /// that it is the same.
    pub async fn write(&self, command: Vec<u8>, limit: Duration) -> Result<(LogPosition, Vec<u8>), WriteError> {
        if command.len() > COMMAND_BYTES_MAX {
            return Err(WriteError::TooLarge { size: command.len(), limit: COMMAND_BYTES_MAX });
        }
        if self.inner.raft.metrics().borrow_watched().running_state.is_err() {
            return Err(WriteError::Stopped);
        }
        if let Some(hold) = self.inner.replica.store.hold() {
            return Err(WriteError::Held(hold.why.clone()));
        }
        let written = self.inner.raft.client_write(Command(command));
        match timeout_at(Instant::now() + limit, written).await {
            Ok(Ok(response)) => Ok((position(&response.log_id), response.data.0)),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
                Err(WriteError::NotLeader { leader: to.leader_id })
            }
            Ok(Err(error)) => Err(WriteError::Unknown(error.to_string())),
            Err(_) => Err(WriteError::Unknown(format!("no majority within {limit:?}"))),
        }
    }

    /// Returns once the state includes everything that was acknowledged, by any replica, before the
    /// call: a majority has confirmed that this replica still leads, and it has caught up. (Raft's
    /// ReadIndex; no clock is trusted.)
    pub async fn linearize(&self, limit: Duration) -> Result<(), ReadError> {
        let raft = &self.inner.raft;
        let ready = async {
            let linearizer = raft.get_read_linearizer(ReadPolicy::ReadIndex).await.map_err(|error| match error {
                RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => {
                    ReadError::NotLeader { leader: to.leader_id }
                }
                RaftError::APIError(LinearizableReadError::QuorumNotEnough(error)) => {
                    ReadError::NoMajority(error.to_string())
                }
                RaftError::Fatal(_) => ReadError::Stopped,
            })?;
            linearizer.await_ready(raft).await.map_err(|_| ReadError::Stopped)?;
            Ok(())
        };
        tokio::time::timeout(limit, ready).await.unwrap_or(Err(ReadError::TimedOut))
    }

    /// Hands the leadership to another voter, and returns when this replica has seen it lead. The
    /// others vote for it at once, so a dead one costs an election.
    pub async fn transfer_leader(&self, to: NodeId, limit: Duration) -> Result<(), GroupError> {
        if !self.is_leader() {
            return Err(GroupError::NotLeader { leader: self.leader() });
        }
        let inner = self.inner.clone();
        // To its end, even if the caller goes away: without it the lease would stay barred.
        let ordered = self.inner.runtime.spawn(async move {
            inner.lease.hand_over();
            inner.raft.trigger().transfer_leader(to).await?;
            // Orders are carried out one after the other: by now that one was, in this term or before.
            let term = inner.raft.with_raft_state(|state| state.vote_ref().leader_id.term).await?;
            inner.lease.handed_over(term);
            Ok(())
        });
        ordered.await.map_err(|_| GroupError::Stopped)?.map_err(stopped)?;
        self.wait(limit, |metrics| metrics.current_leader == Some(to)).await
    }

    /// Cuts the log up to what is applied now. Replicas that are further behind will be sent the
    /// state instead.
    pub async fn compact(&self, limit: Duration) -> Result<(), GroupError> {
        self.cut_log(0, limit).await
    }

    /// The same, but for the newest applied entries.
    pub(crate) async fn cut_log(&self, keep: u64, limit: Duration) -> Result<(), GroupError> {
        let deadline = Instant::now() + limit;
        let left = || deadline.saturating_duration_since(Instant::now());
        let applied = self.inner.raft.metrics().borrow_watched().last_applied;
        let Some(applied) = applied else { return Ok(()) };
        let trigger = self.inner.raft.trigger();
        trigger.snapshot().await.map_err(stopped)?;
        self.wait(left(), |metrics| metrics.snapshot >= Some(applied)).await?;
        let Some(upto) = applied.index.checked_sub(keep) else { return Ok(()) };
        trigger.purge_log(upto).await.map_err(stopped)?;
        self.wait(left(), |metrics| metrics.purged.is_some_and(|purged| purged.index >= upto)).await
    }

    /// Cuts the log up to where every voter has it, if this replica leads: whoever joins is sent the state then, and not
    /// the whole log that made it, which may be many times as long.
    pub(crate) async fn shed_log(&self, limit: Duration) -> Result<(), GroupError> {
        let (status, voters) = (self.status(), self.tail().membership.map(|membership| membership.voters()));
        let Some(applied) = status.applied else { return Ok(()) };
        // A voter that nobody has heard of may need all of it.
        let has = |node: NodeId| match status.leader {
            Some(leader) if leader == node => applied.index,
            _ => status.matched.get(&node).copied().flatten().map_or(0, |at| at.index),
        };
        match voters.into_iter().flatten().map(has).min().unwrap_or(0).min(applied.index) {
            0 => Ok(()),
            least => self.cut_log(applied.index - least, limit).await,
        }
    }

    /// Waits until what Raft reports fits.
    pub(crate) async fn wait(
        &self,
        limit: Duration,
        fits: impl Fn(&RaftMetrics<Types>) -> bool,
    ) -> Result<(), GroupError> {
        let mut metrics = self.inner.raft.metrics();
        let seen = async {
            loop {
                {
                    let now = metrics.borrow_watched();
                    if fits(&now) {
                        return Ok(());
                    }
                    if now.running_state.is_err() {
                        return Err(GroupError::Stopped);
                    }
                }
                metrics.changed().await.map_err(|_| GroupError::Stopped)?;
            }
        };
        tokio::time::timeout(limit, seen).await.unwrap_or(Err(GroupError::TimedOut))
    }

    /// Stops the replica: when this returns, nothing is written or applied any more. Its data stays.
    pub(crate) async fn stop(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::error!(group = %self.id(), %error, "the replica did not stop in order");
        }
        // Raft does not wait for its applying task, which may have commands before it yet.
        let mut applier = self.inner.applier.lock().await;
        if !applier.is_terminated() {
            (&mut *applier).await.ok();
        }
    }
}

fn stopped(_: Fatal<Types>) -> GroupError {
    GroupError::Stopped
}

/// A group's place while it starts or is worked on; free again when that has ended without a group, failed, panicked or was given up.
struct Reserved<'a> {
    groups: &'a Groups,
    id: GroupId,
    kept: bool,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.groups.slots.lock().remove(&self.id);
        }
    }
}

// === impl Groups ===

impl Groups {
    pub(crate) fn get(&self, id: GroupId) -> Option<Group> {
        match self.slots.lock().get(&id) {
            Some(Slot::Running(group)) => Some(group.clone()),
            Some(Slot::Busy) | None => None,
        }
    }

    pub(crate) fn all(&self) -> Vec<Group> {
        let slots = self.slots.lock();
        let running = slots.values().filter_map(|slot| match slot {
            Slot::Running(group) => Some(group.clone()),
            Slot::Busy => None,
        });
        running.collect()
    }

    /// Starts a group once, whoever else tries at the same time.
    pub(crate) async fn start(
        &self,
        id: GroupId,
        start: impl Future<Output = Result<Group, HostError>>,
    ) -> Result<Group, HostError> {
        let mut reserved = self.reserve(id)?;
        let group = start.await?;
        self.slots.lock().insert(id, Slot::Running(group.clone()));
        reserved.kept = true;
        Ok(group)
    }

    /// Does something with what a group has left behind: nobody starts it meanwhile, and nothing of it runs.
    pub(crate) async fn while_away<T>(
        &self,
        id: GroupId,
        work: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let _reserved = self.reserve(id)?;
        work.await
    }

    fn reserve(&self, id: GroupId) -> Result<Reserved<'_>, HostError> {
        let mut slots = self.slots.lock();
        match slots.get(&id) {
            Some(Slot::Running(_)) => return Err(HostError::Running(id)),
            Some(Slot::Busy) => return Err(HostError::Busy(id)),
            None => slots.insert(id, Slot::Busy),
        };
        Ok(Reserved { groups: self, id, kept: false })
    }

    /// Stops a group. Until it has stopped, it cannot be started again.
    pub(crate) async fn stop(&self, id: GroupId) -> Result<(), HostError> {
        let group = match self.slots.lock().get_mut(&id) {
            Some(slot @ Slot::Running(_)) => std::mem::replace(slot, Slot::Busy),
            Some(Slot::Busy) => return Err(HostError::Busy(id)),
            None => return Err(HostError::Unknown(id)),
        };
        if let Slot::Running(group) = group {
            group.stop().await;
        }
        self.slots.lock().remove(&id);
        Ok(())
    }

    /// Lets go of all groups, stopped or not: nothing will run them any more.
    pub(crate) fn clear(&self) {
        self.slots.lock().clear();
    }
}
