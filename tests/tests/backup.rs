//! Backups made of a real cluster under writes, and restored into one of another size: whatever was acknowledged before
//! the backup began is there, judged and told as before; what is damaged, half made or not wanted is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnc_core::number::PhoneNumber;
use dnc_proto::v1;
use dnc_router::client::Client;
use dnc_tests::cluster::{Cluster, Loopback, Place, Places, READY_LIMIT, Size, Victim};
use dnc_tests::grpc::{Upload, into_registry, verdict};
use dnc_tests::numbers::{self, Numbers, list_file, number};
use dnc_tests::process::Role;
use dnc_tests::wait::until;
use serde_json::Value;

const SOURCE: Founding = Founding { nodes: 3, shards: 16 };
const TARGET: Founding = Founding { nodes: 4, shards: 5 };
const TENANTS: [&str; 2] = ["default", "acme"];
const LIMIT: Duration = Duration::from_secs(60);

/// How large a cluster is founded.
#[derive(Clone, Copy)]
struct Founding {
    nodes: usize,
    shards: u32,
}

/// What is true of a cluster, as plain sets.
#[derive(Clone, Default)]
struct Truth {
    /// On the federal list, or on the state's.
    listed: BTreeSet<PhoneNumber>,
    covered: BTreeSet<PhoneNumber>,
    /// By tenant.
    suppressed: BTreeMap<&'static str, BTreeSet<PhoneNumber>>,
    exempt: BTreeMap<&'static str, BTreeSet<PhoneNumber>>,
    ruled: BTreeMap<&'static str, BTreeSet<PhoneNumber>>,
    /// Written while the backup was made: either is right.
    open: BTreeSet<PhoneNumber>,
}

/// Everything that a cluster tells of what it holds.
#[derive(Debug, PartialEq)]
struct Told {
    /// Entries that stand and those that were removed, by tenant and id.
    entries: BTreeMap<(&'static str, String), v1::Suppression>,
    exemptions: Vec<v1::Exemption>,
    registries: Vec<v1::Registry>,
    tenants: Vec<v1::Tenant>,
    rules: Vec<v1::Rule>,
}

// === impl Founding ===

impl Founding {
    async fn start(mut self) -> Result<Cluster> {
        Cluster::start_in(Size { meta: 1, nodes: self.nodes, routers: 1 }, &mut self).await
    }
}

impl Places for Founding {
    fn place(&mut self, process: Victim, data: &Path) -> Result<Place> {
        let mut place = Loopback.place(process, data)?;
        if process.role == Role::Meta {
            let settings = [("DNC_SHARDS", self.shards.to_string()), ("DNC_INITIAL_NODES", self.nodes.to_string())];
            place.around.variables.extend(settings.map(|(name, value)| (name.to_owned(), value)));
        }
        Ok(place)
    }
}

// === impl Truth ===

impl Truth {
    fn of(&self, tenant: &str, number: PhoneNumber) -> &'static str {
        let has = |sets: &BTreeMap<&'static str, BTreeSet<PhoneNumber>>| {
            sets.get(tenant).is_some_and(|numbers| numbers.contains(&number))
        };
        let lifted = has(&self.exempt);
        match () {
            () if has(&self.suppressed) || has(&self.ruled) => "Listed",
            () if self.listed.contains(&number) && !lifted => "Listed",
            () if self.covered.contains(&number) => "Clear",
            () => "Unknown(NotCovered)",
        }
    }

    fn suppress(&mut self, tenant: &'static str, number: PhoneNumber) {
        self.suppressed.entry(tenant).or_default().insert(number);
    }
}

fn client(cluster: &Cluster, tenant: &str) -> Result<Client> {
    Ok(Client::new(cluster.router_urls())?.for_tenant(tenant)?)
}

fn addition(number: PhoneNumber) -> v1::AddSuppressionRequest {
    v1::AddSuppressionRequest {
        phone_number: number.to_string(),
        reason: "asked not to be called".into(),
        added_by: "tests".into(),
        ..v1::AddSuppressionRequest::default()
    }
}

