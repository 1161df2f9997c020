//! One sync: what is there, is it new, fetch it, load it. Whatever fails, the list before stays as it is.

use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use dnc_core::ids::VersionId;
use dnc_core::listfile::declared_by_name;
use dnc_core::registry::{Outcome, Registry, RegistryKind};
use dnc_proto::v1;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::choose::{Loaded, choose};
use super::now::{Now, Phase};
use super::options::SyncOptions;
use super::pace::{Patience, RateLimit};
use super::seen::Seen;
use super::source::{Fetched, Offer, Place, Source, SourceError};
use super::spool::{Arrived, Spool};
use crate::cluster::Cluster;
use crate::import::{self, Imports, Progress, Received};

/// Events of an import that wait to be looked at.
const EVENTS: usize = 16;
/// Pause before another look whether an import may be run.
const SLOT_PAUSE: Duration = Duration::from_secs(1);
/// Longest message in the history, characters.
const MAX_MESSAGE: usize = 500;

/// What one sync needs.
pub struct Work<'a, C> {
    /// The cluster below.
    pub cluster: &'a C,
    /// What loads.
    pub imports: &'a Imports<C>,
    /// Limits.
    pub options: &'a SyncOptions,
    /// Where files are kept while they are here.
    pub spool_dir: &'a Path,
    /// Most bytes of all files of one load together.
    pub max_bytes: u64,
    /// Most files of one load.
    pub max_files: usize,
    /// How often the registry's source may be asked.
    pub limit: &'a RateLimit,
    /// What this router fetched before.
    pub seen: &'a Seen,
    /// How far it is.
    pub now: &'a Now,
    /// Ends it before the activation.
    pub stop: &'a CancellationToken,
    /// When it began, milliseconds since 1970.
    pub began_ms: u64,
}

/// What came of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// How it ended.
    pub outcome: Outcome,
    /// The version that it made active, or that waits.
    pub version: Option<VersionId>,
    /// Numbers that came in.
    pub added: u64,
    /// Numbers that went.
    pub removed: u64,
    /// Numbers that were in both.
    pub unchanged: u64,
    /// What went wrong, or why there was nothing to do.
    pub message: String,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// The source did not give what it should.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// It was stopped from outside.
    #[error("stopped")]
    Outside,
    /// The files could not be loaded.
    #[error("load {files}: {why}")]
    Load {
        files: String,
        #[source]
        why: import::Error,
    },
}

/// A file that need not be loaded, or the file.
enum Got {
    Known(VersionId),
    File(Arrived),
}

// === impl Work ===

