//! Where acts are performed: the cluster, and the world around it.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use dnc_planted::Bug;
use dnc_tests::cluster::{Cluster, ClusterName, READY_LIMIT, Size, Victim};
use dnc_tests::process::{Process, Role};
use dnc_tests::wait::until;
use tokio::time::timeout;

use crate::disk::{Disks, Told, damage};
use crate::errands::{Errands, Findings};
use crate::moves::Drain;
use crate::plan::{Act, Cast, Group};
use crate::say;
use crate::scenarios::Scenario;
use crate::world::World;

/// How long the cluster may take until it is whole once its faults are gone.
pub const HEAL_LIMIT: Duration = Duration::from_secs(90);

/// How long a process may take to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take until every shard, and the meta group, has a leader.
const CAST_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take until a node whose disk is not well leads nothing: it is seen after two seconds, and an election
/// takes two more.
const LEFT_LIMIT: Duration = Duration::from_secs(20);

/// What a node logs once it has given its data up.
const GIVEN_UP: &str = "the damaged data was moved aside";

/// What a node logs whose disk is full.
const FULL: &str = "its disk is full";

/// An I/O error, as the kernel numbers it.
const EIO: i64 = 5;

/// The cluster in its world.
pub struct Stage {
    // Goes first: its processes live in the world.
    cluster: Cluster,
    world: World,
    disks: Disks,
    errands: Errands,
    drain: Option<Drain>,
    name: ClusterName,
}

/// Why a round did not come to its end.
#[derive(Debug)]
pub enum Trouble {
    /// A fault could not be done. Nothing was shown.
    NotTried(Error),
    /// The cluster did not become whole again in time.
    NotHealed(Error),
}

// === impl Stage ===

