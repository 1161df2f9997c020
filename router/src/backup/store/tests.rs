//! Places of backups: a folder, and a bucket stood in for by a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::super::manifest::Holds;
use super::*;

const BACKUP: &str = "20261121T155000Z-0123abcd";
/// More than the parts of a file that are written apart.
const LONG: usize = PART + 5 * PIECE / 2;

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server that speaks as much of S3 as a place of backups needs: objects written whole or in parts, read by
/// ranges, and listed.
async fn bucket_server() -> (String, Objects) {
    let objects = Objects::default();
    let app = axum::Router::new().fallback(answer).with_state(objects.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let app = app.layer(axum::extract::DefaultBodyLimit::disable());
    tokio::spawn(async move { axum_serve(listener, app).await });
    (url, objects)
}

async fn axum_serve(listener: tokio::net::TcpListener, app: axum::Router) {
    while let Ok((socket, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(app.clone());
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(socket), service),
        );
    }
}

async fn answer(
    State(objects): State<Objects>,
    Query(asked): Query<BTreeMap<String, String>>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 30).await.expect("a body").to_vec();
    let key = head.uri.path().trim_start_matches("/backups/").to_owned();
    let part = |number: &str| format!("parts of {key}: {number:0>5}");
    match (&head.method, asked.get("partNumber"), asked.contains_key("uploads"), asked.contains_key("uploadId")) {
        (&Method::POST, None, true, _) => {
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>".into_response()
        }
        (&Method::PUT, Some(number), ..) => {
            objects.lock().insert(part(number), body);
            [(header::ETAG, "\"e\"")].into_response()
        }
        (&Method::POST, None, false, true) => {
            let mut objects = objects.lock();
            let parts: Vec<String> =
                objects.keys().filter(|name| name.starts_with(&format!("parts of {key}: "))).cloned().collect();
            let whole: Vec<u8> = parts.iter().flat_map(|part| objects.remove(part).expect("a part")).collect();
            objects.insert(key, whole);
            "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>".into_response()
        }
        (&Method::PUT, None, ..) => {
            objects.lock().insert(key, body);
            [(header::ETAG, "\"e\"")].into_response()
        }
        _ if asked.contains_key("list-type") => list(&objects, &asked["prefix"]).into_response(),
        (method, ..) => read(&objects, &key, method, head.headers.get(header::RANGE)),
    }
}

fn list(objects: &Objects, prefix: &str) -> String {
    let objects = objects.lock();
    let below = objects.keys().filter_map(|key| key.strip_prefix(prefix));
    let mut folders: Vec<&str> = below.clone().filter_map(|key| Some(key.split_once('/')?.0)).collect();
    folders.dedup();
    let folders = folders.iter().map(|f| format!("<CommonPrefixes><Prefix>{prefix}{f}/</Prefix></CommonPrefixes>"));
    let files = below.filter(|key| !key.contains('/')).map(|key| {
        format!(
            "<Contents><Key>{prefix}{key}</Key><LastModified>2026-11-09T08:00:00.000Z</LastModified>\
             <ETag>e</ETag><Size>1</Size></Contents>"
        )
    });
    let found: String = folders.chain(files).collect();
    format!("<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>{found}</ListBucketResult>")
}

fn read(objects: &Objects, key: &str, method: &Method, range: Option<&header::HeaderValue>) -> Response {
    let objects = objects.lock();
    let Some(object) = objects.get(key) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let range = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let (from, to) = match range {
        Some((from, to)) => {
            let last = to.parse().map_or(object.len(), |last: usize| last + 1);
            (from.parse().expect("a number"), last.min(object.len()))
        }
        None => (0, object.len()),
    };
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let length = [(header::CONTENT_LENGTH, (to - from).to_string())];
    match *method {
        Method::HEAD => (status, length).into_response(),
        _ => (status, length, object[from..to].to_vec()).into_response(),
    }
}

fn progress() -> Progress {
    Progress::new(mpsc::channel(1).0)
}

async fn write(store: &Store, name: &str, content: &[u8]) -> File {
    let mut sink = store.create(BACKUP, name).await.expect("begun");
    for piece in content.chunks(300_000) {
        sink.write(piece, &progress()).await.expect("written");
    }
    let (bytes, sha256) = sink.finish(&progress()).await.expect("whole");
    File { name: name.into(), holds: Holds::Catalog, bytes, sha256, entries: 1, numbers: 0 }
}

