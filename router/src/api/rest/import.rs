//! `POST /api/v1/dnc/import`: list files, as the body itself or as the files of a form, read as they arrive.

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
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
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{AreaText, NameText};
use super::problem::Problem;
use super::read::Params;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::import::Progress;
use crate::options::MAX_CHUNK_BYTES;
use crate::shown::ImportShown;

/// Pieces of the body that wait for the disk.
const AHEAD: usize = 4;

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(import)).layer(DefaultBodyLimit::disable())
}

/// What to do with the files.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    /// Where they are loaded into.
    #[param(value_type = NameText)]
    registry: String,
    /// The name of the file that the body is, which it needs; the files of a form bring theirs along.
    #[serde(default)]
    #[param(max_length = 255)]
    file_name: String,
    /// The day of the lists, where they do not say an older one.
    #[serde(default)]
    #[param(format = Date)]
    list_date: String,
    /// What they cover, where they do not say it, with commas between.
    #[serde(default)]
    #[param(value_type = Vec<AreaText>, style = Form, explode = false, max_items = 2000)]
    covers: String,
    /// They are all there is; not together with `covers`.
    #[serde(default)]
    everywhere: bool,
    /// Even if it changes more than the registry's guard allows.
    #[serde(default)]
    force: bool,
    /// Read and compare only.
    #[serde(default)]
    dry_run: bool,
    /// Lines to put up with that cannot be read.
    #[serde(default)]
    #[param(maximum = 4_294_967_295_u64)]
    max_bad_lines: u32,
    /// How they are read, where that is not what the registry's settings say, or what they are found to be.
    #[serde(default)]
    #[param(pattern = "^(ftc_flat|digits|xml|csv|change|mapped)?$")]
    format: String,
    /// Which columns hold what, as the JSON of a registry's `reading.mapping`; goes with the format `mapped` alone.
    #[serde(default)]
    #[param(format = "mapping", max_length = 16384)]
    mapping: String,
    /// The column of a CSV file that holds the number.
    #[serde(default)]
    #[param(max_length = 256)]
    csv_column: String,
    /// The calling code of numbers that come without one; with 0, the registry's.
    #[serde(default)]
    #[param(maximum = 999)]
    default_country: u32,
    /// How many digits a national number of that country has; with 0, as many as usual.
    #[serde(default)]
    #[param(maximum = 14)]
    national_digits: u32,
}

/// Files of a form. How its fields are named does not matter.
#[derive(ToSchema)]
#[schema(as = ImportForm)]
#[expect(dead_code, reason = "describes what `send_form` reads")]
struct ImportForm {
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<Vec<u8>>,
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

/// Loads lists into a registry; the new version answers checks once all shards have it.
///
/// The body is one file, or a form with several. They can be packed with ZIP.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/import",
    operation_id = "import_lists",
    tag = "import",
    params(ImportParams),
    request_body(content(
        (Vec<u8> = "application/octet-stream"),
        (ImportForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What was loaded, or would be.", body = ImportShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "The lists do not fit what the registry holds, or a guard holds them back."),
    )
)]
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
    let result = outcome.map_err(Problem::of_import)?;
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
