//! Whole syncs against sources that fail on demand, into a cluster that fails on demand.

mod claims;
mod http;
mod lookups;
mod s3;
mod server;
mod sftp;

use dnc_core::registry::{Fetch, SealedKey, Settings};

use super::*;
use crate::testing::Fake;

/// Two numbers of area 201.
const LIST: &str = "201,5550100\n201,5550101\n";

/// What a test syncs.
struct Bench {
    fake: Fake,
    syncs: Syncs<Fake>,
}

/// Limits that make a test end soon.
fn options() -> SyncOptions {
    SyncOptions {
        settle_s: 0,
        idle_ms: 300,
        connect_ms: 5_000,
        attempts: 3,
        pause_ms: 1,
        max_pause_ms: 2,
        lookup_ms: 500,
        ..SyncOptions::default()
    }
}

/// The name of a list of yesterday for an area, as the national registry gives it.
fn list_name(area: &str) -> String {
    let yesterday = clock::today().yesterday().expect("there is one");
    format!("{yesterday}_{area}_x.txt")
}

// === impl Bench ===

impl Bench {
    /// A cluster whose registry `federal` has this source.
    fn new(url: &str, options: SyncOptions) -> Self {
        Self::on(Fake::founded(), url, options)
    }

    fn on(fake: Fake, url: &str, sync: SyncOptions) -> Self {
        let mut options = Options { sync, ..Options::default() };
        options.import.max_bytes = 100_000;
        let (options, stop) = (Arc::new(options), CancellationToken::new());
        let imports = Imports::new(fake.clone(), Arc::clone(&options), stop.clone());
        let syncs = Syncs::new(fake.clone(), imports, options, Secrets::default(), stop).on_router("r1:1");
        let bench = Self { fake, syncs };
        bench.set(|fetch| fetch.url = url.into());
        bench
    }

    /// The same, with a key for its source.
    fn with_key(self, key: &str) -> Self {
        let secrets = crate::secrets::tests::secrets(7);
        let sealed: SealedKey = secrets.seal(self.registry().id, key).expect("sealed");
        self.set(|fetch| fetch.key = Some(sealed));
        Self { syncs: self.syncs.with_secrets(secrets), ..self }
    }

    fn registry(&self) -> Registry {
        self.fake.known().catalog.registry_named("federal").expect("founded").clone()
    }

    /// Changes where lists come from.
    fn set(&self, change: impl FnOnce(&mut Fetch)) {
        let registry = self.registry();
        let none = Fetch { url: String::new(), lookup_url: String::new(), key: None };
        let mut fetch = registry.settings.fetch.clone().unwrap_or(none);
        change(&mut fetch);
        // As fast as it can be.
        let settings = Settings { fetch: Some(fetch), rate_limit: u16::MAX, ..registry.settings };
        self.fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
    }

    /// Syncs, and gives what came of it.
    async fn sync(&self) -> SyncRecord {
        let started = self.syncs.start("federal").await.expect("started");
        self.syncs.wait(&started, MAX_WAIT).await.expect("ended in time")
    }

    /// Numbers of the active version.
    fn numbers(&self) -> usize {
        self.fake.numbers("federal").len()
    }
}

#[tokio::test]
async fn files_put_into_a_folder_are_loaded_once_and_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("written");
    let bench = Bench::new(&format!("file://{}", folder.path().display()), options());
    let nothing = bench.sync().await;
    assert_eq!((nothing.outcome, nothing.message.as_str()), (Outcome::Skipped, "there is no list yet"));

    put(&list_name("201"), LIST);
    put(&list_name("818"), "818,5550100\n");
    put("half.txt.part", "201,55501");
    let first = bench.sync().await;
    assert_eq!((first.outcome, first.added, first.removed), (Outcome::Done, 3, 0), "{first:?}");
    assert_eq!((first.trigger, first.version), (Trigger::Request, bench.registry().active));

    let again = bench.sync().await;
    assert_eq!(again.outcome, Outcome::Skipped, "{again:?}");
    assert!(again.message.contains("has all that is there"), "{}", again.message);

    put(&list_name("201"), "201,5550101\n");
    let changed = bench.sync().await;
    assert_eq!((changed.outcome, changed.removed, bench.numbers()), (Outcome::Done, 1, 2), "{changed:?}");
}

#[tokio::test]
async fn a_bad_list_leaves_the_one_before_and_says_where_it_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |content: &str| std::fs::write(folder.path().join(list_name("201")), content).expect("written");
    let bench = Bench::new(&format!("file://{}", folder.path().display()), options());
    put(LIST);
    assert_eq!(bench.sync().await.outcome, Outcome::Done);
    put("201,5550100\n201,555x1999\n");
    let bad = bench.sync().await;
    assert_eq!((bad.outcome, bench.numbers()), (Outcome::Failed, 2), "{bad:?}");
    assert!(bad.message.contains("line 2") && !bad.message.contains("x1999"), "{}", bad.message);
    assert_eq!(bench.registry().state_at(u64::MAX), dnc_core::registry::RegistryState::Error);
    put(LIST);
    assert_eq!(bench.sync().await.outcome, Outcome::Skipped);
}

#[tokio::test]
async fn only_a_registry_that_has_a_source_and_is_active_is_synced() {
    let bench = Bench::new("file:///nowhere", options());
    assert!(matches!(bench.syncs.start("nobody").await, Err(Error::UnknownRegistry)));
    assert!(matches!(bench.syncs.start("internal").await, Err(Error::Live(_))));
    bench.fake.registry("tx", RegistryKind::State);
    assert!(matches!(bench.syncs.start("tx").await, Err(Error::NoSource(_))));
    assert!(matches!(bench.syncs.start_all(RegistryKind::State, Some("TX")).await, Err(Error::NoneOfThem(_))));
    let registry = bench.registry();
    let settings = Settings { enabled: false, ..registry.settings.clone() };
    bench.fake.change(Change::UpdateRegistry { registry: registry.id, edition: registry.edition, settings });
    assert!(matches!(bench.syncs.start("1").await, Err(Error::Inactive(_))));
}

#[tokio::test]
async fn registries_are_started_by_type_and_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = Bench::new(&format!("file://{}", folder.path().display()), options());
    let started = bench.syncs.start_all(RegistryKind::Federal, None).await.expect("started");
    assert_eq!(started.len(), 1);
    assert!(same_place("TX", "us-tx") && same_place("US-TX", "tx") && !same_place("TX", "T"));
}
