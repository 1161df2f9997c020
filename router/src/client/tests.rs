//! The client against gRPC servers on loopback, over a cluster that answers on demand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dnc_core::command::ShardCommand;
use dnc_core::registry::RegistryKind;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;

use super::suppress::suppressions;
use super::*;
use crate::api::grpc;
use crate::api::state::State;
use crate::options::Options;
use crate::serve::serve_grpc;
use crate::testing::{Fake, clear, listed, number};

/// Serves this cluster until the guard is dropped.
async fn serve(fake: &Fake) -> (String, DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let state = State::new(fake.clone(), Arc::new(Options::default()), stop.clone());
    let (routes, health) = grpc::routes(&state).expect("descriptors");
    grpc::report(&health, true).await;
    tokio::spawn(serve_grpc(listener, routes, state.admission.clone(), stop.clone()));
    (format!("http://{address}"), stop.drop_guard())
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    format!("http://{address}")
}

fn ask(phone_number: &str) -> v1::CheckRequest {
    v1::CheckRequest { phone_number: phone_number.into(), ..v1::CheckRequest::default() }
}

#[tokio::test]
async fn all_calls_go_through_a_real_connection() {
    let fake = Fake::founded();
    fake.judge(number("2015550100"), listed("federal"));
    fake.judge(number("2015550101"), clear("federal"));
    let (address, _stop) = serve(&fake).await;
    let client = Client::new([address]).expect("an address");
    let answer = client.check(ask("2015550100")).await.expect("answers");
    assert_eq!(answer.verdict(), v1::Verdict::Listed);

    let items =
        (0..10_000).map(|at| v1::BulkItem { phone_number: "2015550100".into(), correlation_id: format!("{at:0128}") });
    let bulk = v1::BulkCheckRequest { items: items.collect(), ..v1::BulkCheckRequest::default() };
    let answer = client.bulk_check(bulk).await.expect("answers");
    assert_eq!((answer.total_on_list, answer.results.len()), (10_000, 10_000));

    let requests = futures::stream::iter((0..1_000).map(|at| ask(&format!("201555{:04}", at % 102))));
    let answers = client.check_stream(requests).await.expect("opens");
    let verdicts: Vec<_> = answers.map(|a| a.expect("an answer").verdict()).collect().await;
    assert_eq!(verdicts.len(), 1_000);
    assert_eq!(verdicts[101], v1::Verdict::Clear);
    assert_eq!(verdicts[100], v1::Verdict::Listed);

    let added = client
        .add_suppression(v1::AddSuppressionRequest {
            phone_number: "2015550101".into(),
            ..v1::AddSuppressionRequest::default()
        })
        .await
        .expect("added");
    assert_eq!(added.registry, "internal");
    let removed = client
        .remove_suppression(v1::RemoveSuppressionRequest {
            phone_number: "2015550101".into(),
            reason: "mistake".into(),
            ..v1::RemoveSuppressionRequest::default()
        })
        .await
        .expect("removed");
    assert_eq!(removed.removed, 1);
    client
        .create_registry(v1::CreateRegistryRequest {
            name: "tx".into(),
            r#type: "state".into(),
            ..v1::CreateRegistryRequest::default()
        })
        .await
        .expect("made");
    let registries = client.list_registries().await.expect("listed").registries;
    assert_eq!(registries.len(), 3);
}