/// Gives a cluster a bit of everything.
async fn fill(cluster: &Cluster, numbers: &Numbers) -> Result<Truth> {
    let mut truth = Truth::default();
    cluster.import(&numbers.list_files()).await?;
    // A second load, so that the active version is made from another one.
    let more = number(301, 100);
    cluster.import(&[list_file(numbers::today(), 301, &[more])]).await?;
    let router = cluster.router(0).await?;
    router.create_registry("tx", "state").await?;
    let state = number(212, 140);
    let file = Upload::from(list_file(numbers::today(), 212, &[state]));
    router.import(into_registry("tx"), &[file]).await?;
    truth.listed.extend(numbers.listed.iter().copied().chain([more, state]));
    let covered = numbers.listed.iter().chain(&numbers.clear).chain(numbers.own.iter().flatten());
    truth.covered.extend(covered.copied().chain((100..200).map(|line| number(301, line))));

    let everything = Some(v1::Holds { everything: true, registries: Vec::new() });
    let default = client(cluster, "default")?;
    default.create_tenant(v1::CreateTenantRequest { name: "acme".into(), holds: everything, requires: None }).await?;
    for tenant in TENANTS {
        let client = client(cluster, tenant)?;
        // Of every tenant some that stand, some with all that can be said, some removed, some that end.
        let own = &numbers.own[usize::from(tenant == "acme")];
        for number in &own[..40] {
            client.add_suppression(addition(*number)).await?;
            truth.suppress(tenant, *number);
        }
        let rich = v1::AddSuppressionRequest {
            origin: "company".into(),
            source: "web form, \"quoted\"".into(),
            consumer_name: "Zoë".into(),
            notes: "first\nsecond".into(),
            scope: "tenant".into(),
            expires_in: Some(86_400 * 365),
            metadata: [("ticket".to_owned(), "5, 6".to_owned())].into(),
            ..addition(own[40])
        };
        client.add_suppression(rich).await?;
        truth.suppress(tenant, own[40]);
        for number in &own[41..51] {
            client.add_suppression(addition(*number)).await?;
            let removal = v1::RemoveSuppressionRequest {
                phone_number: number.to_string(),
                reason: "entered by mistake".into(),
                removed_by: "tests".into(),
                ..v1::RemoveSuppressionRequest::default()
            };
            ensure!(client.remove_suppression(removal).await?.removed == 1);
        }
        let grant = |number: PhoneNumber| v1::GrantExemptionRequest {
            phone_number: number.to_string(),
            ground: "consent".into(),
            since: "2026-01-31".into(),
            proof: "form 7".into(),
            granted_by: "tests".into(),
            ..v1::GrantExemptionRequest::default()
        };
        let [lifted, revoked] = exempted(tenant, numbers);
        for number in [lifted, revoked] {
            client.grant_exemption(grant(number)).await?;
        }
        truth.exempt.entry(tenant).or_default().insert(lifted);
        let revocation = v1::RevokeExemptionRequest {
            phone_number: revoked.to_string(),
            reason: "taken back".into(),
            ..v1::RevokeExemptionRequest::default()
        };
        ensure!(client.revoke_exemption(revocation).await?.revoked == 1);
    }
    let rule = |kind: &str, pattern: &str, global| v1::AddRuleRequest {
        r#type: kind.into(),
        pattern: pattern.into(),
        author: "tests".into(),
        global,
        ..v1::AddRuleRequest::default()
    };
    default.add_rule(rule("area_code", "213", true)).await?;
    client(cluster, "acme")?.add_rule(rule("prefix", "214555", false)).await?;
    let in_area =
        |area: u16| truth.covered.iter().copied().filter(move |n| n.to_u64() / 10_000_000 == 1_000 + u64::from(area));
    let (all, own): (BTreeSet<_>, BTreeSet<_>) = (in_area(213).collect(), in_area(214).collect());
    truth.ruled.insert("default", all.clone());
    truth.ruled.insert("acme", &all | &own);
    Ok(truth)
}

