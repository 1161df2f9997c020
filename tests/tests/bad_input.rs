//! Bad input is refused with an error that names the item or the line, and changes nothing.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use dnc_core::codec;
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::internal::node_service_client::NodeServiceClient;
use dnc_proto::internal::{CatalogCopy, GetCatalogRequest, NodeCheckRequest, ShardQuestion};
use dnc_proto::v1;
use dnc_proto::v1::import_request::Part;
use dnc_tests::cluster::{Cluster, ClusterName, LOG_FILTER, Size, connect, replicas_of};
use dnc_tests::grpc::{Upload, into_registry, parts, verdict};
use dnc_tests::http;
use dnc_tests::numbers::{self, Numbers};
use dnc_tests::wait::until;
use serde_json::json;
use tonic::{Code, Status};

/// Registries without what tells of attempts: those that were refused are remembered, and nothing else of them.
fn lists_of(mut registries: v1::ListRegistriesResponse) -> v1::ListRegistriesResponse {
    registries.revision = 0;
    for registry in &mut registries.registries {
        registry.last_sync = None;
        registry.state = String::new();
    }
    registries
}

/// What must be the same after everything that is refused.
struct Before {
    registries: v1::ListRegistriesResponse,
    numbers: Numbers,
}

// === impl Before ===

impl Before {
    async fn of(cluster: &Cluster) -> Result<Before> {
        let numbers = Numbers::for_clients(1);
        cluster.import(&numbers.list_files()).await?;
        let registries = lists_of(cluster.router(0).await?.registries().await?);
        Ok(Before { registries, numbers })
    }

    async fn is_unchanged(&self, cluster: &Cluster, what: &str) -> Result<()> {
        for index in 0..cluster.routers.len() {
            let router = cluster.router(index).await?;
            let now = lists_of(router.registries().await?);
            ensure!(now == self.registries, "{what} changed the registries: {now:?}");
            for (number, expected) in [
                (self.numbers.listed[0], Verdict::Listed),
                (self.numbers.clear[0], Verdict::Clear),
                (self.numbers.own[0][0], Verdict::Clear),
                (self.numbers.uncovered[0], Verdict::Unknown(Cause::NotCovered)),
            ] {
                let found = router.check(number).await?;
                ensure!(found == expected, "{what} changed a verdict: {found:?} instead of {expected:?}");
            }
        }
        Ok(())
    }
}

/// A refusal of this kind that says all of these words.
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, words: &[&str]) -> Result<()> {
    let status = match answer {
        Err(status) => status,
        Ok(answer) => bail!("not refused: {}", format!("{answer:?}").chars().take(500).collect::<String>()),
    };
    ensure!(status.code() == code, "{code:?} expected: {status:?}");
    for word in words {
        ensure!(status.message().contains(word), "{word:?} is not in {:?}", status.message());
    }
    Ok(())
}

