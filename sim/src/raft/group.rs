//! One replica of one group on a host, and the host's end of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{
    GroupId, Lease, LogPosition, Machine, MachineError, Membership, MembershipChange, NodeId, Tail, Workbench,
};
use dnc_core::codec;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, PreconditionFailed, RaftError};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use openraft::{ChangeMembers, EmptyNode, Precondition, RaftMetrics, ServerState};
use openraft_rt::AsyncRuntime;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::leadership::simulated;
use super::log::LogStore;
use super::machine::StateMachine;
use super::network::Clients;
use super::{Command, Pairs, Raft, Rt, SnapshotMeta, Types, Vote, log_id, position};
use crate::disk::{Disk, Write};
use crate::net::Port;
use crate::plan::Plant;
use crate::world::{Dice, World};

/// What a replica that has just started may owe to the leader of its earlier life; as in the product.
const LEASE: Duration = Duration::from_millis(1_000);

/// Where other members are reached: the host of a node.
pub type Peers = Arc<dyn Fn(NodeId) -> Option<String> + Send + Sync>;

/// One life of a host. Clones are the same.
#[derive(Clone)]
pub struct Host {
    inner: Arc<HostInner>,
}

struct HostInner {
    world: World,
    port: Port,
    disk: Disk,
    flusher: Flusher,
    dice: Dice,
    groups: Mutex<BTreeMap<GroupId, Group>>,
}

/// Syncs for all groups of a host, one after another.
#[derive(Clone)]
pub struct Flusher {
    queue: mpsc::UnboundedSender<(u64, Box<dyn FnOnce() + Send>)>,
}

/// What a replica's log, its state machine and its readers share.
pub struct Parts {
    pub(super) id: GroupId,
    pub(super) workbench_id: GroupId,
    pub(super) machine: Arc<dyn Machine>,
    pub(super) tail: dnc_consensus::TailCell,
    host: Host,
}

/// A replica that runs. Clones are the same replica.
#[derive(Clone)]
pub struct Group {
    pub(super) raft: Raft,
    pub(super) parts: Arc<Parts>,
    /// The product's own.
    pub(super) lease: Arc<Lease>,
    pub(super) ready_at: Instant,
}

/// A write without an answer.
#[derive(Debug)]
pub enum WriteError {
    /// Not done.
    NotLeader(Option<NodeId>),
    /// It may be done.
    Unknown(String),
}

/// A change of a group that was not seen done.
#[derive(Debug)]
pub enum Refused {
    /// Not done.
    NotLeader(Option<NodeId>),
    /// Not done.
    Refused(String),
    /// It may be done.
    Unknown(String),
}

// === impl Host ===

impl Host {
    /// A host that begins a life.
    pub fn new(world: World, port: Port, disk: Disk, dice: Dice) -> Host {
        let flusher = Flusher::start(disk.clone(), dice.clone());
        let groups = Mutex::default();
        Host { inner: Arc::new(HostInner { world, port, disk, flusher, dice, groups }) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.inner.port.name()
    }

    /// The world that it is in.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// Its end of the network.
    pub fn port(&self) -> &Port {
        &self.inner.port
    }

    /// Its disk.
    pub fn disk(&self) -> &Disk {
        &self.inner.disk
    }

    /// Its chance.
    pub fn dice(&self) -> &Dice {
        &self.inner.dice
    }

    /// Returns when all that was written is synced.
    pub async fn flushed(&self) {
        let (tx, rx) = oneshot::channel();
        let written = self.disk().write(Write::Nothing);
        self.inner.flusher.submit(
            written,
            Box::new(move || {
                let _ = tx.send(());
            }),
        );
        let _ = rx.await;
    }

    /// A group that runs here.
    pub fn group(&self, id: GroupId) -> Option<Group> {
        self.inner.groups.lock().get(&id).cloned()
    }

    /// Its life is over: nobody asks its groups any more.
    pub fn forget_groups(&self) {
        let groups = std::mem::take(&mut *self.inner.groups.lock());
        drop(groups);
    }

    /// Brings a replica to life.
    pub async fn start(
        &self,
        id: GroupId,
        me: NodeId,
        machine: Arc<dyn Machine>,
        peers: Peers,
    ) -> Result<Group, MachineError> {
        let ready_at = Instant::now() + LEASE;
        let parts = Arc::new(Parts { id, workbench_id: id, machine, tail: Default::default(), host: self.clone() });
        let state_machine = StateMachine::open(parts.clone())?;
        let log = LogStore { parts: parts.clone() };
        let lease = Arc::new(Lease::new(LEASE, simulated(Instant::now())));
        let clients = Clients { port: self.port().clone(), group: id, peers, lease: lease.clone() };
        let config = Arc::new(config(self.inner.world.plan().snapshot_entries));
        let raft = Raft::new(me, config, clients, log, state_machine).await.map_err(MachineError::new)?;
        let group = Group { raft, parts, lease, ready_at };
        self.inner.groups.lock().insert(id, group.clone());
        drop(Rt::spawn(group.clone().stay_watched()));
        let campaigning = group.clone();
        drop(Rt::spawn(async move {
            if !campaigning.is_ready() {
                tokio::time::sleep_until(ready_at).await;
            }
            campaigning.raft.runtime_config().elect(true);
        }));
        Ok(group)
    }

    /// Stops a replica.
    pub async fn stop(&self, id: GroupId) {
        let group = self.inner.groups.lock().remove(&id);
        if let Some(group) = group {
            let _ = group.raft.shutdown().await;
        }
    }

    /// Answers a call of another member: `raft/group/node/kind`.
    pub async fn answer(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut words = path.split('/').skip(1);
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or("a malformed call");
        let (id, to) = (GroupId(number()?), number()?);
        let kind = words.next().unwrap_or_default();
        let group = self.group(id).filter(|group| group.me() == to).ok_or("there is no such replica here")?;
        if kind != "append" && kind != "snapshot" && !group.may_vote() {
            return Err("this replica takes no part in elections yet".to_owned());
        }
        let raft = &group.raft;
        match kind {
            "append" => said(raft.append_entries(heard::<AppendEntriesRequest<Types>>(&body)?).await),
            "vote" => {
                let request = heard::<VoteRequest<Types>>(&body)?;
                let term = request.vote.leader_id.term;
                let answer = raft.vote(request).await;
                if answer.as_ref().is_ok_and(|answer| answer.vote_granted) {
                    group.lease.voted(term);
                }
                said(answer)
            }
            "prevote" => said(raft.pre_vote(heard::<VoteRequest<Types>>(&body)?).await),
            "transfer" => said(raft.handle_transfer_leader(heard::<TransferLeaderRequest<Types>>(&body)?).await),
            "snapshot" => {
                let (vote, meta, pairs) = heard::<(Vote, SnapshotMeta, Vec<(Vec<u8>, Vec<u8>)>)>(&body)?;
                let snapshot = super::Snapshot { meta, snapshot: Pairs::new(pairs) };
                said(raft.install_full_snapshot(vote, snapshot).await)
            }
            _ => Err("a malformed call".to_owned()),
        }
    }
}

fn heard<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    codec::decode(body).map_err(|error| error.to_string())
}