#[tokio::test]
async fn a_router_that_is_gone_is_passed_over() {
    let fake = Fake::founded();
    fake.judge(number("2015550100"), clear("federal"));
    let (address, _stop) = serve(&fake).await;
    let client = Client::new([nobody().await, address]).expect("addresses");
    for _ in 0..3 {
        let started = Instant::now();
        let answer = client.check(ask("2015550100")).await.expect("the other answers");
        assert!(answer.may_call);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    client
        .add_suppression(v1::AddSuppressionRequest {
            phone_number: "2015550100".into(),
            ..v1::AddSuppressionRequest::default()
        })
        .await
        .expect("the other takes it");
}

#[tokio::test]
async fn a_router_that_cannot_know_is_not_the_last_word_while_another_can() {
    let (blind, sighted) = (Fake::founded(), Fake::founded());
    sighted.judge(number("2015550100"), listed("federal"));
    let (first, _stop) = serve(&blind).await;
    let (second, _stop) = serve(&sighted).await;
    let client = Client::new([&first, &second]).expect("addresses");
    let answer = client.check(ask("2015550100")).await.expect("answers");
    assert_eq!(answer.verdict(), v1::Verdict::Listed);
    let alone = Client::new([first]).expect("an address");
    let started = Instant::now();
    let answer = alone.check(ask("2015550100")).await.expect("answers");
    assert_eq!(answer.unknown_cause(), v1::UnknownCause::Unavailable);
    assert!(started.elapsed() < Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_router_that_cannot_answer_yet_is_no_way_for_a_stream_or_an_import() {
    let fake = Fake::founded();
    let (ready, _stop) = serve(&fake).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let not_ready = format!("http://{}", listener.local_addr().expect("bound"));
    let stop = CancellationToken::new();
    let state = State::new(Fake::empty(), Arc::new(Options::default()), stop.clone());
    let (routes, health) = grpc::routes(&state).expect("descriptors");
    grpc::report(&health, false).await;
    tokio::spawn(serve_grpc(listener, routes, state.admission.clone(), stop.clone()));
    let alone = Client::new([&not_ready]).expect("an address");
    assert!(alone.check_stream(futures::stream::iter([ask("2015550100")])).await.is_err());
    let client = Client::new([not_ready, ready]).expect("addresses");
    let answers = client.check_stream(futures::stream::iter([ask("2015550100")])).await.expect("the other is ready");
    assert_eq!(answers.count().await, 1);
    stop.cancel();
}

#[tokio::test]
async fn a_refusal_comes_back_as_it_is() {
    let (address, _stop) = serve(&Fake::founded()).await;
    let client = Client::new([address]).expect("an address");
    let refused = client.check(ask("nonsense")).await.expect_err("no number");
    assert_eq!(refused.status().map(Status::code), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_repeated_under_the_same_id() {
    let fake = Fake::founded();
    fake.lose_writes(2);
    let (address, _stop) = serve(&fake).await;
    let client = Client::new([address]).expect("an address");
    let request =
        v1::AddSuppressionRequest { phone_number: "2015550100".into(), ..v1::AddSuppressionRequest::default() };
    let added = client.add_suppression(request).await.expect("at the third attempt");
    let ids: Vec<String> = fake
        .written()
        .into_iter()
        .filter_map(|(_, command)| match command {
            ShardCommand::Suppress(addition) => Some(addition.suppression.id.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, vec![added.suppression_id; 3]);
}

/// An addition to a registry that exists in some clusters only.
fn addition_to(registry: &str) -> v1::AddSuppressionRequest {
    v1::AddSuppressionRequest {
        phone_number: "2015550100".into(),
        registry: registry.into(),
        request_id: "0192f0c1-0000-7000-8000-000000000007".into(),
        ..v1::AddSuppressionRequest::default()
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_stays_unknown_when_another_router_refuses_it() {
    let (does, refuses) = (Fake::founded(), Fake::founded());
    does.registry("own", RegistryKind::Internal);
    does.lose_writes(1);
    let (first, _stop) = serve(&does).await;
    let (second, _stop) = serve(&refuses).await;
    let client = Client::new([first, second]).expect("addresses");
    let unknown = client.add_suppression(addition_to("own")).await.expect_err("not confirmed");
    assert_eq!(unknown.status().map(Status::code), Some(Code::NotFound));
    assert!(matches!(unknown, Error::Unknown { .. }), "{unknown}");
    assert!(unknown.to_string().contains("0192f0c1-0000-7000-8000-000000000007"), "{unknown}");
    assert_eq!(does.written().len(), 1);
}

#[tokio::test]
async fn a_write_that_only_a_router_that_refuses_it_has_seen_is_refused() {
    let (address, _stop) = serve(&Fake::founded()).await;
    let client = Client::new([nobody().await, address]).expect("addresses");
    let refused = client.add_suppression(addition_to("own")).await.expect_err("no such registry");
    assert_eq!(refused.status().map(Status::code), Some(Code::NotFound));
    assert!(matches!(refused, Error::Status(_)), "{refused}");
}

#[tokio::test]
async fn what_reached_no_router_was_not_done() {
    let client = Client::new([nobody().await, nobody().await]).expect("addresses");
    let send = async |channel, request| suppressions(channel).add_suppression(request).await;
    let failed = client.call(CHECKS, addition_to("own"), send).await.expect_err("nobody is there");
    assert_eq!(failed.status.code(), Code::Unavailable);
    assert!(!failed.maybe_done, "{failed:?}");
}

#[tokio::test]
async fn calls_can_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let client = Client::new([nobody().await]).expect("an address");
    is_send(&client.check(ask("2015550100")));
    is_send(&client.bulk_check(v1::BulkCheckRequest::default()));
    is_send(&client.check_stream(futures::stream::empty()));
    is_send(&client.add_suppression(v1::AddSuppressionRequest::default()));
    is_send(&client.remove_suppression(v1::RemoveSuppressionRequest::default()));
    is_send(&client.create_registry(v1::CreateRegistryRequest::default()));
    is_send(&client.list_registries());
    is_send(&client.import(header(), &[], |_| {}));
}

fn header() -> v1::ImportHeader {
    v1::ImportHeader { registry: "federal".into(), ..v1::ImportHeader::default() }
}

#[tokio::test]
async fn files_are_imported_with_progress() {
    let fake = Fake::founded();
    let (address, _stop) = serve(&fake).await;
    let client = Client::new([address]).expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("2026-11-9_201_x.txt");
    let lines: String = (0..10_000).map(|n| format!("201,555{n:04}\n")).collect();
    std::fs::write(&path, lines.repeat(5)).expect("written");
    let mut phases = Vec::new();
    let result = client.import(header(), &[path], |now| phases.push(now.phase())).await.expect("imported");
    assert_eq!((result.processed, result.numbers), (50_000, 10_000));
    assert_eq!(fake.numbers("federal").len(), 10_000);
    assert!(phases.contains(&v1::ImportPhase::Staging));
}

#[tokio::test]
async fn an_import_of_which_a_file_cannot_be_read_changes_nothing() {
    let fake = Fake::founded();
    let (address, _stop) = serve(&fake).await;
    let client = Client::new([address]).expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let good = folder.path().join("2026-11-9_201_x.txt");
    std::fs::write(&good, "201,5550100\n").expect("written");
    let missing = folder.path().join("2026-11-9_202_x.txt");
    let outcome = client.import(header(), &[good.clone(), missing], |_| {}).await;
    assert!(matches!(outcome, Err(Error::File { .. })));
    // A folder opens like a file, and cannot be read: by then the first file was sent.
    let folder_as_file: PathBuf = folder.path().join("2026-11-9_203_x.txt");
    std::fs::create_dir(&folder_as_file).expect("made");
    let outcome = client.import(header(), &[good, folder_as_file], |_| {}).await;
    assert!(matches!(outcome, Err(Error::File { .. })));
    assert!(fake.numbers("federal").is_empty());
    assert!(fake.written().is_empty());
}

#[test]
fn only_addresses_with_a_port_are_taken() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    assert!(matches!(Client::new(Vec::<String>::new()), Err(Error::NoRouter)));
    for bad in ["", "https://host:1", "http://host", "host", "http://a b:1"] {
        assert!(matches!(Client::new([bad]), Err(Error::BadAddress(_))), "{bad}");
    }
    for good in ["http://127.0.0.1:7400", "router:7400"] {
        assert!(Client::new([good]).is_ok(), "{good}");
    }
}
