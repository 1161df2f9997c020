//! What outlives the hosts' lives: disks, the trace, the model, and who is who.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dnc_consensus::{GroupId, Workbench};
use dnc_core::catalog::Catalog;
use dnc_core::verdict::Now;
use dnc_meta::Board;
use dnc_node::shard::Shard;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

use crate::disk::Disk;
use crate::model::Model;
use crate::net::Port;
use crate::note;
use crate::plan::{Plan, Plant};
use crate::raft::{Group, Host};
use crate::trace::Trace;
use crate::watch::Watch;

/// When every simulation begins, seconds since 1970: 1 March 2026.
pub const EPOCH_S: u64 = 1_772_323_200;

/// The longest that a sync hangs now and then.
const HANG: Duration = Duration::from_millis(300);

/// All of a run. Clones are the same world.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    plan: Plan,
    plant: Option<Plant>,
    trace: Trace,
    workbench: Arc<Workbench>,
    model: Model,
    watch: Watch,
    disks: Mutex<BTreeMap<String, Disk>>,
    lives: Mutex<BTreeMap<String, u64>>,
    seeds: Mutex<BTreeMap<String, u64>>,
    replicas: Mutex<BTreeMap<(String, GroupId), Running>>,
    boards: Mutex<BTreeMap<String, Arc<Board>>>,
    hosts: Mutex<BTreeMap<String, Host>>,
    healed: AtomicBool,
    working: AtomicUsize,
}

/// A shard's replica that runs on a host.
#[derive(Clone)]
pub struct Running {
    /// The group.
    pub group: Group,
    /// The shard.
    pub shard: Arc<Shard>,
}

/// A client's work, as long as it lasts.
pub struct Work(World);

/// Chance, from the seed. Clones draw from the same.
#[derive(Clone)]
pub struct Dice {
    rng: Arc<Mutex<SmallRng>>,
    sync: Duration,
}

// === impl World ===

impl World {
    /// A world before anything has happened.
    pub fn new(plan: Plan, plant: Option<Plant>, trace: Trace, workbench: Arc<Workbench>) -> World {
        let model = Model::new(trace.clone());
        let watch = Watch::new(trace.clone());
        let inner = Inner {
            plan,
            plant,
            trace,
            workbench,
            model,
            watch,
            disks: Mutex::default(),
            lives: Mutex::default(),
            seeds: Mutex::default(),
            replicas: Mutex::default(),
            boards: Mutex::default(),
            hosts: Mutex::default(),
            healed: AtomicBool::new(false),
            working: AtomicUsize::new(0),
        };
        World { inner: Arc::new(inner) }
    }

    /// What the seed has decided.
    pub fn plan(&self) -> &Plan {
        &self.inner.plan
    }

    /// Whether this bug is planted.
    pub fn plants(&self, plant: Plant) -> bool {
        self.inner.plant == Some(plant)
    }

    /// What happens.
    pub fn trace(&self) -> &Trace {
        &self.inner.trace
    }

    /// What was promised to callers.
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// What groups must not do.
    pub fn watch(&self) -> &Watch {
        &self.inner.watch
    }

    /// Where machines keep their state.
    pub fn workbench(&self) -> &Workbench {
        &self.inner.workbench
    }

    /// A host's disk.
    pub fn disk(&self, host: &str) -> Disk {
        self.inner.disks.lock().entry(host.to_owned()).or_default().clone()
    }

    /// A host begins another life; which one.
    pub fn begin_life(&self, host: &str) -> u64 {
        self.end_life(host);
        let mut lives = self.inner.lives.lock();
        let life = lives.entry(host.to_owned()).or_default();
        *life += 1;
        *life
    }

    /// A host's life is over: nothing runs there.
    pub fn end_life(&self, host: &str) {
        self.inner.replicas.lock().retain(|(on, _), _| on != host);
        self.inner.boards.lock().remove(host);
        let ended = self.inner.hosts.lock().remove(host);
        if let Some(ended) = ended {
            ended.forget_groups();
        }
    }

    /// A host begins another life, with its port open and its disk as it was left.
    pub async fn host(&self, name: &str) -> std::io::Result<Host> {
        let life = self.begin_life(name);
        note!(self.trace(), name, "begins life {life}");
        let port = Port::open(name, life, self.trace().clone()).await?;
        let host = Host::new(self.clone(), port, self.disk(name), self.dice(name, life));
        self.inner.hosts.lock().insert(name.to_owned(), host.clone());
        Ok(host)
    }

