//! `POST /api/v1/dnc/import`: list files, as the body itself or as the files of a form, read as they arrive.

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dnc_proto::v1;
use dnc_proto::v1::import_request::Part;
use futures::StreamExt;
use prost::bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::Params;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::import::Progress;
use crate::options::MAX_CHUNK_BYTES;
use crate::shown::ImportShown;

/// Where files are sent.
pub const PATH: &str = "/api/v1/dnc/import";

/// Pieces of the body that wait for the disk.
const AHEAD: usize = 4;

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().route(PATH, post(import)).layer(DefaultBodyLimit::disable())
}

/// What to do with the files. `covers` is a list with commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    registry: String,
    /// The name of the file that the body is; the files of a form bring theirs along.
    #[serde(default)]
    file_name: String,
    #[serde(default)]
    list_date: String,
    #[serde(default)]
    covers: String,
    #[serde(default)]
    everywhere: bool,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    max_bad_lines: u32,
    #[serde(default)]
    format: String,
    #[serde(default)]
    mapping: String,
    #[serde(default)]
    csv_column: String,
    #[serde(default)]
    default_country: u32,
    #[serde(default)]
    national_digits: u32,
}

/// Parts of an import on their way to whoever loads them.
type Sender = mpsc::Sender<Result<v1::ImportRequest, Status>>;

/// Why no more parts are sent.
enum Stopped {
    /// Nobody takes them any more: the import has ended, and says why itself.
    NotTaken,
    /// The body broke off, or is no form: what has come is not all there is.
    Broken(String),
}

/// `POST /api/v1/dnc/import`
pub async fn import<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Response, Problem> {
    let form = is_form(request.headers());
    let header = params.header(if form { 0 } else { content_length(request.headers()) });
    let name = params.file_name;
    if !form && name.is_empty() {
        return Err(Problem::malformed("file_name names the file that the body is: it says what the list covers"));
    }
    let form = match form {
        true => Ok(Multipart::from_request(request, &()).await.map_err(|_| Problem::malformed("not a form"))?),
        false => Err(request.into_body()),
    };
    let slot = state.imports.slot().map_err(|why| Problem::of(&why))?;
    let (parts, received) = mpsc::channel(AHEAD);
    // The import runs apart from this request: if the caller leaves, it finds out by `_events`, and cleans up.
    let (sender, _events) = mpsc::channel(1);
    let imports = state.imports.clone();
    let running = async move { imports.run(slot, ReceiverStream::new(received), Progress::new(sender)).await };
    let running = tokio::spawn(running.in_current_span());
    let sending = async {
        let sent = match form {
            Ok(form) => send_form(&parts, header, form).await,
            Err(body) => send_body(&parts, header, name, body).await,
        };
        if let Err(Stopped::Broken(why)) = sent {
            let _ = parts.send(Err(Status::cancelled(why))).await;
        }
        drop(parts);
    };
    tokio::pin!(running, sending);
    let outcome = tokio::select! {
        // The import can be refused before all has come.
        outcome = &mut running => outcome,
        () = &mut sending => running.await,
    };
    let outcome = outcome.map_err(|_| Problem::of(&crate::import::Error::Unexpected))?;
    let result = outcome.map_err(|why| Problem::of_import(&why))?;
    Ok((StatusCode::OK, Json(ImportShown::of(&result))).into_response())
}

/// The body is the file.
async fn send_body(parts: &Sender, header: v1::ImportHeader, name: String, body: Body) -> Result<(), Stopped> {
    put(parts, Part::Header(header)).await?;
    put(parts, Part::File(v1::ImportFile { name })).await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Stopped::Broken("the body broke off".into()))?;
        put_bytes(parts, piece).await?;
    }
    Ok(())
}

/// Each field of the form is a file.
async fn send_form(parts: &Sender, header: v1::ImportHeader, mut form: Multipart) -> Result<(), Stopped> {
    put(parts, Part::Header(header)).await?;
    while let Some(mut field) = form.next_field().await.map_err(|why| broken(&why))? {
        put(parts, Part::File(v1::ImportFile { name: file_name(&field)? })).await?;
        while let Some(piece) = field.chunk().await.map_err(|why| broken(&why))? {
            put_bytes(parts, piece).await?;
        }
    }
    Ok(())
}

fn file_name(field: &Field<'_>) -> Result<String, Stopped> {
    let named = field.file_name().map(str::to_owned);
    named.ok_or_else(|| {
        Stopped::Broken("every field of the form is a file; what to do with them stands behind the path".into())
    })
}

fn broken(_: &MultipartError) -> Stopped {
    Stopped::Broken("the form broke off, or is none".into())
}

async fn put_bytes(parts: &Sender, mut bytes: Bytes) -> Result<(), Stopped> {
    while !bytes.is_empty() {
        let piece = bytes.split_to(bytes.len().min(MAX_CHUNK_BYTES));
        put(parts, Part::Chunk(piece)).await?;
    }
    Ok(())
}

async fn put(parts: &Sender, part: Part) -> Result<(), Stopped> {
    let sent = parts.send(Ok(v1::ImportRequest { part: Some(part) })).await;
    sent.map_err(|SendError(_)| Stopped::NotTaken)
}

fn is_form(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/form-data")
}

/// How long the body is; 0 if it does not say.
fn content_length(headers: &HeaderMap) -> u64 {
    let given = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    given.and_then(|text| text.parse().ok()).unwrap_or(0)
}

// === impl ImportParams ===

impl ImportParams {
    fn header(&self, total_bytes: u64) -> v1::ImportHeader {
        let covers = self.covers.split(',').map(str::trim).filter(|area| !area.is_empty());
        v1::ImportHeader {
            registry: self.registry.clone(),
            list_date: self.list_date.clone(),
            covers: covers.map(str::to_owned).collect(),
            covers_everywhere: self.everywhere,
            max_bad_lines: self.max_bad_lines,
            total_bytes,
            format: self.format.clone(),
            mapping: self.mapping.clone(),
            csv_column: self.csv_column.clone(),
            default_country: self.default_country,
            national_digits: self.national_digits,
            force: self.force,
            dry_run: self.dry_run,
        }
    }
}
