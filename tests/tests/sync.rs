//! Lists fetched by a real cluster: on request and by schedule, by one router at a time, seen by all.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1;
use dnc_proto::v1::registry_service_client::RegistryServiceClient;
use dnc_tests::cluster::Cluster;
use dnc_tests::http;
use dnc_tests::numbers::{self, list_file, number};
use dnc_tests::wait::until;
use serde_json::{Value, json};

/// A file counts once it was left alone for half a minute.
const SETTLE: Duration = Duration::from_secs(90);

/// Gives `federal` a folder to fetch from.
async fn watch(cluster: &Cluster, folder: &Path, schedule: Option<&str>) -> Result<()> {
    let settings = v1::RegistrySettings {
        url: Some(format!("file://{}", folder.display())),
        schedule: schedule.map(|cron| v1::Schedule { cron: cron.into(), time_zone: "UTC".into() }),
        ..v1::RegistrySettings::default()
    };
    let request = v1::UpdateRegistryRequest {
        registry: "federal".into(),
        settings: Some(settings),
        ..v1::UpdateRegistryRequest::default()
    };
    let mut client = RegistryServiceClient::new(cluster.router(0).await?.channel());
    client.update_registry(request).await?;
    Ok(())
}

fn put(folder: &Path, area: u16, lines: &[u16]) -> Result<()> {
    let listed: Vec<_> = lines.iter().map(|line| number(area, *line)).collect();
    let file = list_file(numbers::today(), area, &listed);
    // As a careful sender does it: under another name until it is whole.
    let half = folder.join(format!("{}.part", file.name));
    std::fs::write(&half, &file.text)?;
    std::fs::rename(half, folder.join(&file.name)).context("put the list into the folder")
}

async fn history(cluster: &Cluster, router: usize) -> Result<Vec<Value>> {
    let answer = http::get(cluster.routers[router].http, "/api/v1/dnc/registries/federal/syncs").await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(answer.json()?["syncs"].as_array().context("a list")?.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_put_into_a_folder_judges_at_all_routers_once_it_was_fetched() -> Result<()> {
    let cluster = Cluster::start().await?;
    let folder = tempfile::tempdir()?;
    watch(&cluster, folder.path(), None).await?;
    put(folder.path(), 301, &[100])?;
    let (listed, clear) = (number(301, 100), number(301, 101));
    let before = cluster.router(1).await?.check(listed).await?;
    ensure!(before == Verdict::Unknown(Cause::NotCovered), "{before:?} before");

    let rest = cluster.routers[0].http;
    let done = until(SETTLE, "the list to be fetched", || async {
        let started = http::post(rest, "/api/v1/dnc/sync/federal?wait=5", &json!({})).await?;
        ensure!([200, 202].contains(&started.status), "{} {}", started.status, started.text());
        let sync = started.json()?["syncs"][0].clone();
        ensure!(sync["status"] == "done", "{sync}");
        Ok(Some(sync))
    })
    .await?;
    ensure!(done["ended"]["records_added"] == 1, "{done}");
    for router in 0..2 {
        let router = cluster.router(router).await?;
        ensure!(router.check(listed).await? == Verdict::Listed && router.check(clear).await? == Verdict::Clear);
    }
    ensure!(history(&cluster, 1).await?[0]["status"] == "done");

    let again = http::post(rest, "/api/v1/dnc/registries/federal/sync?wait=9", &json!({})).await?;
    ensure!(again.json()?["status"] == "skipped", "{}", again.text());
    let refused = http::post(rest, "/api/v1/dnc/registries/internal/sync", &json!({})).await?;
    ensure!(refused.status == 409, "{} {}", refused.status, refused.text());
    let nobody = http::post(rest, "/api/v1/dnc/sync/state/TX", &json!({})).await?;
    ensure!(nobody.status == 404, "{} {}", nobody.status, nobody.text());
    let metrics = http::get(rest, "/metrics").await?.text();
    ensure!(metrics.contains("dnc_syncs_total{outcome=\"done\"} 1"), "{metrics}");
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_fetched_by_one_router_and_by_the_other_when_that_one_is_gone() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let folder = tempfile::tempdir()?;
    put(folder.path(), 302, &[100])?;
    watch(&cluster, folder.path(), Some("* * * * *")).await?;
    let done = |syncs: &[Value]| syncs.iter().filter(|sync| sync["status"] == "done").count();
    until(Duration::from_secs(180), "the schedule to fetch the list", || async {
        Ok((done(&history(&cluster, 1).await?) == 1).then_some(()))
    })
    .await?;
    ensure!(cluster.router(1).await?.check(number(302, 100)).await? == Verdict::Listed);

    cluster.routers[0].kill9()?;
    put(folder.path(), 303, &[100])?;
    until(Duration::from_secs(240), "the other router to fetch the next list", || async {
        Ok((done(&history(&cluster, 1).await?) == 2).then_some(()))
    })
    .await?;
    ensure!(cluster.router(1).await?.check(number(303, 100)).await? == Verdict::Listed);
    // At each time it was due one router fetched, not two.
    let mut minutes: Vec<String> = Vec::new();
    for sync in history(&cluster, 1).await?.iter().filter(|sync| sync["status"] != "failed") {
        minutes.push(sync["started_at"].as_str().context("a time")?.chars().take(16).collect());
    }
    let all = minutes.len();
    minutes.dedup();
    ensure!(minutes.len() == all, "{minutes:?}");
    cluster.passed()
}
