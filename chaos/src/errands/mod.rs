//! What is done beside the load, by a scenario that needs it: lists that are replaced, rules that are
//! added, exemptions that come and go, callers in floods.
//!
//! Each errand asks both routers all the time whether what was acknowledged is so. What they saw that
//! must not be ends up in [`Findings`].

mod burst;
mod crowd;
mod exempt;
mod flood;
mod lists;
mod repeats;
mod rules;
mod watch;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::burst::Burst;
use self::crowd::Crowd;
use self::exempt::Exempt;
use self::flood::Flood;
#[cfg(test)]
pub use self::flood::IN_FLIGHT;
use self::lists::Lists;
use self::repeats::Repeats;
use self::rules::Rules;

/// How long anything that was begun may take, tries again included.
const LIMIT: Duration = Duration::from_secs(90);

/// Between two tries, and between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How many mistakes are told one by one.
const TOLD: usize = 20;

/// What was looked at, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many answers were held against the truth.
    pub checked: usize,
    /// How many must not have been given.
    pub broken: usize,
    /// The first of them in words.
    pub told: Vec<String>,
}

/// Findings that several tasks add to.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Findings>>);

/// All errands of one run; each begins when it is first asked for.
#[derive(Default)]
pub struct Errands {
    lists: Option<Lists>,
    rules: Option<Rules>,
    flood: Option<Flood>,
    burst: Option<Burst>,
    crowd: Option<Crowd>,
    exempt: Option<Exempt>,
    repeats: Option<Repeats>,
}

// === impl Shared ===

impl Shared {
    fn add(&self, looked_at: usize, mistake: Result<()>) {
        let mut findings = self.0.lock().expect("nobody panics while holding it");
        findings.checked += looked_at;
        if let Err(mistake) = mistake {
            findings.broken += 1;
            if findings.told.len() < TOLD {
                findings.told.push(format!("{mistake:#}"));
            }
        }
    }

    fn read(&self) -> Findings {
        self.0.lock().expect("nobody panics while holding it").clone()
    }
}

// === impl Errands ===

impl Errands {
    /// Begins to replace a list; comes back when the first of its blocks are on their way to the nodes.
    pub async fn load(&mut self, routers: &[SocketAddr]) -> Result<()> {
        if self.lists.is_none() {
            self.lists = Some(Lists::begin(routers).await?);
        }
        self.lists.as_mut().context("it was made just now")?.load().await
    }

    /// Waits until the list that is being replaced has been.
    pub async fn loaded(&mut self) -> Result<()> {
        self.lists.as_mut().context("no list is being replaced")?.loaded().await
    }

    /// Begins to add a rule through one router, and watches all of them from when it is acknowledged.
    pub fn add_rule(&mut self, through: usize, routers: &[SocketAddr]) -> Result<()> {
        ensure!(through < routers.len(), "there is no router {through}");
        self.rules.get_or_insert_with(|| Rules::begin(routers)).begin_adding(through)
    }

    /// Waits until the rule is acknowledged.
    pub async fn rule_added(&mut self) -> Result<()> {
        self.rules.as_mut().context("no rule is being added")?.added().await
    }

    /// Begins to suppress many numbers, until their callers are not answered any more.
    pub async fn burst(&mut self, routers: &[SocketAddr]) -> Result<()> {
        self.burst.get_or_insert_with(|| Burst::begin(routers)).rise().await
    }

    /// Suppresses so many numbers of one shard that its filter must grow.
    pub async fn crowd(&mut self, routers: &[SocketAddr], shards: u32) -> Result<()> {
        self.crowd.get_or_insert_default().come(routers, shards).await
    }

    /// Begins to grant exemptions and to revoke them.
    pub async fn exempt(&mut self, routers: &[SocketAddr]) -> Result<()> {
        if self.exempt.is_none() {
            self.exempt = Some(Exempt::begin(routers).await?);
        }
        Ok(())
    }

    /// Suppresses numbers, releases them, and suppresses them again.
    pub async fn suppress_again(&mut self, routers: &[SocketAddr]) -> Result<()> {
        if self.repeats.is_none() {
            self.repeats = Some(Repeats::begin(routers)?);
        }
        self.repeats.as_mut().context("it was made just now")?.suppress_again().await
    }

    /// Repeats those releases.
    pub async fn repeat_releases(&mut self) -> Result<()> {
        self.repeats.as_mut().context("nothing was released")?.repeat().await
    }

    /// So many times as many callers of one tenant as the routers take in begin to ask.
    pub async fn flood(&mut self, times: usize, tenant: &'static str, routers: &[SocketAddr]) -> Result<()> {
        self.flood.get_or_insert_default().rise(routers, times, tenant).await
    }

    /// They end; what they saw in words.
    pub async fn ebb(&mut self) -> Result<String> {
        self.flood.as_mut().context("there is no flood")?.ebb().await
    }

    /// Ends all errands; what they found, if there were any.
    pub async fn end(self) -> Result<Option<Findings>> {
        let mut found: Option<Findings> = None;
        let all = [
            self.flood.map(Flood::end),
            self.crowd.map(Crowd::end),
            match self.burst {
                Some(burst) => Some(burst.end().await?),
                None => None,
            },
            match self.exempt {
                Some(exempt) => Some(exempt.end().await?),
                None => None,
            },
            match self.repeats {
                Some(repeats) => Some(repeats.end().await?),
                None => None,
            },
            match self.lists {
                Some(lists) => Some(lists.end().await?),
                None => None,
            },
            match self.rules {
                Some(rules) => Some(rules.end().await?),
                None => None,
            },
        ];
        for findings in all.into_iter().flatten() {
            let sum = found.get_or_insert_default();
            sum.checked += findings.checked;
            sum.broken += findings.broken;
            sum.told.extend(findings.told);
        }
        Ok(found)
    }
}
