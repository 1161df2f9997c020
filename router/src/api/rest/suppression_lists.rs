//! Opt-outs over REST, found and carried around: search, export, import.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{NameText, PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{Params, Tenant, essence};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::entries::SuppressionShown;
use crate::failure::Invalid;
use crate::suppress::{Error, Format, MAX_PIECE, Question};

/// Parameters of a search.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    /// Entries of this number. Of this and the four below, and `removed`, one at most.
    #[serde(default)]
    #[param(value_type = PhoneText)]
    number: String,
    /// Entries of numbers that begin so.
    #[serde(default)]
    #[param(pattern = r"^(([2-9][0-9]{2,9}|1[0-9]{2,10})|\+(1[0-9]{2,10}|[2-9][0-9]{2,14}))$")]
    prefix: String,
    /// Entries with this very reason.
    #[serde(default)]
    #[param(max_length = 1024)]
    reason: String,
    /// Entries that this person entered.
    #[serde(default)]
    #[param(max_length = 128)]
    added_by: String,
    /// Entries last verified before this time.
    #[serde(default)]
    #[param(format = DateTime)]
    not_verified_since: String,
    /// Entries that were removed.
    #[serde(default)]
    removed: bool,
    /// Added, or removed, at this time or later; alone, or with `reason`, `added_by` or `removed`.
    #[serde(default)]
    #[param(format = DateTime)]
    from: String,
    /// Added, or removed, at this time or earlier; as `from`.
    #[serde(default)]
    #[param(format = DateTime)]
    until: String,
    /// Only entries of this live registry.
    #[serde(default)]
    #[param(value_type = NameText)]
    registry: String,
    /// Entries in a page; without it, 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<u32>,
    /// What the page before ended with: where to go on in the same search.
    #[serde(default)]
    #[param(format = "cursor")]
    cursor: String,
}

/// A page of what was found.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppressions)]
pub struct PageShown {
    suppressions: Vec<SuppressionShown>,
    /// For the next page; null if there is none.
    cursor: Option<String>,
}

/// Parameters of an export.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportParams {
    /// Without it, `csv`.
    #[serde(default)]
    #[param(pattern = "^(csv|jsonl)?$")]
    format: String,
    /// A live registry; without it, all of them.
    #[serde(default)]
    #[param(value_type = NameText)]
    registry: String,
}

/// Parameters of an import.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    /// A live registry; without it, the one that each entry names.
    #[serde(default)]
    #[param(value_type = NameText)]
    registry: String,
}

/// What an import did.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportedSuppressions)]
pub struct ImportedShown {
    /// Entries that were read.
    entries: u64,
    /// Taken in now.
    added: u64,
    /// There already.
    unchanged: u64,
    /// Left out because their time is over.
    ended: u64,
    refused: u64,
    /// The first of those that were refused.
    refused_lines: Vec<LineShown>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RefusedLine)]
struct LineShown {
    line: u64,
    error: String,
}

/// The routes of what takes long.
pub fn long_routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(import))
}

/// Finds entries by what they say, a page at a time.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/suppression",
    operation_id = "search_suppressions",
    tag = "suppression",
    params(SearchParams, TenantHeader),
    responses(
        (status = 200, description = "A page of them.", body = PageShown),
        (status = 409, description = "The registry is loaded from lists: it has no entries."),
    )
)]
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
    let page = state.suppressions.search(tenant, &question).await.map_err(Problem::in_parameters)?;
    let cursor = (!page.cursor.is_empty()).then_some(page.cursor);
    Ok(Json(PageShown { suppressions: page.entries, cursor }))
}

/// All entries of the tenant that stand, in the order of their numbers.
///
/// The body breaks off without its last chunk if not all could be sent.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/suppression/export",
    operation_id = "export_suppressions",
    tag = "suppression",
    params(ExportParams, TenantHeader),
    responses(
        (status = 200, description = "The entries.", content(
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = 409, description = "The registry is loaded from lists: it has no entries."),
    )
)]
pub async fn export<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let format = if params.format.is_empty() { "csv" } else { &params.format };
    let format: Format = format.parse().map_err(|why: Invalid| Problem::field("format", &why))?;
    let export = state.suppressions.export(tenant, format, &params.registry).await;
    let pieces = export.map_err(Problem::in_parameters)?.into_stream();
    let media_type = format!("{}; charset=utf-8", format.media_type());
    Ok(([(header::CONTENT_TYPE, media_type)], HttpBody::from_stream(pieces)).into_response())
}

/// Takes an export in again: entries keep their ids and times, so that doing it twice does no more than once.
///
/// It is written as it comes: if it fails, what came before stays.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression/import",
    operation_id = "import_suppressions",
    tag = "suppression",
    params(ImportParams, TenantHeader),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What was taken in.", body = ImportedShown),
        (status = 409, description = "The registry is loaded from lists, or takes no entries."),
    )
)]
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
    let done = done.map_err(Problem::in_parameters)?;
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
