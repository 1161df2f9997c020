//! Object storage, stood in for by a server that speaks as much of S3 as a list needs: listing, and reading an object.

use super::server::{Reply, Server};
use super::*;

/// A bucket with one list and what is none.
async fn bucket(content: &'static str) -> Server {
    Server::start_with(move |request| {
        let name = list_name("201");
        let line = request.lines().next().unwrap_or_default().to_owned();
        if line.starts_with("GET /lists") && line.contains("list-type=2") {
            let object = |key: &str, size: usize| {
                format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-11-09T08:00:00.000Z</LastModified>\
                     <ETag>&quot;one&quot;</ETag><Size>{size}</Size></Contents>"
                )
            };
            let objects = [object(&format!("federal/{name}"), content.len()), object("federal/x.part", 1)].concat();
            let xml = format!(
                "<?xml version=\"1.0\"?><ListBucketResult><Name>lists</Name><Prefix>federal/</Prefix>\
                 <KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{objects}\
                 <CommonPrefixes><Prefix>federal/old/</Prefix></CommonPrefixes></ListBucketResult>"
            );
            Some(Reply::with_headers(&xml, "Content-Type: application/xml\r\n"))
        } else if line.starts_with(&format!("GET /lists/federal/{name}")) {
            Some(Reply::with_headers(content, "ETag: \"one\"\r\n"))
        } else {
            Some(Reply::status("403 Forbidden", ""))
        }
    })
    .await
}

fn options_for(server: &Server) -> SyncOptions {
    SyncOptions { s3_endpoint: server.url(""), ..options() }
}

#[tokio::test]
async fn a_list_in_a_bucket_is_loaded_once() {
    let server = bucket(LIST).await;
    let bench = Bench::new("s3://lists/federal", options_for(&server)).with_key("id:secret");
    let done = bench.sync().await;
    assert_eq!((done.outcome, done.added), (Outcome::Done, 2), "{done:?} {:?}", server.requests());
    let again = bench.sync().await;
    assert_eq!(again.outcome, Outcome::Skipped, "{again:?}");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.contains("AWS4-HMAC-SHA256 Credential=id/")), "{requests:?}");
    assert!(requests.iter().all(|request| !request.contains("secret")), "{requests:?}");
    let reads = requests.iter().filter(|request| request.contains(&list_name("201"))).count();
    assert_eq!(reads, 1, "what has the same mark is not read again");
}

#[tokio::test]
async fn a_bucket_that_refuses_is_an_error_in_plain_words() {
    let server = bucket(LIST).await;
    let bench = Bench::new("s3://others/federal", options_for(&server)).with_key("id:secret");
    let failed = bench.sync().await;
    assert_eq!(failed.outcome, Outcome::Failed);
    assert!(failed.message.contains("it wants another key"), "{}", failed.message);
    assert!(!failed.message.contains("secret"), "{}", failed.message);
    let no_pair = Bench::new("s3://lists/federal", options_for(&server)).with_key("secret");
    let failed = no_pair.sync().await;
    assert!(failed.message.contains("a colon") && !failed.message.contains("secret,"), "{}", failed.message);
}