impl<C: Cluster> Work<'_, C> {
    /// Syncs a registry with its source, which `key` opens. Never fails: what went wrong is in what came of it.
    pub async fn run(&self, registry: &Registry, url: &str, key: Option<&str>) -> Worked {
        let place = Place::parse(url).map_or_else(|_| "the source".to_owned(), |place| place.to_string());
        let mut done = Worked::nothing();
        if let Err(why) = self.all(registry, url, key, &mut done).await {
            done.outcome = match &why {
                Stopped::Load { why: import::Error::Held { .. }, .. } => Outcome::Held,
                // It is active; that not everybody could be told is in the message.
                Stopped::Load { why: import::Error::NotTold { .. }, .. } => Outcome::Done,
                _ => Outcome::Failed,
            };
            done.message = format!("{place}: {why}");
        }
        done.message = done.message.chars().take(MAX_MESSAGE).collect();
        done
    }

    async fn all(&self, registry: &Registry, url: &str, key: Option<&str>, done: &mut Worked) -> Result<(), Stopped> {
        let today = crate::clock::today();
        let source = Source::open(url, key, today, self.options, self.limit)?;
        self.now.phase(Phase::Listing, 0);
        let offers = self.again(|| source.list(self.began_ms).boxed()).await?;
        let offered = offers.len();
        let choice = choose(offers, &Loaded::of(registry));
        let total = choice.together.len() + choice.in_turn.len();
        if total > self.max_files {
            let max = self.max_files;
            return Err(SourceError::never(format!("{total} files are to be loaded, and {max} are at most")).into());
        }
        let mut known = None;
        let mut together = Vec::new();
        let mut bytes = 0;
        for offer in &choice.together {
            match self.get(registry, &source, url, offer, bytes).await? {
                Got::Known(version) => known = Some(version),
                Got::File(file) => {
                    bytes += file.bytes;
                    together.push(file);
                }
            }
        }
        if !together.is_empty() {
            self.load(registry, together, done).await?;
        }
        for offer in &choice.in_turn {
            // What is active may be of this sync by now.
            let catalog = self.cluster.known();
            let registry = catalog.catalog.registries.get(&registry.id).unwrap_or(registry);
            match self.get(registry, &source, url, offer, 0).await? {
                Got::Known(version) => known = Some(version),
                Got::File(file) => self.load(registry, vec![file], done).await?,
            }
        }
        if done.outcome == Outcome::Skipped {
            done.message = match known {
                Some(version) if registry.active == Some(version) => format!("version {version} has all that is there"),
                Some(version) => format!("version {version} has what is there, and it is not active"),
                None if offered == 0 => "there is no list yet".into(),
                None => "what is there is older than what is active".into(),
            };
        }
        Ok(())
    }

    /// Downloads a file, unless a version holds it already. `before` is how many bytes have come for the same load.
    async fn get(
        &self,
        registry: &Registry,
        source: &Source,
        url: &str,
        offer: &Offer,
        before: u64,
    ) -> Result<Got, Stopped> {
        let loaded = Loaded::of(registry);
        let seen = self.seen.get(registry.id, url, &offer.path);
        // What it has seen under this mark need not be fetched again if it is loaded.
        let held = seen.and_then(|(mark, sha256)| Some((loaded.holds(&[sha256])?, mark)));
        if let Some((version, mark)) = &held
            && !offer.mark.is_empty()
            && offer.mark == *mark
        {
            return Ok(Got::Known(*version));
        }
        let known = held.as_ref().map(|(_, mark)| mark.as_str()).filter(|mark| !mark.is_empty());
        self.now.phase(Phase::Fetching, offer.bytes.unwrap_or(0));
        let max_bytes = self.max_bytes.saturating_sub(before);
        let attempt = || {
            let fetch = async {
                let spool = Spool::create(self.spool_dir, max_bytes)?.told_to(self.now.clone());
                source.fetch(offer, known, spool).await
            };
            fetch.boxed()
        };
        let fetched = self.again(attempt).await.map_err(|why| match why {
            Stopped::Source(why) => Stopped::Source(why.while_doing(&offer.name)),
            other => other,
        })?;
        match (fetched, held) {
            (Fetched::Unchanged, Some((version, _))) => Ok(Got::Known(version)),
            (Fetched::Unchanged, None) => {
                Err(SourceError::never("it says that the file is unchanged, and was not asked that").into())
            }
            (Fetched::Whole { file, mark }, _) => {
                self.seen.put(registry.id, url, &offer.path, mark, file.sha256);
                Ok(loaded.holds(&[file.sha256]).map_or(Got::File(file), Got::Known))
            }
        }
    }

    /// Loads files together, as one version.
    async fn load(&self, registry: &Registry, files: Vec<Arrived>, done: &mut Worked) -> Result<(), Stopped> {
        let named: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
        let named = match &named[..] {
            [first, rest @ ..] if !rest.is_empty() => format!("{first} and {} more", rest.len()),
            names => names.join(", "),
        };
        let failed = |why| Stopped::Load { files: named.clone(), why };
        let dates = files.iter().filter(|file| declared_by_name(&file.name).list_date.is_none());
        let list_date = dates.filter_map(|file| file.list_date).min().map_or_else(String::new, |date| date.to_string());
        let silent = files.iter().any(|file| declared_by_name(&file.name).areas.is_empty());
        // Files that do not say for what they speak, speak for what the operator said before.
        let (everywhere, covers) = if silent { Loaded::of(registry).covers() } else { (false, Vec::new()) };
        let said = everywhere || !covers.is_empty();
        let header = v1::ImportHeader {
            registry: registry.name.clone(),
            list_date,
            covers,
            covers_everywhere: everywhere,
            ..v1::ImportHeader::default()
        };
        // Kept for a second try: whether a file says by its tags what it covers shows only when it is read.
        let mut again = Vec::new();
        let mut first = Vec::new();
        for file in files {
            again.push(received(&file).map_err(|why| failed(why.into()))?);
            first.push(Received { name: file.name, file: file.file, bytes: file.bytes, sha256: file.sha256 });
        }
        let loaded = match self.import(header.clone(), first).await? {
            Err(import::Error::Coverage(_)) if said && must_declare(registry.kind) => {
                let silent = v1::ImportHeader { covers: Vec::new(), covers_everywhere: false, ..header };
                for file in &mut again {
                    file.file.seek(SeekFrom::Start(0)).map_err(|why| failed(why.into()))?;
                }
                self.import(silent, again).await?
            }
            other => other,
        };
        match loaded {
            Ok(result) => {
                info!(registry = registry.name, version = result.version, "list fetched and loaded");
                done.outcome = Outcome::Done;
                done.version = Some(VersionId(result.version));
                done.added += result.added;
                done.removed += result.dropped;
                done.unchanged = result.unchanged;
                if !done.message.is_empty() {
                    done.message.push_str(", ");
                }
                done.message.push_str(&named);
                Ok(())
            }
            Err(why) => {
                done.version = match &why {
                    import::Error::NotTold { version, .. } => Some(*version),
                    _ => done.version,
                };
                Err(failed(why))
            }
        }
    }

    /// Runs one import to its end: whoever stops it before the activation waits until it has cleaned up.
    async fn import(
        &self,
        header: v1::ImportHeader,
        files: Vec<Received>,
    ) -> Result<Result<v1::ImportResult, import::Error>, Stopped> {
        let slot = loop {
            match self.imports.slot() {
                Ok(slot) => break slot,
                Err(_) => self.unless_stopped(sleep(SLOT_PAUSE)).await?,
            }
        };
        if self.stop.is_cancelled() {
            return Err(Stopped::Outside);
        }
        let (sender, events) = mpsc::channel(EVENTS);
        let mut events = Some(events);
        let mut run = self.imports.run_files(slot, header, files, Progress::new(sender)).boxed();
        loop {
            tokio::select! {
                outcome = &mut run => return Ok(outcome),
                // Nobody listens any more: before its last step an import ends by that, and gives its version up.
                () = self.stop.cancelled(), if events.is_some() => events = None,
                event = next(&mut events) => match event {
                    Some(Ok(v1::ImportEvent { event: Some(v1::import_event::Event::Progress(progress)) })) => {
                        self.now.import(&progress);
                    }
                    Some(_) => {}
                    None => events = None,
                },
            }
        }
    }

    /// Tries until it goes well, or no more.
    async fn again<'b, T>(
        &self,
        mut attempt: impl FnMut() -> BoxFuture<'b, Result<T, SourceError>>,
    ) -> Result<T, Stopped> {
        let patience = Patience::of(self.options);
        let mut number = 0;
        loop {
            let why = match self.unless_stopped(attempt()).await? {
                Ok(done) => return Ok(done),
                Err(why) => why,
            };
            let Some(pause) = patience.pause(number, &why, rand::random()) else {
                let tried = number + 1;
                return Err(Stopped::Source(if tried == 1 {
                    why
                } else {
                    why.while_doing(&format!("after {tried} tries"))
                }));
            };
            info!(attempt = number, ?pause, error = %why, "a source is to be tried again");
            self.unless_stopped(sleep(pause)).await?;
            number += 1;
        }
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            done = work => Ok(done),
            () = self.stop.cancelled() => Err(Stopped::Outside),
        }
    }
}

/// Whether lists must say for what they speak.
fn must_declare(kind: RegistryKind) -> bool {
    matches!(kind, RegistryKind::Federal | RegistryKind::State)
}

/// The same file once more. Where it is read is shared.
fn received(file: &Arrived) -> std::io::Result<Received> {
    Ok(Received { name: file.name.clone(), file: file.file.try_clone()?, bytes: file.bytes, sha256: file.sha256 })
}

/// The next event, if anybody listens.
async fn next<T>(events: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

// === impl Worked ===

impl Worked {
    fn nothing() -> Self {
        Self { outcome: Outcome::Skipped, version: None, added: 0, removed: 0, unchanged: 0, message: String::new() }
    }

    /// It failed before anything was asked of the source.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, message: message.into(), ..Self::nothing() }
    }
}