/// A number of the federal list that a tenant may call, and one that it might.
fn exempted(tenant: &str, numbers: &Numbers) -> [PhoneNumber; 2] {
    let from = if tenant == "acme" { 20 } else { 30 };
    [numbers.listed[from], numbers.listed[from + 1]]
}

/// Every number of the tests, asked for by each tenant and held against the truth.
async fn judge(cluster: &Cluster, truth: &Truth, numbers: &Numbers) -> Result<()> {
    let own = numbers.own.iter().flatten();
    let all: BTreeSet<PhoneNumber> =
        truth.listed.iter().chain(&truth.covered).chain(&numbers.uncovered).chain(own).copied().collect();
    let all: Vec<PhoneNumber> = all.into_iter().filter(|number| !truth.open.contains(number)).collect();
    for tenant in TENANTS {
        let client = client(cluster, tenant)?;
        for some in all.chunks(1_000) {
            let items =
                some.iter().map(|number| v1::BulkItem { phone_number: number.to_string(), ..Default::default() });
            let request = v1::BulkCheckRequest { items: items.collect(), ..Default::default() };
            let answer = client.bulk_check(request).await?;
            ensure!(answer.results.len() == some.len());
            for (number, result) in some.iter().zip(&answer.results) {
                let (found, expected) = (format!("{:?}", verdict(result)?), truth.of(tenant, *number));
                ensure!(found == expected, "{tenant}, {number}: {found}, and should be {expected}");
            }
        }
    }
    Ok(())
}

/// Everything that a cluster tells of what it holds.
async fn told(cluster: &Cluster, numbers: &Numbers) -> Result<Told> {
    let mut entries = BTreeMap::new();
    let mut exemptions = Vec::new();
    let mut rules = Vec::new();
    for tenant in TENANTS {
        let client = client(cluster, tenant)?;
        for removed in [false, true] {
            let mut cursor = String::new();
            loop {
                let request = v1::SearchSuppressionsRequest { removed, limit: 1_000, cursor, ..Default::default() };
                let page = client.search_suppressions(request).await?;
                entries.extend(page.suppressions.into_iter().map(|e| ((tenant, e.suppression_id.clone()), e)));
                cursor = page.cursor;
                if cursor.is_empty() {
                    break;
                }
            }
        }
        for number in exempted(tenant, numbers) {
            let request = v1::ListExemptionsRequest { phone_number: number.to_string() };
            exemptions.extend(client.list_exemptions(request).await?.exemptions);
        }
        rules.extend(client.list_rules("").await?.rules);
    }
    let client = client(cluster, "default")?;
    let mut registries = client.list_registries().await?.registries;
    for registry in &mut registries {
        // Only the active version is restored, and it is made from no other.
        registry.versions.retain(|version| version.active);
        registry.versions.iter_mut().for_each(|version| version.parent = 0);
    }
    Ok(Told { entries, exemptions, registries, tenants: client.list_tenants().await?.tenants, rules })
}

/// What one writer had acknowledged, in the order in which it was.
type Acknowledged = Arc<Mutex<Vec<PhoneNumber>>>;

/// Suppresses one number after the other until told to stop.
fn write_on(
    client: Client,
    numbers: Vec<PhoneNumber>,
    stop: Arc<AtomicBool>,
) -> (Acknowledged, tokio::task::JoinHandle<Result<()>>) {
    let done: Acknowledged = Arc::default();
    let log = done.clone();
    let writing = tokio::spawn(async move {
        // Again and again the same ones if need be: each has room for 64 entries.
        for number in numbers.iter().cycle().take(numbers.len() * 50) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            client.add_suppression(addition(*number)).await?;
            log.lock().expect("nobody panics while holding it").push(*number);
        }
        bail!("the numbers ran out before the backup was done")
    });
    (done, writing)
}

