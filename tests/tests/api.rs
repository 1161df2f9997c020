//! The interfaces that callers and operators see, on a live cluster.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::number::PhoneNumber;
use dnc_tests::cluster::Cluster;
use dnc_tests::http;
use dnc_tests::numbers::Numbers;
use dnc_tests::wait::until;
use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

/// All that the product itself can say.
const VERBOSE: &str =
    "info,dnc_core=trace,dnc_consensus=trace,dnc_meta=trace,dnc_node=trace,dnc_router=trace,dnc=trace";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_answers_under_the_paths_and_names_of_the_specification() -> Result<()> {
    let cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    let imported = cluster.import(&numbers.list_files()).await?;
    let rest = cluster.routers[0].http;
    let (listed, clear) = (numbers.listed[0].to_string(), numbers.clear[0].to_string());
    let (uncovered, own) = (numbers.uncovered[0].to_string(), numbers.own[0][0].to_string());

    // One number, by path.
    let answer = http::get(rest, &format!("/api/v1/dnc/check/{listed}?call_id=c-1&checked_by=agent")).await?;
    ensure!(answer.status == 200 && answer.header("content-type").starts_with("application/json"), "{answer:?}");
    let found = answer.json()?;
    ensure!(found["phone_number"] == listed.as_str() && found["verdict"] == "LISTED", "{found}");
    ensure!(found["on_dnc_list"] == true && found["may_call"] == false && found["call_id"] == "c-1", "{found}");
    ensure!(found["reasons"] == json!(["federal_dnc_registry"]) && found["sources"] == json!(["federal"]), "{found}");
    ensure!(found["revision"].as_u64() >= Some(imported.revision), "{found}");
    ensure!(found["checked_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{found}");
    let evidence = &found["evidence"][0];
    ensure!(evidence["registry"] == "federal" && evidence["listed"] == true, "{found}");
    ensure!(evidence["version"] == imported.version, "{found}");
    ensure!(evidence["list_date"].as_str().is_some_and(|date| date.len() == 10), "{found}");
    ensure!(evidence["file"].as_str().is_some_and(|file| file.ends_with("_SAMPLE.txt")), "{found}");

    // One number, by body.
    let check = |number: &str| json!({ "phone_number": number });
    let found = http::post(rest, "/api/v1/dnc/check", &check(&clear)).await?.json()?;
    ensure!(found["verdict"] == "CLEAR" && found["may_call"] == true && found["on_dnc_list"] == false, "{found}");
    ensure!(found["reasons"] == json!([]), "{found}");
    let found = http::post(rest, "/api/v1/dnc/check", &check(&uncovered)).await?.json()?;
    ensure!(found["verdict"] == "UNKNOWN" && found["unknown_cause"] == "not_covered", "{found}");
    ensure!(found["may_call"] == false && found["on_dnc_list"] == Value::Null, "{found}");

    // In bulk, in order, with an error in its place.
    let texts = json!([uncovered, "nonsense", listed, clear, listed]);
    let found = http::post(rest, "/api/v1/dnc/check/bulk", &json!({ "phone_numbers": texts })).await?.json()?;
    ensure!(found["total_checked"] == 5 && found["total_on_list"] == 2 && found["total_errors"] == 1, "{found}");
    let results = found["results"].as_array().context("a list")?;
    let verdicts: Vec<Value> = results.iter().map(|result| result["verdict"].clone()).collect();
    ensure!(json!(verdicts) == json!(["UNKNOWN", null, "LISTED", "CLEAR", "LISTED"]), "{found}");
    ensure!(found["results"][1]["error"].as_str().is_some_and(|error| !error.is_empty()), "{found}");
    ensure!(found["revision"].is_u64() && found["checked_at"].is_string(), "{found}");

    // Suppressions by both paths, seen at the other router, and released.
    let other = cluster.routers[1].http;
    for path in ["/api/v1/dnc/suppression", "/api/v1/dnc/internal"] {
        let body = json!({ "phone_number": own, "reason": "asked", "added_by": "agent" });
        let added = http::post(rest, path, &body).await?;
        ensure!(added.status == 201, "{path}: {} {}", added.status, added.text());
        ensure!(added.json()?["suppression_id"].as_str().is_some_and(|id| id.len() == 32), "{}", added.text());
        let found = http::get(other, &format!("/api/v1/dnc/check/{own}")).await?.json()?;
        ensure!(found["verdict"] == "LISTED" && found["reasons"] == json!(["consumer_opt_out"]), "{found}");
        let path = format!("/api/v1/dnc/internal/{own}?reason=mistake&removed_by=agent");
        let removed = http::send(rest, "DELETE", &path, &[], "").await?;
        ensure!(removed.status == 200 && removed.json()?["removed"] == 1, "{}", removed.text());
        let found = http::get(other, &format!("/api/v1/dnc/check/{own}")).await?.json()?;
        ensure!(found["verdict"] == "CLEAR", "{found}");
        let again = http::send(rest, "DELETE", &path, &[], "").await?;
        ensure!(again.status == 404, "{} {}", again.status, again.text());
    }

    // Errors are problems.
    for (method, path, status) in [
        ("GET", "/api/v1/dnc/check/nonsense", 400),
        ("GET", "/api/v1/dnc/nothing", 404),
        ("PUT", "/api/v1/dnc/check", 405),
        ("POST", "/api/v1/dnc/check", 415),
    ] {
        let answer = http::send(rest, method, path, &[], "").await?;
        ensure!(answer.status == status, "{method} {path}: {} {}", answer.status, answer.text());
        ensure!(answer.header("content-type") == "application/problem+json", "{method} {path}: {:?}", answer.headers);
        ensure!(answer.json()?["status"] == status, "{}", answer.text());
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_found_in_the_logs_of_router_and_node_and_no_number_in_any() -> Result<()> {
    let mut cluster = Cluster::start_logging(VERBOSE).await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    let rest = cluster.routers[0].http;
    let own = &numbers.own[0][..10];

    // Every kind of request, in several ways of writing a number, good and bad.
    let id = [("x-request-id", "request-4711")];
    let listed = numbers.listed[0].to_string();
    let answer = http::send(rest, "GET", &format!("/api/v1/dnc/check/{listed}"), &id, "").await?;
    ensure!(answer.status == 200 && answer.header("x-request-id") == "request-4711", "{answer:?}");
    let unnamed = http::get(rest, &format!("/api/v1/dnc/check/{listed}")).await?;
    ensure!(unnamed.header("x-request-id").len() == 36, "one is made: {unnamed:?}");
    let router = cluster.router(1).await?;
    for number in own {
        let national = number.to_string()[2..].to_owned();
        let dashed = format!("{}-{}-{}", &national[..3], &national[3..6], &national[6..]);
        router.suppress(&dashed, "").await?;
        router.check_text(&national).await?;
        let body = json!({ "phone_numbers": [national, dashed, format!("{national}x")] });
        http::post(rest, "/api/v1/dnc/check/bulk", &body).await?;
        ensure!(router.check_text(&format!("{dashed} ext. 5")).await.is_err());
        ensure!(router.suppress(&number.to_string(), "nowhere").await.is_err());
        ensure!(router.suppress(&number.to_string(), "federal").await.is_err());
        http::get(rest, &format!("/api/v1/dnc/nothing/{national}")).await?;
        http::send(
            rest,
            "POST",
            "/api/v1/dnc/check",
            &[("content-type", "application/json")],
            format!("{{\"phone_number\": {national}"),
        )
        .await?;
        router.release(&dashed, "").await?;
    }
    let bad = dnc_tests::grpc::Upload::new("bad.csv", format!("phone\n{}\n{}x\n", &listed[2..], &listed[2..]));
    ensure!(router.import(dnc_tests::grpc::into_registry("federal"), &[bad]).await.is_err());

    // The request's id, in the router that was asked and in nodes that answered.
    let logs = |processes: &[dnc_tests::process::Process]| -> Result<Vec<String>> {
        processes.iter().map(dnc_tests::process::Process::log_text).collect()
    };
    until(Duration::from_secs(10), "the request in the logs", || async {
        let router = logs(&cluster.routers)?[0].contains("request-4711");
        let node = logs(&cluster.nodes)?.iter().any(|log| log.contains("request-4711"));
        ensure!(router, "not in the router's log");
        ensure!(node, "in no node's log");
        Ok(Some(()))
    })
    .await?;
    // Restarts log too, of what they find.
    cluster.kill_all()?;
    cluster.run_all().await?;

    let used: Vec<PhoneNumber> = own.iter().chain(&numbers.listed).chain(&numbers.clear).copied().collect();
    for process in cluster.processes() {
        let log = process.log_text()?;
        ensure!(log.lines().count() > 3, "{} logs nothing", process.name());
        for number in &used {
            let national = number.to_string()[2..].to_owned();
            let (area, exchange, line) = (&national[..3], &national[3..6], &national[6..]);
            let written = [
                national.clone(),
                format!("{area}-{exchange}-{line}"),
                format!("{area},{exchange}{line}"),
                format!("{area}) {exchange}"),
                format!("{exchange}-{line}"),
            ];
            for text in written {
                let found = log.lines().find(|logged| logged.contains(&text));
                ensure!(found.is_none(), "a number in the log of {}: {}", process.name(), found.unwrap_or_default());
            }
        }
        // Lines are JSON, each with its level and time.
        for line in log.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| format!("{}: {line}", process.name()))?;
            ensure!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
        }
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_tells_how_it_is() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let numbers = Numbers::for_clients(1);
    cluster.import(&numbers.list_files()).await?;
    let listed = numbers.listed[0];
    for index in 0..2 {
        cluster.router(index).await?.check(listed).await?;
        cluster.router(index).await?.suppress(&numbers.own[0][index].to_string(), "").await?;
    }
    for process in cluster.processes() {
        let name = process.name();
        for path in ["/healthz", "/readyz"] {
            let answer = http::get(process.http, path).await?;
            ensure!(answer.status == 200, "{name} {path}: {} {}", answer.status, answer.text());
        }
        let metrics = http::get(process.http, "/metrics").await?;
        ensure!(metrics.status == 200 && metrics.header("content-type").starts_with("text/plain"), "{metrics:?}");
        let text = metrics.text();
        ensure!(text.lines().any(|line| line.starts_with("dnc_")), "{name} measures nothing: {text}");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            ensure!(value.parse::<f64>().is_ok(), "{name}: not a sample: {line}");
            ensure!(!line.contains(&listed.to_string()[2..]), "{name}: a number in a metric: {line}");
        }
    }
    for (index, router) in cluster.routers.iter().enumerate() {
        let text = http::get(router.http, "/metrics").await?.text();
        let counted = text.lines().any(|line| line.starts_with("dnc_checks_total") && line.contains("listed"));
        ensure!(counted, "router {index} counts no checks: {text}");
    }
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_health_and_reflection_answer() -> Result<()> {
    let cluster = Cluster::start().await?;
    for index in 0..2 {
        let channel = cluster.router(index).await?.channel();
        for service in ["", "dnc.v1.CheckService", "dnc.v1.RegistryService", "dnc.v1.SuppressionService"] {
            let request = HealthCheckRequest { service: service.into() };
            let answer = HealthClient::new(channel.clone()).check(request).await?.into_inner();
            ensure!(answer.status() == ServingStatus::Serving, "{service:?}: {answer:?}");
        }
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel);
        let mut answers = client.server_reflection_info(tokio_stream::iter([request])).await?.into_inner();
        let answer: ServerReflectionResponse = answers.message().await?.context("an answer")?;
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            anyhow::bail!("no list of services: {answer:?}");
        };
        let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
        for service in ["dnc.v1.CheckService", "dnc.v1.RegistryService", "dnc.v1.SuppressionService"] {
            ensure!(names.contains(&service), "{service} is not among {names:?}");
        }
        ensure!(names.iter().all(|name| !name.contains("internal")), "only the public API is shown: {names:?}");
    }
    cluster.passed()
}