    /// A voter of the meta group shows what is decided here.
    pub fn keeps(&self, host: &str, board: Arc<Board>) {
        self.inner.boards.lock().insert(host.to_owned(), board);
    }

    /// The newest catalog of all voters.
    pub fn catalog(&self) -> Arc<Catalog> {
        let boards = self.inner.boards.lock();
        boards.values().map(|board| board.catalog()).max_by_key(|catalog| catalog.revision).unwrap_or_default()
    }

    /// Nothing breaks any more.
    pub fn heal(&self) {
        self.inner.healed.store(true, Ordering::Relaxed);
    }

    /// Whether nothing breaks any more.
    pub fn is_healed(&self) -> bool {
        self.inner.healed.load(Ordering::Relaxed)
    }

    /// A client begins its work; it ends when what is returned is dropped.
    pub fn works(&self) -> Work {
        self.inner.working.fetch_add(1, Ordering::Relaxed);
        Work(self.clone())
    }

    /// Clients that have not ended.
    pub fn working(&self) -> usize {
        self.inner.working.load(Ordering::Relaxed)
    }

    /// All is over: lets go of all that was alive.
    pub fn end(&self) {
        let names: Vec<String> = self.inner.hosts.lock().keys().cloned().collect();
        names.iter().for_each(|name| self.end_life(name));
    }

    /// The dice of one life of a host, or of whoever else plays.
    pub fn dice(&self, who: &str, life: u64) -> Dice {
        let seed = self.inner.plan.seed;
        let mixed = xxh3_64(format!("{seed}/{who}/{life}").as_bytes());
        Dice { rng: Arc::new(Mutex::new(SmallRng::seed_from_u64(mixed))), sync: self.inner.plan.sync }
    }

    /// The seed of Raft's random numbers in the life that a host begins now.
    pub fn raft_seed(&self, host: &str) -> u64 {
        let mut seeds = self.inner.seeds.lock();
        let drawn = seeds.entry(host.to_owned()).or_default();
        *drawn += 1;
        self.dice(&format!("raft/{host}"), *drawn).draw(Rng::random)
    }

    /// A replica runs.
    pub fn runs(&self, host: &str, running: Running) {
        self.inner.replicas.lock().insert((host.to_owned(), running.group.id()), running);
    }

    /// A replica runs no more.
    pub fn stops(&self, host: &str, group: GroupId) {
        self.inner.replicas.lock().remove(&(host.to_owned(), group));
    }

    /// All replicas of a group that run, by host.
    pub fn replicas(&self, group: GroupId) -> Vec<(String, Running)> {
        let replicas = self.inner.replicas.lock();
        replicas.iter().filter(|((_, id), _)| *id == group).map(|((host, _), r)| (host.clone(), r.clone())).collect()
    }
}

// === impl Work ===

impl Drop for Work {
    fn drop(&mut self) {
        self.0.inner.working.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Dice ===

impl Dice {
    /// Draws.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.rng.lock())
    }

    /// Some time from `least` to `most`.
    pub fn time(&self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (least.as_micros() as u64, most.as_micros() as u64);
        Duration::from_micros(self.draw(|rng| rng.random_range(least..=most)))
    }

    /// How long a sync takes: most are as quick as the disk is, some are not.
    pub fn sync_time(&self) -> Duration {
        let hangs = self.draw(|rng| rng.random_bool(0.03));
        let most = if hangs { (self.sync * 25).min(HANG) } else { self.sync };
        self.time(Duration::ZERO, most)
    }

    /// How long an entry waits before it is applied, if it does.
    pub fn apply_pause(&self) -> Option<Duration> {
        let pauses = self.draw(|rng| rng.random_bool(0.2));
        pauses.then(|| self.time(Duration::ZERO, Duration::from_millis(30)))
    }
}

/// Now in simulated time, milliseconds since 1970.
pub fn now_ms() -> u64 {
    turmoil::since_epoch().map_or(EPOCH_S * 1_000, |since| since.as_millis() as u64)
}

/// Now in simulated time, for judging.
pub fn now() -> Now {
    let ms = now_ms();
    let at = Timestamp::from_millisecond(ms as i64).expect("a simulation ends long before the calendar does");
    Now { today: at.to_zoned(TimeZone::UTC).date(), ms }
}
