//! What breaks, when, and for how long: drawn from the seed. All of it heals.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use turmoil::Sim;

use crate::note;
use crate::plan::{ROUTERS, VOTERS};
use crate::world::World;
use crate::{follow, node, router};

/// What breaks things.
pub struct Storm {
    world: World,
    rng: SmallRng,
    /// Hosts that can crash.
    hosts: Vec<String>,
    nodes: Vec<String>,
    next: Duration,
    blinks: Option<Blink>,
    /// What ends when, in the order in which it was begun.
    broken: Vec<(Duration, Broken)>,
}

/// Somebody is about to lose its power for a moment.
struct Blink {
    at: Duration,
    host: String,
    /// Who does not reach it for a while afterwards.
    unheard: Option<String>,
}

/// Something that is broken.
enum Broken {
    Crashed(String),
    /// No message between the two.
    Cut(String, String),
    /// No message from the first to the second.
    CutOneWay(String, String),
    /// Messages between the two wait.
    Held(String, String),
    /// Messages between the two take long.
    Slow(String, String),
}

/// How long somebody that restarts is not heard by who leads: about a lease.
const UNHEARD: Duration = Duration::from_millis(900);

/// The longest that a message takes on a slow link.
const SLOW: Duration = Duration::from_millis(400);

// === impl Storm ===

impl Storm {
    /// Nothing is broken yet; the first thing breaks after `from`.
    pub fn new(world: World, from: Duration) -> Storm {
        let rng = SmallRng::seed_from_u64(world.plan().seed ^ 0x5707_1234);
        let plan = world.plan();
        let nodes: Vec<String> = (1..=plan.nodes + plan.joining).map(node::name).collect();
        let voters = (1..=u64::from(VOTERS)).map(follow::voter);
        let hosts = nodes.iter().cloned().chain(voters).chain((1..=ROUTERS).map(router::name)).collect();
        Storm { world, rng, hosts, nodes, next: from, blinks: None, broken: Vec::new() }
    }

    /// Breaks and mends what is due.
    pub fn blow(&mut self, sim: &mut Sim<'_>, now: Duration) {
        self.mend(sim, |until| until <= now);
        if let Some(Blink { host, unheard, .. }) = self.blinks.take_if(|blink| blink.at <= now) {
            let until = now + Duration::from_millis(self.rng.random_range(20..=200));
            if let Some(other) = unheard {
                self.begin(sim, now + UNHEARD, Broken::Cut(other, host.clone()));
            }
            self.crash(sim, host, until);
        }
        if now >= self.next {
            let every = self.world.plan().fault_every;
            self.next = now + every.mul_f64(self.rng.random_range(0.2..1.8));
            self.strike(sim, now);
        }
    }

    /// Mends everything.
    pub fn end(&mut self, sim: &mut Sim<'_>) {
        self.mend(sim, |_| true);
        sim.set_fail_rate(0.0);
        note!(self.world.trace(), "storm", "is over");
        self.world.heal();
    }

    fn strike(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if self.world.plan().votes_asked {
            return self.ask_for_votes(sim, now);
        }
        let lasts = |rng: &mut SmallRng, most: u64| now + Duration::from_millis(rng.random_range(50..=most));
        match self.rng.random_range(0..100) {
            0..30 => {
                // Some are back before anybody has noticed.
                let most = if self.rng.random_bool(0.4) { 300 } else { 3_000 };
                let until = lasts(&mut self.rng, most);
                if let Some(host) = self.hosts.choose(&mut self.rng).cloned() {
                    self.crash(sim, host, until);
                }
            }
            30..38 => {
                // All nodes lose their power at once.
                let until = lasts(&mut self.rng, 1_500);
                for host in self.nodes.clone() {
                    self.crash(sim, host, until);
                }
            }
            38..52 => {
                let until = lasts(&mut self.rng, 3_000);
                let mut hosts = self.hosts.clone();
                hosts.shuffle(&mut self.rng);
                let (some, others) = hosts.split_at(self.rng.random_range(1..hosts.len()));
                let one_way = self.rng.random_bool(0.4);
                note!(self.world.trace(), "storm", "cuts {some:?} off, one way: {one_way}");
                for (a, b) in pairs(some, others) {
                    let cut = if one_way { Broken::CutOneWay(a, b) } else { Broken::Cut(a, b) };
                    self.begin(sim, until, cut);
                }
            }
            52..64 => {
                let until = lasts(&mut self.rng, 3_000);
                let Some(alone) = self.hosts.choose(&mut self.rng).cloned() else { return };
                let others: Vec<String> = self.hosts.iter().filter(|host| **host != alone).cloned().collect();
                let way = self.rng.random_range(0..3);
                note!(self.world.trace(), "storm", "cuts {alone} off, way {way}");
                for (a, b) in pairs(std::slice::from_ref(&alone), &others) {
                    let cut = match way {
                        0 => Broken::Cut(a, b),
                        1 => Broken::CutOneWay(a, b),
                        _ => Broken::CutOneWay(b, a),
                    };
                    self.begin(sim, until, cut);
                }
            }
            64..78 => {
                // Some nodes do not reach each other, but whoever asks them reaches all: long enough for another leader.
                let until = lasts(&mut self.rng, 5_000);
                let mut nodes = self.nodes.clone();
                nodes.shuffle(&mut self.rng);
                let (alone, others) = nodes.split_at(1);
                let (others, rest) = others.split_at(self.rng.random_range(1..=others.len()));
                if let Some(host) = rest.choose(&mut self.rng).cloned().filter(|_| self.rng.random_bool(0.7)) {
                    // When those who are cut off look for another leader, one of the others forgets the one it has.
                    let at = now + Duration::from_millis(self.rng.random_range(1_000..=3_000));
                    self.blinks = Some(Blink { at, host, unheard: None });
                }
                note!(self.world.trace(), "storm", "cuts {alone:?} off from {others:?}");
                for (a, b) in pairs(alone, others) {
                    self.begin(sim, until, Broken::Cut(a, b));
                }
            }
            78..90 => {
                let until = lasts(&mut self.rng, 1_500);
                let (a, b) = self.two();
                note!(self.world.trace(), "storm", "holds what {a} and {b} say");
                self.begin(sim, until, Broken::Held(a, b));
            }
            _ => {
                let until = lasts(&mut self.rng, 3_000);
                let (a, b) = self.two();
                note!(self.world.trace(), "storm", "slows {a} and {b}");
                self.begin(sim, until, Broken::Slow(a, b));
            }
        }
    }