/// `dnc backup ...`, as an operator types it.
fn dnc(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = Command::new(cluster.binary());
    command.arg("backup").args(arguments).args(["--output", "json", "--router"]).arg(cluster.router_urls().join(","));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(mut command: Command) -> Result<Output> {
    let running = tokio::task::spawn_blocking(move || command.output());
    Ok(tokio::time::timeout(Duration::from_secs(120), running).await.context("the command hangs")???)
}

async fn succeed(command: Command) -> Result<Value> {
    let output = run(command).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs what must be refused; what it says.
async fn refused(command: Command) -> Result<String> {
    let output = run(command).await?;
    ensure!(!output.status.success(), "it was done: {}", String::from_utf8_lossy(&output.stdout));
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a text")?.to_owned())
}

/// A copy of a place with one bit of one file flipped.
fn damaged(place: &Path, name: &str, file: &str, copy: &Path) -> Result<PathBuf> {
    let (from, to) = (place.join(name), copy.join(name));
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    let path = to.join(file);
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&path, bytes)?;
    Ok(copy.to_path_buf())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_writes_restores_into_a_cluster_of_another_size() -> Result<()> {
    let place = tempfile::tempdir()?;
    let at = url(place.path());
    let source = SOURCE.start().await?;
    let numbers = Numbers::for_clients(3);
    let mut truth = fill(&source, &numbers).await?;
    judge(&source, &truth, &numbers).await?;
    let before = told(&source, &numbers).await?;

    // Two writers are at it: what they have acknowledged when the backup begins must be in it.
    let stop = Arc::new(AtomicBool::new(false));
    let pools = [numbers.own[0][60..].to_vec(), numbers.own[1][60..].to_vec()];
    let writers: Vec<_> = TENANTS
        .into_iter()
        .zip(pools)
        .map(|(tenant, pool)| Ok((tenant, pool.clone(), write_on(client(&source, tenant)?, pool, stop.clone()))))
        .collect::<Result<_>>()?;
    let acknowledged = |log: &Acknowledged| log.lock().expect("nobody panics while holding it").clone();
    until(LIMIT, "both writers to write", || async {
        Ok(writers.iter().all(|(_, _, (log, _))| acknowledged(log).len() > 20).then_some(()))
    })
    .await?;
    for (tenant, pool, (log, _)) in &writers {
        let sure = acknowledged(log);
        sure.iter().for_each(|number| truth.suppress(tenant, *number));
        truth.open.extend(pool.iter().filter(|number| !sure.contains(number)));
    }
    let made = succeed(dnc(&source, &["create", &at])).await?;
    stop.store(true, Ordering::Relaxed);
    for (_, _, (_, writing)) in writers {
        writing.await??;
    }
    let name = text(&made["backup"]["name"])?;
    let listed = succeed(dnc(&source, &["list", &at])).await?;
    ensure!(listed["backups"][0]["name"] == *name && listed["backups"][0]["state"] == "complete", "{listed}");
    succeed(dnc(&source, &["verify", &at, &name])).await?;
    let full = refused(dnc(&source, &["restore", &at, &name])).await?;
    ensure!(full.contains("not empty"), "{full}");
    source.passed()?;

    let mut target = TARGET.start().await?;
    // A damaged backup is refused by the name of the file, before anything is changed.
    for file in ["suppressions.jsonl", "catalog.json", "manifest.json"] {
        let elsewhere = tempfile::tempdir()?;
        let bad = url(&damaged(place.path(), &name, file, elsewhere.path())?);
        for act in ["verify", "restore"] {
            let why = refused(dnc(&target, &[act, &bad, &name])).await?;
            ensure!(why.contains(file) && why.contains("damaged"), "{act}: {why}");
        }
    }
    ensure!(client(&target, "default")?.list_registries().await?.registries.len() == 2, "nothing was changed");

    // A restore whose router is killed is run again.
    let mut first = dnc(&target, &["restore", &at, &name]).spawn()?;
    until(LIMIT, "the restore to begin", || async {
        let registries = client(&target, "default")?.list_registries().await?.registries;
        Ok((registries.len() != 2).then_some(()))
    })
    .await?;
    target.routers[0].kill9()?;
    first.wait()?;
    target.routers[0].restart(READY_LIMIT).await?;
    let done = succeed(dnc(&target, &["restore", &at, &name])).await?;
    ensure!(done["restored_at_revision"].as_u64().is_some_and(|revision| revision > 0), "{done}");

    judge(&target, &truth, &numbers).await?;
    let mut after = told(&target, &numbers).await?;
    // What was written meanwhile came on top.
    after.entries.retain(|id, _| before.entries.contains_key(id));
    for (id, entry) in &before.entries {
        ensure!(after.entries.get(id) == Some(entry), "{entry:?} became {:?}", after.entries.get(id));
    }
    ensure!(after == before, "{after:?}\nwas\n{before:?}");

    // It survives its processes, and goes on: ids are new, writes are taken, lists are loaded.
    target.kill_all()?;
    target.run_all().await?;
    judge(&target, &truth, &numbers).await?;
    let again = succeed(dnc(&target, &["restore", &at, &name])).await?;
    ensure!(again["restored_at_revision"].as_u64().is_some_and(|revision| revision > 0), "{again}");
    let fresh = numbers.own[2][0];
    client(&target, "acme")?.add_suppression(addition(fresh)).await?;
    truth.suppress("acme", fresh);
    let loaded = target.import(&[list_file(numbers::today(), 301, &[number(301, 101)])]).await?;
    truth.listed.remove(&number(301, 100));
    truth.listed.insert(number(301, 101));
    let old = before.registries.iter().map(|registry| registry.active_version).max();
    ensure!(Some(loaded.version) > old, "version {} was given before", loaded.version);
    judge(&target, &truth, &numbers).await?;
    target.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_backup_is_none() -> Result<()> {
    let place = tempfile::tempdir()?;
    let at = url(place.path());
    let cluster = SOURCE.start().await?;
    let missing = refused(dnc(&cluster, &["create", &url(&place.path().join("not-mounted"))])).await?;
    ensure!(missing.contains("no such folder"), "{missing}");
    // The catalog can be read, and no shard answers: it has begun, and does not go on.
    for node in &cluster.nodes {
        node.pause()?;
    }
    let mut making = dnc(&cluster, &["create", &at]).spawn()?;
    let listed = async || -> Result<Value> {
        let listed = succeed(dnc(&cluster, &["list", &at])).await?;
        Ok(listed["backups"].clone())
    };
    let found = until(LIMIT, "the backup to begin", || async {
        let backups = listed().await?;
        Ok(backups[0]["name"].as_str().map(str::to_owned))
    })
    .await?;
    making.kill()?;
    making.wait()?;
    for node in &cluster.nodes {
        node.resume()?;
    }
    // The router has given it up when it takes another one.
    let made =
        until(LIMIT, "the next backup", || async { Ok(Some(succeed(dnc(&cluster, &["create", &at])).await?)) }).await?;
    let whole = text(&made["backup"]["name"])?;
    let states: BTreeMap<String, String> = listed()
        .await?
        .as_array()
        .context("a list")?
        .iter()
        .map(|backup| Ok((text(&backup["name"])?, text(&backup["state"])?)))
        .collect::<Result<_>>()?;
    let expected = [(found.clone(), "incomplete"), (whole, "complete")].map(|(name, state)| (name, state.to_owned()));
    ensure!(states == BTreeMap::from(expected), "{states:?}");
    for act in ["verify", "restore"] {
        let why = refused(dnc(&cluster, &[act, &at, &found])).await?;
        ensure!(why.contains("not complete"), "{act}: {why}");
        let why = refused(dnc(&cluster, &[act, &at, "20260101T000000Z-00000000"])).await?;
        ensure!(why.contains("no backup"), "{act}: {why}");
    }
    cluster.passed()
}