fn said<T: Serialize, E: std::fmt::Display>(answer: Result<T, E>) -> Result<Vec<u8>, String> {
    answer.map(|answer| codec::encode(&answer)).map_err(|error| error.to_string())
}

fn config(snapshot_entries: u64) -> openraft::Config {
    // The product's settings, but for snapshots, which come far more often.
    openraft::Config {
        cluster_name: "simulated".to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 500,
        election_timeout_max: 1_000,
        install_snapshot_timeout: 3_000,
        max_payload_entries: 64,
        max_append_entries: Some(1_024),
        replication_lag_threshold: snapshot_entries * 2,
        snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(snapshot_entries),
        max_in_snapshot_log_to_keep: snapshot_entries / 2,
        purge_batch_size: (snapshot_entries / 4).max(1),
        backoff: "50ms 100ms 200ms ..500ms".to_owned(),
        enable_elect: false,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        removed_leader_step_down: openraft::StepDownPolicy::Never,
        ..openraft::Config::default()
    }
    .validate()
    .expect("the settings are valid")
}

// === impl Flusher ===

impl Flusher {
    // Raft bounds what it has under way, and each entry waits for one sync.
    #[allow(clippy::disallowed_methods, reason = "what is sent is bounded by what Raft has under way")]
    fn start(disk: Disk, dice: Dice) -> Flusher {
        let (queue, mut waiting) = mpsc::unbounded_channel::<(u64, Box<dyn FnOnce() + Send>)>();
        drop(Rt::spawn(async move {
            while let Some(first) = waiting.recv().await {
                let mut batch = vec![first];
                while let Ok(next) = waiting.try_recv() {
                    batch.push(next);
                }
                sleep(dice.sync_time()).await;
                let upto = batch.iter().map(|(written, _)| *written).max().unwrap_or(0);
                disk.sync(upto);
                for (_, done) in batch {
                    done();
                }
            }
        }));
        Flusher { queue }
    }

    /// Calls back when this write is synced.
    pub fn submit(&self, written: u64, done: Box<dyn FnOnce() + Send>) {
        // Only when the host's life ends there is nobody to take it.
        let _ = self.queue.send((written, done));
    }
}

// === impl Parts ===

impl Parts {
    pub(super) fn disk(&self) -> &Disk {
        self.host.disk()
    }

    pub(super) fn flusher(&self) -> &Flusher {
        &self.host.inner.flusher
    }

    pub(super) fn workbench(&self) -> &Workbench {
        self.host.world().workbench()
    }

    pub(super) async fn flushed(&self) {
        self.host.flushed().await;
    }

    /// Time passes, now and then.
    pub(super) async fn dawdle(&self) {
        if let Some(pause) = self.host.dice().apply_pause() {
            sleep(pause).await;
        }
    }

    pub(super) fn plants(&self, plant: Plant) -> bool {
        self.host.world().plants(plant)
    }