async fn read_all(store: &Store, file: &File) -> Result<Vec<u8>, Error> {
    let mut source = store.read(BACKUP, file).await?;
    let mut all = Vec::new();
    while let Some(piece) = source.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// What a place must do, wherever it is.
async fn keeps_what_it_is_given(to_write: &Store, to_read: &Store) -> File {
    assert_eq!(to_read.names().await.expect("listed"), Vec::<String>::new());
    assert!(!to_read.has(BACKUP).await.expect("looked"));
    let long: Vec<u8> = (0..LONG).map(|at| u8::try_from(at * 7 % 251).expect("below 256")).collect();
    let file = write(to_write, "registry-federal-1.blocks", &long).await;
    let empty = write(to_write, "removed.jsonl", b"").await;
    assert!(read_all(to_read, &file).await.expect("whole") == long);
    assert_eq!(read_all(to_read, &empty).await.expect("whole"), b"");
    assert_eq!(to_read.manifest(BACKUP).await.expect("looked"), None);
    write(to_write, manifest::MANIFEST, b"{}").await;
    assert_eq!(to_read.manifest(BACKUP).await.expect("looked").as_deref(), Some(&b"{}"[..]));
    assert_eq!(to_read.names().await.expect("listed"), [BACKUP]);
    assert!(to_read.has(BACKUP).await.expect("looked"));
    for other in [
        File { sha256: "00".repeat(32), ..file.clone() },
        File { bytes: file.bytes - 1, ..file.clone() },
        File { name: "counts.jsonl".into(), ..file.clone() },
    ] {
        let refused = read_all(to_read, &other).await;
        assert!(matches!(&refused, Err(Error::Damaged { file, .. }) if *file == other.name), "{refused:?}");
    }
    file
}

#[tokio::test]
async fn a_folder_keeps_what_it_is_given_and_a_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", folder.path().display());
    let options = SyncOptions::default();
    let stores = (Store::open_to_write(&url, &options).await, Store::open(&url, &options).await);
    let (to_write, to_read) = (stores.0.expect("opens"), stores.1.expect("opens"));
    let file = keeps_what_it_is_given(&to_write, &to_read).await;
    let path = folder.path().join(BACKUP).join(&file.name);
    let mut bytes = std::fs::read(&path).expect("there");
    bytes[LONG / 2] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    assert!(matches!(read_all(&to_read, &file).await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn a_file_that_is_not_finished_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", folder.path().display());
    let store = Store::open_to_write(&url, &SyncOptions::default()).await.expect("opens");
    let mut sink = store.create(BACKUP, manifest::MANIFEST).await.expect("begun");
    sink.write(&vec![b' '; 3 * PIECE], &progress()).await.expect("written");
    assert_eq!(store.manifest(BACKUP).await.expect("looked"), None);
    drop(sink);
    assert_eq!(store.manifest(BACKUP).await.expect("looked"), None);
}

#[tokio::test]
async fn a_bucket_keeps_what_it_is_given_and_a_flipped_bit_is_noticed() {
    let (endpoint, objects) = bucket_server().await;
    let options = SyncOptions { s3_endpoint: endpoint, ..SyncOptions::default() };
    let open = async || Store::at("s3://backups/dnc", Some("id:secret"), &options, true).await.expect("opens");
    let (to_write, to_read) = (open().await, open().await);
    let file = keeps_what_it_is_given(&to_write, &to_read).await;
    let key = format!("dnc/{BACKUP}/{}", file.name);
    objects.lock().get_mut(&key).expect("there")[LONG / 2] ^= 1;
    assert!(matches!(read_all(&to_read, &file).await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_and_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("not-mounted");
    for url in [format!("file://{}", missing.display()), "https://h/x".into(), "backups".into(), "s3:///x".into()] {
        let opened = Store::open_to_write(&url, &SyncOptions::default()).await;
        assert!(matches!(opened, Err(Error::Invalid(_))), "{url}");
    }
    assert!(!missing.exists());
}
