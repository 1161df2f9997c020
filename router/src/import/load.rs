//! A load whose files are here: from reading them to the active version.

use std::time::Duration;

use dnc_core::registry::{Content, Coverage, LoadReport, Registry};
use dnc_planted::Bug;
use dnc_proto::v1;
use futures::FutureExt;
use tokio::time::Instant;

use super::asked::Asked;
use super::error::Error;
use super::plan::Plan;
use super::read::{Entries, Lists};
use super::ready::{self, Expected};
use super::receive::Received;
use super::scope::Scope;
use super::stage::{Stage, Staged};
use super::version::Loading;
use super::{Imports, Progress, amend, areas, read, report, version};
use crate::cluster::Cluster;

/// A load whose files are here.
pub struct Load<'a> {
    /// What to do with them.
    pub asked: Asked,
    /// Into which registry.
    pub registry: Registry,
    /// The files.
    pub files: Vec<Received>,
    /// Whom to tell.
    pub progress: &'a Progress,
    /// Names it.
    pub load: u128,
    /// When it began.
    pub started: Instant,
}

/// What a load's files say, and for what they speak.
struct Read {
    lists: Lists,
    scope: Scope,
    notes: Vec<String>,
}

// === impl Imports ===

impl<C: Cluster> Imports<C> {
    /// Loads files that are here.
    pub(super) async fn load(&self, load: Load<'_>) -> Result<v1::ImportResult, Error> {
        let Load { asked, registry, files, progress, load, started } = load;
        let deadline = started + self.limit();
        let read = self.read(&asked, &registry, files, progress).boxed();
        let Read { lists, scope, notes } = self.unless_stopped(progress, deadline, read).await?;
        let guard = registry.settings.guard;
        if asked.dry_run {
            let before = registry.active_version().map(|(_, content)| content);
            let after = report::counts_after(before, &scope, &lists);
            let changes = areas::changes(&guard, before, &areas::loaded(&scope, before, &after), &after);
            let duration_ms = millis(started);
            let result = report::foreseen(registry.name.clone(), before, &changes, &lists, &scope);
            return Ok(v1::ImportResult { notes, duration_ms, ..result });
        }
        let loading = Loading::begin(&self.cluster, &registry, load, &self.options.import).await?;
        let deadline = deadline.min(Instant::now() + Duration::from_secs(self.options.import.stage_s));
        let staged = self.stage(&loading, &lists, &scope, progress).boxed();
        let staged = self.unless_stopped(progress, deadline, staged).await;
        let made = staged.and_then(|staged| Ok((content(&loading, &lists, &scope, &staged)?, staged)));
        let (mut content, staged) = match made {
            Ok(made) => made,
            Err(why) => {
                loading.give_up(&self.cluster).await;
                return Err(why);
            }
        };
        // From here on a caller that leaves changes nothing: the last step is short, and is finished.
        progress.phase(v1::ImportPhase::Activating, 1);
        let before = loading.parent.as_ref();
        let loaded = areas::loaded(&scope, before, &content.by_area);
        let changes = areas::changes(&guard, before, &loaded, &content.by_area);
        let stopped = areas::stopped(&changes);
        let forced = asked.force && !stopped.is_empty();
        content.report = report::of_load(&lists, &staged, millis(started), forced);
        loading.seal(&self.cluster, content.clone()).await?;
        if !stopped.is_empty() && !forced {
            version::let_go(&self.cluster, registry.id, loading.version).await;
            return Err(Error::Held { registry: registry.name, version: loading.version, stopped });
        }
        let revision = loading.activate(&self.cluster).await?;
        progress.done(1);
        self.pruning.notify_one();
        let result = report::result(registry.name, loading.version, &content, &changes, &lists, &scope);
        Ok(v1::ImportResult { notes, revision, duration_ms: millis(started), ..result })
    }

    /// Reads the files and settles what they cover: everything that needs no version yet.
    async fn read(
        &self,
        asked: &Asked,
        registry: &Registry,
        files: Vec<Received>,
        progress: &Progress,
    ) -> Result<Read, Error> {
        let how = read::How {
            options: asked.options(&registry.settings.reading)?,
            max_blocks: self.options.import.max_blocks,
            max_changes: self.options.import.max_changes,
            preview: asked.dry_run,
        };
        let lists = read::read(files, how, progress).await?;
        let mut notes = Vec::new();
        let scope = Scope::settle(registry.kind, &asked.wishes, &lists, &mut notes)?;
        let before = registry.active_version().map(|(_, content)| &content.coverage);
        scope.fits(lists.kind(), before)?;
        scope.note_gaps(&lists, before, &mut notes);
        Ok(Read { lists, scope, notes })
    }

    /// Brings a version to all shards, up to the point where it can be made active.
    async fn stage(
        &self,
        loading: &Loading,
        lists: &Lists,
        scope: &Scope,
        progress: &Progress,
    ) -> Result<Staged, Error> {
        // Another import may have changed what is active while the files were read.
        scope.fits(lists.kind(), loading.parent_coverage())?;
        let shards = self.cluster.known().catalog.shard_map.shards();
        let stage = Stage { cluster: &self.cluster, loading, options: &self.options.import, progress };
        let sum = match &lists.entries {
            Entries::Full(blocks) => stage.write(&Plan::new(&scope.ranges(), blocks, shards)?).await?,
            Entries::Changes(changes) => stage.write(&amend::plan(scope, changes, shards)?).await?,
        };
        let seals = stage.seal(shards).await?;
        if dnc_planted::is(Bug::ActivateUnsealed) {
            return Ok(Staged::new(sum, &seals));
        }
        let deadline = Instant::now() + Duration::from_secs(self.options.import.verify_s);
        let version = (loading.registry, loading.version);
        ready::wait(&self.cluster, version, Expected::Seals(&seals), deadline).await?;
        Ok(Staged::new(sum, &seals))
    }
}

/// What a staged version holds, if it is what was loaded. Its report comes later.
fn content(loading: &Loading, lists: &Lists, scope: &Scope, staged: &Staged) -> Result<Content, Error> {
    let none = areas::Counts::new();
    let before = loading.parent.as_ref().map_or(&none, |content| &content.by_area);
    let by_area = match &lists.entries {
        Entries::Full(blocks) => areas::replaced(before, scope, areas::of(blocks)),
        Entries::Changes(_) => areas::amended(before, &staged.sum.by_area).ok_or(Error::Unexpected)?,
    };
    let expected = by_area.values().sum();
    if staged.numbers != expected && !dnc_planted::is(Bug::ActivateUnsealed) {
        return Err(Error::WrongSum { found: staged.numbers, expected });
    }
    let loaded = scope.coverage(&by_area);
    Ok(Content {
        coverage: Coverage::over(loading.parent_coverage(), loaded),
        numbers: staged.numbers,
        by_area,
        checksum: staged.checksum,
        report: LoadReport::default(),
    })
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