const MALFORMED: [&str; 9] = [
    "",
    "   ",
    "hello",
    "123",
    "+1 201 555 01000",
    "2o15550100",
    "1115550100",
    "+0 201 555 0100",
    "２０１５５５０１００",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_number_is_refused_one_by_one_and_by_position_in_bulk() -> Result<()> {
    let cluster = Cluster::start().await?;
    let before = Before::of(&cluster).await?;
    let router = cluster.router(0).await?;
    let rest = cluster.routers[0].http;
    for text in MALFORMED {
        refused(router.check_text(text).await, Code::InvalidArgument, &["phone_number"])?;
        refused(router.suppress(text, "").await, Code::InvalidArgument, &["phone_number"])?;
        refused(router.release(text, "").await, Code::InvalidArgument, &["phone_number"])?;
        for (path, body) in [
            ("/api/v1/dnc/check", json!({ "phone_number": text })),
            ("/api/v1/dnc/suppression", json!({ "phone_number": text, "reason": "r", "added_by": "t" })),
        ] {
            let answer = http::post(rest, path, &body).await?;
            ensure!(answer.status == 400, "{path}: {} {}", answer.status, answer.text());
            ensure!(answer.header("content-type") == "application/problem+json", "{:?}", answer.headers);
            ensure!(answer.text().contains("phone_number"), "{}", answer.text());
        }
    }
    let long = "2".repeat(100_000);
    refused(router.check_text(&long).await, Code::InvalidArgument, &["phone_number"])?;

    // In bulk: each in its place, and the good ones between them are answered.
    let good = before.numbers.listed[0].to_string();
    let texts: Vec<String> = MALFORMED.iter().flat_map(|bad| [(*bad).to_owned(), good.clone()]).collect();
    let answer = router.bulk(&texts).await?;
    ensure!(answer.results.len() == texts.len() && answer.total_checked as usize == texts.len());
    ensure!(answer.total_errors as usize == MALFORMED.len() && answer.total_on_list as usize == MALFORMED.len());
    for (at, result) in answer.results.iter().enumerate() {
        ensure!(result.correlation_id == at.to_string(), "order: {result:?}");
        if at % 2 == 0 {
            let error = result.error.as_ref();
            ensure!(error.is_some_and(|e| e.code == "invalid_number" && !e.message.is_empty()), "{result:?}");
            ensure!(result.verdict() == v1::Verdict::Unspecified && !result.may_call, "{result:?}");
        } else {
            ensure!(verdict(result)? == Verdict::Listed, "{result:?}");
        }
    }
    before.is_unchanged(&cluster, "a malformed number").await?;
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulks_are_neither_empty_nor_too_large_and_duplicates_are_answered_each() -> Result<()> {
    let cluster = Cluster::start().await?;
    let before = Before::of(&cluster).await?;
    let router = cluster.router(0).await?;
    let rest = cluster.routers[0].http;
    let number = before.numbers.clear[0].to_string();
    let many = |count: usize| vec![number.clone(); count];

    refused(router.bulk(&[]).await, Code::InvalidArgument, &["items", "10000"])?;
    refused(router.bulk(&many(10_001)).await, Code::InvalidArgument, &["items", "10000", "10001"])?;
    ensure!(router.bulk(&many(10_000)).await?.results.len() == 10_000, "the largest bulk is answered");
    let bulk = "/api/v1/dnc/check/bulk";
    for (count, status) in [(0, 400), (1_001, 400), (1_000, 200)] {
        let answer = http::post(rest, bulk, &json!({ "phone_numbers": many(count) })).await?;
        ensure!(answer.status == status, "{count}: {} {}", answer.status, answer.text());
        if status == 400 {
            ensure!(answer.text().contains("phone_numbers") && answer.text().contains("1000"), "{}", answer.text());
        }
    }
    // Just over the limit of 1 MiB: the whole of it is read before it is refused, so no answer is cut off.
    let huge = http::post(rest, bulk, &json!({ "phone_numbers": many(70_000) })).await?;
    ensure!(huge.status == 413, "{} {}", huge.status, huge.text());

    // Duplicates, written in different ways, each with its own answer.
    let listed = before.numbers.listed[0].to_string();
    let national = listed[2..].to_owned();
    let spaced = format!("({}) {}-{}", &national[..3], &national[3..6], &national[6..]);
    let texts = [listed.clone(), number.clone(), national, listed.clone(), spaced, number.clone()];
    let answer = router.bulk(&texts).await?;
    let verdicts: Vec<Verdict> = answer.results.iter().map(verdict).collect::<Result<_>>()?;
    let (clear, on_list) = (Verdict::Clear, Verdict::Listed);
    ensure!(verdicts == [on_list, clear, on_list, on_list, on_list, clear], "{verdicts:?}");
    ensure!(answer.total_on_list == 4 && answer.total_errors == 0, "{answer:?}");
    let answer = http::post(rest, bulk, &json!({ "phone_numbers": texts })).await?.json()?;
    ensure!(answer["results"].as_array().is_some_and(|results| results.len() == texts.len()), "{answer}");
    ensure!(answer["total_on_list"] == 4, "{answer}");
    before.is_unchanged(&cluster, "a bulk").await?;
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_cannot_be_read_are_refused_whole() -> Result<()> {
    let cluster = Cluster::start().await?;
    let before = Before::of(&cluster).await?;
    let router = cluster.router(0).await?;
    let today = numbers::today();
    let day = format!("{}-{}-{}", today.year(), today.month(), today.day());
    let text = format!("{day}_901_SAMPLE.txt");
    let archive = format!("{day}_901_SAMPLE.txt.zip");
    let lines = "901,5550100\n901,5550101\n";
    let zipped = zip(&text, lines.as_bytes())?;
    // A list as good as the others, but for what follows it.
    let blown_up = format!("{lines}{}", "\n".repeat(100 << 20));
    let bomb = zip(&text, blown_up.as_bytes())?;
    ensure!(bomb.len() < blown_up.len() / 500, "a small archive: {} bytes", bomb.len());
    let endless: String = (0..400_000).map(|n| format!("<ph val='555{:04}' />\n", n % 10_000)).collect();
    let endless = format!("<list type='full' level='ac' val='901' >\n<ac val='901'>\n{endless}");
    let endless_tag =
        format!("<list type='full' level='ac' val='901' >\n<ac val='901'>\n<ph val='{}", "5".repeat(4 << 20));
    let cases: [(&str, &str, Vec<u8>, &[&str]); 13] = [
        ("bytes that are not UTF-8", &text, b"901,5550100\n901,\xff\xfe50101\n".to_vec(), &[&text, "2"]),
        ("a NUL byte", &text, b"901,5550100\n901,555\x000101\n".to_vec(), &[&text, "2"]),
        ("a bad line", &text, b"901,5550100\n901,5550101\nnonsense\n901,5550102\n".to_vec(), &[&text, "3"]),
        ("a number cut off at the end", &text, b"901,5550100\n901,5550101\n901,555".to_vec(), &[&text, "3"]),
        ("a number outside the declared area", &text, b"901,5550100\n902,5550100\n".to_vec(), &[&text, "2"]),
        ("an empty file", &text, Vec::new(), &[&text]),
        ("an unknown format", &text, b"what is this?\nnobody knows\n".to_vec(), &[&text]),
        ("an archive cut off", &archive, zipped[..zipped.len() - 30].to_vec(), &[&archive]),
        ("a damaged archive", &archive, flipped(&zipped, zip_data(&text)), &["SAMPLE"]),
        ("a zip bomb", &archive, bomb, &["SAMPLE", "times the size"]),
        ("a list that does not end", "endless.xml", endless.into_bytes(), &["endless.xml", "ends before"]),
        ("a tag that does not end", "tag.xml", endless_tag.into_bytes(), &["tag.xml", "longer than"]),
        ("an unknown action", &text, b"9015550100,2026-08-29T08:00:00,X\n".to_vec(), &[&text]),
    ];
    for (what, name, bytes, words) in cases {
        let mut header = into_registry("federal");
        header.list_date = today.to_string();
        let answer = router.import(header, &[Upload::new(name, bytes)]).await;
        refused(answer, Code::InvalidArgument, words).map_err(|why| why.context(what.to_owned()))?;
        before.is_unchanged(&cluster, what).await?;
    }
    // One bad file among good ones spoils them all.
    let good = Upload::new(&text, lines);
    let bad = Upload::new(&format!("{day}_902_SAMPLE.txt"), "902,5550100\nnonsense\n");
    let answer = router.import(into_registry("federal"), &[good.clone(), bad]).await;
    refused(answer, Code::InvalidArgument, &["902_SAMPLE.txt", "2"])?;
    before.is_unchanged(&cluster, "a bad file among good ones").await?;
    // And the good one alone is taken, so that it was not refused for another reason.
    let taken = router.import(into_registry("federal"), &[good]).await?;
    ensure!(taken.added == 2, "{taken:?}");
    ensure!(router.check(numbers::number(901, 101)).await? == Verdict::Listed);
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_import_or_a_suppression_cannot_be_made_with_is_refused() -> Result<()> {
    let cluster = Cluster::start().await?;
    let before = Before::of(&cluster).await?;
    let router = cluster.router(0).await?;
    let number = before.numbers.clear[0].to_string();
    let file = Upload::from(numbers::list_file(numbers::today(), 901, &[numbers::number(901, 100)]));

    refused(router.import(into_registry("nowhere"), std::slice::from_ref(&file)).await, Code::NotFound, &["registry"])?;
    let live = router.import(into_registry("internal"), std::slice::from_ref(&file)).await;
    refused(live, Code::FailedPrecondition, &["entry by entry"])?;
    refused(router.suppress(&number, "nowhere").await, Code::NotFound, &["registry"])?;
    refused(router.release(&number, "nowhere").await, Code::NotFound, &["registry"])?;
    refused(router.suppress(&number, "federal").await, Code::FailedPrecondition, &["lists"])?;
    refused(router.create_registry("Not A Name", "state").await, Code::InvalidArgument, &["name"])?;
    refused(router.create_registry("county", "county").await, Code::InvalidArgument, &["type"])?;
    refused(router.create_registry("federal", "state").await, Code::AlreadyExists, &["name"])?;

    // Nothing declares what these cover, or of when they are.
    let plain = Upload::new("numbers.txt", "901,5550100\n");
    refused(router.import(into_registry("federal"), std::slice::from_ref(&plain)).await, Code::InvalidArgument, &[])?;
    let mut header = into_registry("federal");
    header.list_date = "yesterday".into();
    header.covers = vec!["901".into()];
    refused(router.import(header.clone(), std::slice::from_ref(&plain)).await, Code::InvalidArgument, &["list_date"])?;
    header.list_date = numbers::today().to_string();
    header.covers = vec!["9".into()];
    refused(router.import(header, &[plain]).await, Code::InvalidArgument, &["covers"])?;

    // Parts in the wrong order.
    let usual = parts(into_registry("federal"), std::slice::from_ref(&file));
    let chunk = Part::Chunk(b"901,5550100\n".to_vec().into());
    for (what, wrong) in [
        ("nothing", Vec::new()),
        ("no header", usual[1..].to_vec()),
        ("no file", usual[..1].to_vec()),
        ("bytes before a name", vec![usual[0].clone(), chunk]),
        ("two headers", [&usual[..1], &usual[..]].concat()),
    ] {
        let answer = router.import_parts(wrong).await;
        refused(answer, Code::InvalidArgument, &[]).map_err(|why| why.context(what))?;
    }
    for name in ["", "../901.txt", "a\nb"] {
        let answer = router.import(into_registry("federal"), &[Upload::new(name, file.bytes.clone())]).await;
        refused(answer, Code::InvalidArgument, &["name"])?;
    }
    before.is_unchanged(&cluster, "an impossible import").await?;
    cluster.passed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_cluster_is_refused() -> Result<()> {
    let cluster = Cluster::start().await?;
    let before = Before::of(&cluster).await?;
    let name = cluster.name().await?;
    let node = cluster.nodes[0].grpc;

    // Calls that name another cluster, or none.
    let stranger = ClusterName("0123456789abcdef0123456789abcdef".into());
    for named in [Some(&stranger), None] {
        let question = ShardQuestion::about(0, [before.numbers.listed[0].to_u64()].into_iter());
        let message =
            NodeCheckRequest { view: 1, questions: vec![question], request_id: "stranger".into(), leases: true };
        let request = match named {
            Some(stranger) => stranger.request(message)?,
            None => tonic::Request::new(message),
        };
        let answer = NodeServiceClient::new(connect(node).await?).check(request).await;
        refused(answer, Code::FailedPrecondition, &["cluster", &name.0])?;
    }
    let asked = stranger.request(GetCatalogRequest { newer_than: 0 })?;
    let answer = NodeServiceClient::new(connect(node).await?).get_catalog(asked).await;
    refused(answer, Code::FailedPrecondition, &["cluster", &name.0])?;
    ensure!(replicas_of(node, &stranger, false).await.is_err());
    ensure!(replicas_of(node, &name, false).await.is_ok(), "its own name is taken");

    let mut other = Cluster::start_beside(Size { meta: 1, nodes: 3, routers: 0 }, LOG_FILTER).await?;
    ensure!(other.name().await? != name, "two clusters have two names");
    // A catalog of another cluster, whatever the call says, and however new it claims to be.
    let mut foreign = other.catalog().await?;
    foreign.revision += 1_000_000;
    let copy = CatalogCopy { revision: foreign.revision, catalog: codec::encode(&foreign) };
    for named in [&name, &stranger] {
        let answer = NodeServiceClient::new(connect(node).await?).offer_catalog(named.request(copy.clone())?).await;
        refused(answer, Code::FailedPrecondition, &["cluster"])?;
    }

    // A node that comes with another cluster's data folder.
    let nodes = cluster.catalog().await?.nodes;
    let voters: Vec<String> = cluster.meta.iter().map(|voter| voter.grpc.to_string()).collect();
    let stray = &mut other.nodes[0];
    stray.kill9()?;
    stray.set_flag("--meta", &voters.join(","))?;
    stray.run()?;
    until(Duration::from_secs(60), "the stray node to end", || {
        let running = stray.is_running();
        async move { Ok((!running).then_some(())) }
    })
    .await?;
    let log = stray.log_text()?;
    let last = log.lines().rev().find(|line| line.contains("ERROR")).unwrap_or_default();
    ensure!(last.contains("another cluster"), "it does not say why it ended: {last:?}");
    let now = cluster.catalog().await?;
    ensure!(now.nodes == nodes, "the stray node was taken in: {:?}", now.nodes);
    before.is_unchanged(&cluster, "a stray node").await?;
    other.passed()?;
    cluster.passed()
}

/// A zip archive of one file.
fn zip(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default())?;
    archive.write_all(content)?;
    Ok(archive.finish()?.into_inner())
}

/// A place within the packed data of such an archive: behind the header and the name.
fn zip_data(name: &str) -> usize {
    30 + name.len() + 4
}

/// The same bytes, one of them turned over.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0xff;
    }
    bytes
}