    /// A node does not hear another one, who leads perhaps, and asks a third for its vote again and again. That one restarts, and is
    /// not heard by the leader, whose lease it owes, before that has ended.
    fn ask_for_votes(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if self.blinks.is_some() || !self.broken.is_empty() {
            return;
        }
        // Of those that are there from the first.
        let there = &self.nodes[..self.world.plan().nodes as usize];
        let three: Vec<String> = there.choose_multiple(&mut self.rng, 3).cloned().collect();
        let [asks, leads, votes] = three.as_slice() else { return };
        note!(self.world.trace(), "storm", "{asks} does not hear {leads}, and {votes} is to restart");
        let at = now + Duration::from_millis(self.rng.random_range(1_200..=2_000));
        self.begin(sim, at + UNHEARD, Broken::Cut(asks.clone(), leads.clone()));
        self.blinks = Some(Blink { at, host: votes.clone(), unheard: Some(leads.clone()) });
    }

    fn two(&mut self) -> (String, String) {
        let two: Vec<String> = self.hosts.choose_multiple(&mut self.rng, 2).cloned().collect();
        (two[0].clone(), two[1].clone())
    }

    fn crash(&mut self, sim: &mut Sim<'_>, host: String, until: Duration) {
        if self.broken.iter().any(|(_, broken)| matches!(broken, Broken::Crashed(down) if *down == host)) {
            return;
        }
        sim.crash(host.as_str());
        self.world.end_life(&host);
        let lost = self.world.disk(&host).power_cut(&mut self.rng);
        note!(self.world.trace(), "storm", "{host} loses its power, and {lost} writes");
        self.broken.push((until, Broken::Crashed(host)));
    }

    fn begin(&mut self, sim: &mut Sim<'_>, until: Duration, broken: Broken) {
        match &broken {
            Broken::Crashed(_) => {}
            Broken::Cut(a, b) => sim.partition(a.as_str(), b.as_str()),
            Broken::CutOneWay(a, b) => sim.partition_oneway(a.as_str(), b.as_str()),
            Broken::Held(a, b) => sim.hold(a.as_str(), b.as_str()),
            Broken::Slow(a, b) => sim.set_link_max_message_latency(a.as_str(), b.as_str(), SLOW),
        }
        self.broken.push((until, broken));
    }

    fn mend(&mut self, sim: &mut Sim<'_>, due: impl Fn(Duration) -> bool) {
        let (mended, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.broken).into_iter().partition(|(until, _)| due(*until));
        self.broken = left;
        for (_, broken) in mended {
            match broken {
                Broken::Crashed(host) => sim.bounce(host.as_str()),
                Broken::Cut(a, b) => sim.repair(a.as_str(), b.as_str()),
                Broken::CutOneWay(a, b) => sim.repair_oneway(a.as_str(), b.as_str()),
                Broken::Held(a, b) => sim.release(a.as_str(), b.as_str()),
                Broken::Slow(a, b) => {
                    let latency = self.world.plan().latency;
                    sim.set_link_max_message_latency(a.as_str(), b.as_str(), latency);
                }
            }
        }
    }
}

fn pairs(some: &[String], others: &[String]) -> Vec<(String, String)> {
    some.iter().flat_map(|a| others.iter().map(move |b| (a.clone(), b.clone()))).collect()
}