impl Stage {
    /// Starts a cluster in a world of its own, as the scenario needs it, with a bug planted if one is named.
    pub async fn build(size: Size, scenario: &Scenario, bug: Option<Bug>) -> Result<Stage> {
        let disks = Disks::new(scenario.small_disk, scenario.router_settings, bug)?;
        let mut world = World::new(Box::new(disks.clone()))?;
        let cluster = Cluster::start_in(size, &mut world).await?;
        let name = cluster.name().await?;
        Ok(Stage { cluster, world, disks, errands: Errands::default(), drain: None, name })
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn routers(&self) -> Vec<SocketAddr> {
        self.cluster.routers.iter().map(|router| router.grpc).collect()
    }

    /// Ends what was done beside the load; what was found, if there was anything.
    pub async fn end_errands(&mut self) -> Result<Option<Findings>> {
        std::mem::take(&mut self.errands).end().await
    }

    /// Who is who now.
    pub async fn cast(&self) -> Result<Cast> {
        until(CAST_LIMIT, "every shard and the meta group to have a leader", || async {
            let led = self.cluster.led(&self.name).await;
            let most = led.iter().max_by_key(|(_, led)| **led).context("no node answers")?;
            let least = led.iter().filter(|(node, _)| *node != most.0).min_by_key(|(_, led)| **led);
            let (follower, _) = least.context("only one node answers")?;
            let Some(meta_leader) = self.cluster.meta_leader().await else { bail!("no meta voter leads") };
            Ok(Some(Cast { leader: *most.0, follower: *follower, meta_leader, size: self.cluster.size() }))
        })
        .await
    }

    /// Does one thing.
    pub async fn perform(&mut self, act: &Act, cast: &Cast) -> Result<(), Trouble> {
        match act {
            Act::Whole { replicas } => self.heal(*replicas).await.map_err(Trouble::NotHealed),
            Act::Roll(group) => self.roll(&cast.all(group)).await.map_err(Trouble::NotHealed),
            Act::Ended(group) => self.ended(&cast.all(group)).await.map_err(Trouble::NotHealed),
            Act::Replaced(group) => self.replaced(&cast.all(group)).await.map_err(Trouble::NotHealed),
            Act::LedByOthers(group) => self.led_by_others(&cast.all(group)).await.map_err(Trouble::NotHealed),
            Act::Load => self.errands.load(&self.routers()).await.map_err(Trouble::NotTried),
            Act::Loaded => self.errands.loaded().await.map_err(Trouble::NotHealed),
            Act::AddRule { router } => self.errands.add_rule(*router, &self.routers()).map_err(Trouble::NotTried),
            Act::RuleAdded => self.errands.rule_added().await.map_err(Trouble::NotHealed),
            Act::Burst => self.errands.burst(&self.routers()).await.map_err(Trouble::NotTried),
            Act::Crowd => self.crowd().await.map_err(Trouble::NotHealed),
            Act::Exempt => self.errands.exempt(&self.routers()).await.map_err(Trouble::NotTried),
            Act::SuppressAgain => self.errands.suppress_again(&self.routers()).await.map_err(Trouble::NotTried),
            Act::RepeatReleases => self.errands.repeat_releases().await.map_err(Trouble::NotHealed),
            Act::Join => self.cluster.add_node_in(&mut self.world).await.map(drop).map_err(Trouble::NotTried),
            Act::Depart { who, router } => {
                let (node, through) = (cast.of(*who).index, self.cluster.routers[*router].grpc);
                let drain = Drain::begin(&self.cluster, node, through).await.map_err(Trouble::NotTried)?;
                self.drain = Some(drain);
                Ok(())
            }
            Act::Moved(moves) => self.drain()?.moved(*moves).await.map_err(Trouble::NotHealed),
            Act::Departed => self.drain()?.ended(&self.cluster, &self.name).await.map_err(Trouble::NotHealed),
            Act::Flood(times, tenant) => {
                self.errands.flood(*times, tenant, &self.routers()).await.map_err(Trouble::NotTried)
            }
            Act::Ebb => {
                let seen = self.errands.ebb().await.map_err(Trouble::NotTried)?;
                say(&format!("    {seen}"));
                Ok(())
            }
            Act::Hold(time) => {
                // The fault's own length, not a wait for anything.
                tokio::time::sleep(*time).await;
                Ok(())
            }
            other => self.hurt(other, cast).with_context(|| other.to_string()).map_err(Trouble::NotTried),
        }
    }

    fn drain(&self) -> Result<&Drain, Trouble> {
        self.drain.as_ref().context("no node is being drained").map_err(Trouble::NotTried)
    }

    async fn crowd(&mut self) -> Result<()> {
        let shards = self.cluster.catalog().await?.shard_map.shards();
        self.errands.crowd(&self.routers(), shards).await
    }

    fn hurt(&mut self, act: &Act, cast: &Cast) -> Result<()> {
        match act {
            Act::Kill(group) => self.each(cast, group, Process::kill9),
            Act::Start(group) => self.each(cast, group, Process::run),
            Act::AskToEnd(group) => self.each(cast, group, |process| process.ask_to_end()),
            Act::Pause(group) => self.each(cast, group, |process| process.pause()),
            Act::Resume(group) => self.each(cast, group, |process| process.resume()),
            Act::Harm { from, to, harm, both_ways } => {
                let (from, to) = (cast.all(from), cast.all(to));
                let mut links = self.world.links().clone();
                links.harm(&from, &to, *harm);
                if *both_ways {
                    links.harm(&to, &from, *harm);
                }
                self.world.set(links)
            }
            Act::Delay(group, delay, jitter) => {
                cast.all(group).into_iter().try_for_each(|victim| self.world.delay(victim, *delay, *jitter))
            }
            Act::Mend => {
                let harmed = self.world.mend()?;
                ensure!(harmed > 0, "not one packet was harmed");
                Ok(())
            }
            Act::PowerCut(group) => self.power_cut(&cast.all(group)),
            Act::Fill => self.disks.fill(),
            Act::Drain => self.make_room(),
            Act::Flip(group, which, permille) => self.each(cast, group, |process| {
                ensure!(!process.is_running(), "{} runs", process.name());
                damage::flip(&process.data, *which, *permille)
            }),
            Act::Tear(group, bytes) => self.each(cast, group, |process| {
                ensure!(!process.is_running(), "{} runs", process.name());
                damage::tear(&process.data, *bytes)
            }),
            Act::Stall(group) => self.tell(&cast.all(group), Told::Stall, 1),
            Act::FailSync(group) => self.tell(&cast.all(group), Told::Fail, EIO),
            Act::Clock(group, ahead_s) => self.tell(&cast.all(group), Told::ClockS, *ahead_s),
            Act::Soothe(group) => self.soothe(&cast.all(group)),
            Act::Wipe(group) => self.each(cast, group, wipe),
            Act::Hold(_)
            | Act::Whole { .. }
            | Act::Roll(_)
            | Act::Ended(_)
            | Act::Replaced(_)
            | Act::LedByOthers(_)
            | Act::Load
            | Act::Loaded
            | Act::AddRule { .. }
            | Act::RuleAdded
            | Act::Burst
            | Act::Crowd
            | Act::Exempt
            | Act::SuppressAgain
            | Act::RepeatReleases
            | Act::Join
            | Act::Depart { .. }
            | Act::Moved(_)
            | Act::Departed
            | Act::Flood(..)
            | Act::Ebb => bail!("{act} takes time"),
        }
    }

    fn each(&mut self, cast: &Cast, group: &Group, mut what: impl FnMut(&mut Process) -> Result<()>) -> Result<()> {
        cast.all(group).into_iter().try_for_each(|victim| what(self.cluster.process(victim)))
    }

    /// All stand still before the first is gone, so that none does anything that another's end allows.
    fn power_cut(&mut self, victims: &[Victim]) -> Result<()> {
        victims.iter().try_for_each(|victim| self.cluster.process(*victim).pause())?;
        victims.iter().try_for_each(|victim| self.cluster.process(*victim).kill9())?;
        for victim in victims {
            let data = self.cluster.process(*victim).data.clone();
            self.disks.lose_unsynced(*victim, &data)?;
        }
        Ok(())
    }

    fn tell(&self, victims: &[Victim], what: Told, value: i64) -> Result<()> {
        for victim in victims {
            self.disks.tell(*victim, Told::Harmed, 0)?;
            self.disks.tell(*victim, what, value)?;
        }
        Ok(())
    }

    fn soothe(&self, victims: &[Victim]) -> Result<()> {
        for victim in victims {
            let harmed = self.disks.harmed(*victim)?;
            for what in [Told::Stall, Told::Fail, Told::ClockS] {
                self.disks.tell(*victim, what, 0)?;
            }
            ensure!(harmed > 0, "{victim} never met with what was wrong");
        }
        Ok(())
    }

    /// The node must have seen that there was no room.
    fn make_room(&mut self) -> Result<()> {
        let process = self.disks.drain()?;
        let log = self.cluster.process(process).log_text()?;
        ensure!(log.contains(FULL), "{process} never met with the full disk");
        Ok(())
    }

    async fn roll(&mut self, victims: &[Victim]) -> Result<()> {
        for victim in victims {
            self.cluster.process(*victim).ask_to_end()?;
            self.ended(&[*victim]).await?;
            let process = self.cluster.process(*victim);
            process.run()?;
            process.wait_ready(READY_LIMIT).await?;
            if victim.role == Role::Node {
                self.cluster.wait_caught_up(&self.name, victim.index).await?;
            }
        }
        Ok(())
    }

    async fn ended(&mut self, victims: &[Victim]) -> Result<()> {
        for victim in victims {
            let status = self.cluster.process(*victim).ended(END_LIMIT).await?;
            ensure!(status.success(), "{victim} ended with {status} when it was asked to end");
        }
        Ok(())
    }

    /// Damage that is found makes a node move its data aside; then the meta group has its replicas made anew.
    async fn replaced(&mut self, victims: &[Victim]) -> Result<()> {
        for victim in victims {
            let (cluster, log) = (&self.cluster, self.cluster.nodes[victim.index].log.clone());
            until(HEAL_LIMIT, &format!("{victim} to be replaced by itself"), || async {
                let log = fs::read(&log).context("read its log")?;
                ensure!(String::from_utf8_lossy(&log).contains(GIVEN_UP), "it has not given its data up");
                let repairs = cluster.catalog().await?.moves.repairs;
                ensure!(repairs.is_empty(), "not all is made anew yet: {repairs:?}");
                Ok(Some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// By the word of those that lead: one whose disk stands still may not know yet that it leads no more.
    async fn led_by_others(&self, victims: &[Victim]) -> Result<()> {
        let shards = self.cluster.catalog().await?.shard_map.replicas.len();
        until(LEFT_LIMIT, "others to lead every shard", || async {
            let led = self.cluster.led(&self.name).await;
            let among = |node: &usize| victims.contains(&Victim { role: Role::Node, index: *node });
            let others: usize = led.iter().filter(|(node, _)| !among(node)).map(|(_, led)| led).sum();
            ensure!(others >= shards, "others lead {others} of {shards} shards");
            Ok(Some(()))
        })
        .await
    }

    async fn heal(&mut self, replicas: usize) -> Result<()> {
        let whole = async {
            self.cluster.wait_ready(HEAL_LIMIT).await?;
            self.cluster.wait_all_caught_up(&self.name, replicas).await
        };
        timeout(HEAL_LIMIT, whole).await.with_context(|| format!("not whole after {HEAL_LIMIT:?}"))?
    }

    /// Makes sure that the replicas of each shard hold the same; how many live entries there are.
    pub async fn compare(&self, replicas: usize) -> Result<u64> {
        self.cluster.compare_replicas_of(&self.name, replicas).await
    }

    /// All went well: nothing is kept.
    pub fn passed(self) -> Result<()> {
        let Stage { mut cluster, world, disks, .. } = self;
        cluster.kill_all()?;
        disks.unmount();
        cluster.passed()?;
        drop((world, disks));
        Ok(())
    }
}

/// Deletes all that a process holds.
fn wipe(process: &mut Process) -> Result<()> {
    ensure!(!process.is_running(), "{} runs", process.name());
    fs::remove_dir_all(&process.data).context("delete its data folder")?;
    fs::create_dir(&process.data).context("make its data folder")
}
