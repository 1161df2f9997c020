//! Opt-outs over REST, found and carried around: search, export, import.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{Params, Tenant, essence};
use super::suppression::in_parameters;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::entries::SuppressionShown;
use crate::failure::Invalid;
use crate::suppress::{Error, Format, MAX_PIECE, Question};

/// Parameters of a search.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchParams {
    number: String,
    prefix: String,
    reason: String,
    added_by: String,
    from: String,
    until: String,
    not_verified_since: String,
    removed: bool,
    registry: String,
    limit: Option<u32>,
    cursor: String,
}

/// A page of what was found.
#[derive(Serialize)]
pub struct PageShown {
    suppressions: Vec<SuppressionShown>,
    /// For the next page; null if there is none.
    cursor: Option<String>,
}

/// Parameters of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    #[serde(default)]
    format: String,
    #[serde(default)]
    registry: String,
}

/// Parameters of an import.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    #[serde(default)]
    registry: String,
}

/// What an import did.
#[derive(Serialize)]
pub struct ImportedShown {
    entries: u64,
    added: u64,
    unchanged: u64,
    ended: u64,
    refused: u64,
    refused_lines: Vec<LineShown>,
}

#[derive(Serialize)]
struct LineShown {
    line: u64,
    error: String,
}

/// The routes of what takes long.
pub fn long_routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/suppression/export", get(export))
        .route("/api/v1/dnc/suppression/import", post(import))
}

/// `GET /api/v1/dnc/suppression`
pub async fn search<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<SearchParams>,
) -> Result<Json<PageShown>, Problem> {
    if params.limit == Some(0) {
        return Err(Problem::field("limit", &Invalid::new("limit", "must be 1 to 1000")));
    }
    let question = Question {
        number: params.number,
        prefix: params.prefix,
        reason: params.reason,
        added_by: params.added_by,
        from: params.from,
        until: params.until,
        not_verified_since: params.not_verified_since,
        removed: params.removed,
        registry: params.registry,
        limit: params.limit.unwrap_or(0),
        cursor: params.cursor,
    };
    let page = state.suppressions.search(tenant, &question).await.map_err(|why| in_parameters(&why))?;
    let cursor = (!page.cursor.is_empty()).then_some(page.cursor);
    Ok(Json(PageShown { suppressions: page.entries, cursor }))
}

/// `GET /api/v1/dnc/suppression/export`. The body breaks off without its last chunk if not all could be sent.
pub async fn export<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let format = if params.format.is_empty() { "csv" } else { &params.format };
    let format: Format = format.parse().map_err(|why: Invalid| Problem::field("format", &why))?;
    let export = state.suppressions.export(tenant, format, &params.registry).await;
    let pieces = export.map_err(|why| in_parameters(&why))?.into_stream();
    let media_type = format!("{}; charset=utf-8", format.media_type());
    Ok(([(header::CONTENT_TYPE, media_type)], HttpBody::from_stream(pieces)).into_response())
}

/// `POST /api/v1/dnc/suppression/import`
pub async fn import<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ImportParams>,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Json<ImportedShown>, Problem> {
    let formats = [Format::Csv, Format::JsonLines];
    let given = essence(&headers);
    let format = formats.into_iter().find(|format| given.eq_ignore_ascii_case(format.media_type()));
    let format = format.ok_or_else(|| Problem::wrong_media_type("text/csv or application/x-ndjson"))?;
    let pieces = body.into_data_stream().map(|piece| match piece {
        // What one read of a connection brings is far smaller.
        Ok(piece) if piece.len() <= 16 * MAX_PIECE => Ok(piece),
        Ok(_) => Err(Error::Invalid(Invalid::new("body", "a piece of it is too long"))),
        Err(_) => Err(Error::Stopped { why: "the body could not be read to its end".into(), done: 0 }),
    });
    let done = state.suppressions.import(tenant, format, &params.registry, pieces).await;
    let done = done.map_err(|why| in_parameters(&why))?;
    let refused_lines = done.refused_lines.into_iter().map(|(line, error)| LineShown { line, error });
    Ok(Json(ImportedShown {
        entries: done.entries,
        added: done.added,
        unchanged: done.unchanged,
        ended: done.ended,
        refused: done.refused,
        refused_lines: refused_lines.collect(),
    }))
}