    pub(super) fn watch_committed(&self, term: u64) {
        self.host.world().watch().committed(self.id, term);
    }

    pub(super) fn watch_lease(&self, node: NodeId, term: u64) {
        self.host.world().watch().leased(self.id, node, term);
    }

    pub(super) fn watch_membership(&self, at: LogPosition, membership: &Membership) {
        self.host.world().watch().membership(self.id, at, membership);
    }
}

// === impl Group ===

impl Group {
    /// The group.
    pub fn id(&self) -> GroupId {
        self.parts.id
    }

    fn me(&self) -> NodeId {
        self.seen(|metrics| metrics.id)
    }

    fn is_ready(&self) -> bool {
        Instant::now() >= self.ready_at || self.parts.plants(Plant::VotesTooSoon)
    }

    /// No lease of an earlier life is owed any more, and its log has what that life's had.
    fn may_vote(&self) -> bool {
        let floor = self.parts.disk().group(self.parts.id, |content| content.floor);
        self.is_ready() && self.tail().last >= floor
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&RaftMetrics<Types>) -> T) -> T {
        look(&self.raft.metrics().borrow_watched())
    }

    /// The end of the log, applied or not.
    pub fn tail(&self) -> Tail {
        self.parts.tail.read()
    }

    /// Who leads, as far as this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.seen(|metrics| metrics.current_leader)
    }

    /// This replica leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.seen(|metrics| metrics.state == ServerState::Leader)
    }

    /// The newest entry that is part of the state.
    pub fn applied(&self) -> Option<LogPosition> {
        self.seen(|metrics| metrics.last_applied.as_ref().map(position))
    }

    /// The newest entry that is known to be committed.
    pub fn committed(&self) -> Option<LogPosition> {
        self.seen(|metrics| metrics.local_committed.as_ref().map(position))
    }

    /// On the leader: how far the log of each other replica agrees with its own.
    pub fn matched(&self) -> BTreeMap<NodeId, Option<LogPosition>> {
        self.seen(|metrics| {
            let matched = metrics.replication.iter().flatten();
            matched.map(|(node, at)| (*node, at.as_ref().map(position))).collect()
        })
    }

    /// Why it does nothing any more, if so.
    pub fn failure(&self) -> Option<String> {
        self.seen(|metrics| metrics.running_state.as_ref().err().map(ToString::to_string))
    }

    /// Makes the first membership, unless there is one.
    pub async fn initialize(&self, voters: BTreeSet<NodeId>) {
        tokio::time::sleep_until(self.ready_at).await;
        let members: BTreeMap<NodeId, EmptyNode> = voters.into_iter().map(|node| (node, EmptyNode {})).collect();
        let _ = self.raft.initialize(members).await;
    }

    /// Writes a command to the log.
    pub async fn write(&self, command: Vec<u8>, limit: Duration) -> Result<Vec<u8>, WriteError> {
        match timeout(limit, self.raft.client_write(Command(command))).await {
            Ok(Ok(response)) => Ok(response.data.0),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
                Err(WriteError::NotLeader(to.leader_id))
            }
            Ok(Err(error)) => Err(WriteError::Unknown(error.to_string())),
            Err(_) => Err(WriteError::Unknown(format!("no majority within {limit:?}"))),
        }
    }

    /// Changes the membership, if the newest one is still that at `expected`.
    pub async fn change_membership(
        &self,
        change: MembershipChange,
        expected: Option<LogPosition>,
        limit: Duration,
    ) -> Result<(), Refused> {
        let raft = self.raft.clone();
        let precondition = Precondition::LastMembershipLogId { last_membership_log_id: expected.map(log_id) };
        let changed = Rt::spawn(async move { raft.change_membership_if(members(change), false, [precondition]).await });
        match timeout(limit, changed).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(RaftError::APIError(error)))) => Err(match error {
                ClientWriteError::ForwardToLeader(to) => Refused::NotLeader(to.leader_id),
                ClientWriteError::PreconditionFailed(PreconditionFailed::LastMembershipLogIdMismatch { .. }) => {
                    Refused::Refused("the membership is another one".to_owned())
                }
                error => Refused::Refused(error.to_string()),
            }),
            Ok(Ok(Err(error))) => Err(Refused::Unknown(error.to_string())),
            Ok(Err(error)) => Err(Refused::Unknown(error.to_string())),
            Err(_) => Err(Refused::Unknown(format!("no majority within {limit:?}"))),
        }
    }
}

fn members(change: MembershipChange) -> ChangeMembers<NodeId, EmptyNode> {
    match change {
        MembershipChange::AddLearner(node) => ChangeMembers::AddNodes(BTreeMap::from([(node, EmptyNode {})])),
        MembershipChange::RemoveLearner(node) => ChangeMembers::RemoveNodes(BTreeSet::from([node])),
        MembershipChange::SetVoters(voters) => ChangeMembers::ReplaceAllVoters(voters),
        MembershipChange::FinishJoint => ChangeMembers::AddVoterIds(BTreeSet::new()),
    }
}
