//! Opt-outs over REST, many in one request.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{IdText, KeyHeader, NameText, PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{LargeBody, MAX_LARGE_BODY, Tenant};
use super::suppression::is_zero;
use super::suppression_body::AddBody;
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::suppress::{Bulk, BulkAnswer, BulkItem, BulkRemoval, Error, Outcome};

/// Malformed items that a problem names; its detail says how many there are.
const FAULTS_SHOWN: usize = 1_000;

/// Body of a bulk addition.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSuppressions)]
#[serde(deny_unknown_fields)]
pub struct BulkAddBody {
    #[schema(min_items = 1, max_items = 10_000)]
    items: Vec<AddBody>,
    /// Whether the items that are right are written even if others are not.
    #[serde(default)]
    partial: bool,
    /// Names the request, as an `Idempotency-Key` does.
    #[serde(default)]
    #[schema(value_type = IdText)]
    request_id: String,
}

/// Body of a bulk removal.
#[derive(Deserialize, ToSchema)]
#[schema(as = SuppressionRemovals)]
#[serde(deny_unknown_fields)]
pub struct RemoveBody {
    #[schema(value_type = Vec<PhoneText>, min_items = 1, max_items = 10_000)]
    phone_numbers: Vec<String>,
    /// Why.
    #[schema(max_length = 1024, pattern = r"\S")]
    reason: String,
    /// Who removes them.
    #[serde(default)]
    #[schema(max_length = 128)]
    removed_by: String,
    /// A live registry; without it, `internal`.
    #[serde(default)]
    #[schema(value_type = NameText)]
    registry: String,
    /// Whether the numbers that are right are removed even if others are none.
    #[serde(default)]
    partial: bool,
    /// Names the request, as an `Idempotency-Key` does. One that holds a time, as UUIDs of version 7 do,
    /// removes only what was added before; the time must not lie ahead.
    #[serde(default)]
    #[schema(value_type = IdText)]
    request_id: String,
}

/// What became of a bulk.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkOutcome)]
pub struct BulkShown {
    /// Names the request: repeating it with this id is safe.
    request_id: String,
    acknowledged: u64,
    refused: u64,
    not_done: u64,
    unknown: u64,
    /// One for each item, in the order of the request.
    results: Vec<ItemShown>,
}

/// What became of one item.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemOutcome)]
struct ItemShown {
    /// Where it stands in the request, from 0.
    position: usize,
    /// `acknowledged`, `refused`, `not_done` or `unknown`.
    #[schema(pattern = "^(acknowledged|refused|not_done|unknown)$")]
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    /// Entries that stand because they are newer than the request.
    #[serde(skip_serializing_if = "is_zero")]
    kept: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(add)).routes(routes!(remove)).layer(DefaultBodyLimit::max(MAX_LARGE_BODY))
}

/// Lists many numbers.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression/bulk",
    operation_id = "add_suppressions",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = BulkAddBody,
    responses(
        (status = 200, description = "All of them are acknowledged.", body = BulkShown),
        (status = 207, description = "Each result says what became of its item.", body = BulkShown),
    )
)]
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    LargeBody(mut body): LargeBody<BulkAddBody>,
) -> Result<(StatusCode, Json<BulkShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let bulk = Bulk {
        items: body.items.into_iter().map(Into::into).collect(),
        partial: body.partial,
        request_id: body.request_id,
    };
    let done = state.suppressions.add_bulk(tenant, bulk).await;
    let pointer = |position, why: &Invalid| format!("#/items/{position}/{}", why.field);
    Ok(answer(&done.map_err(|why| problem(why, pointer))?, false))
}

/// Lists many numbers no more.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression/bulk-remove",
    operation_id = "remove_suppressions",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = RemoveBody,
    responses(
        (status = 200, description = "All of them are acknowledged.", body = BulkShown),
        (status = 207, description = "Each result says what became of its number.", body = BulkShown),
    )
)]
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    LargeBody(mut body): LargeBody<RemoveBody>,
) -> Result<(StatusCode, Json<BulkShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let bulk = BulkRemoval {
        phone_numbers: body.phone_numbers,
        registry: body.registry,
        reason: body.reason,
        removed_by: body.removed_by,
        partial: body.partial,
        request_id: body.request_id,
    };
    let done = state.suppressions.remove_bulk(tenant, bulk).await;
    let pointer = |position, _: &Invalid| format!("#/phone_numbers/{position}");
    Ok(answer(&done.map_err(|why| problem(why, pointer))?, true))
}

fn problem(why: Error, pointer: impl Fn(usize, &Invalid) -> String) -> Problem {
    match &why {
        Error::Malformed(faults) => {
            let shown = faults.iter().take(FAULTS_SHOWN);
            Problem::of(&why).with_faults(shown.map(|fault| (pointer(fault.position, &fault.why), &fault.why)))
        }
        _ => Problem::in_body(why),
    }
}

fn answer(done: &BulkAnswer, is_removal: bool) -> (StatusCode, Json<BulkShown>) {
    let mut shown = BulkShown {
        request_id: done.request.to_string(),
        acknowledged: 0,
        refused: 0,
        not_done: 0,
        unknown: 0,
        results: Vec::with_capacity(done.items.len()),
    };
    for (position, item) in done.items.iter().enumerate() {
        let (outcome, error) = match &item.outcome {
            Outcome::Acknowledged => ("acknowledged", None),
            Outcome::Refused(why) => ("refused", Some(why.clone())),
            Outcome::NotDone(why) => ("not_done", Some(why.clone())),
            Outcome::Unknown => ("unknown", Some("not confirmed in time: it may have been done".into())),
        };
        *match &item.outcome {
            Outcome::Acknowledged => &mut shown.acknowledged,
            Outcome::Refused(_) => &mut shown.refused,
            Outcome::NotDone(_) => &mut shown.not_done,
            Outcome::Unknown => &mut shown.unknown,
        } += 1;
        shown.results.push(item_shown(position, item, outcome, error, is_removal));
    }
    let all = shown.results.len() as u64 == shown.acknowledged;
    (if all { StatusCode::OK } else { StatusCode::MULTI_STATUS }, Json(shown))
}

fn item_shown(
    position: usize,
    item: &BulkItem,
    outcome: &'static str,
    error: Option<String>,
    is_removal: bool,
) -> ItemShown {
    ItemShown {
        position,
        outcome,
        suppression_id: item.id.map(|id| id.to_string()),
        phone_number: item.number.map(|number| number.to_string()),
        removed: (is_removal && item.outcome == Outcome::Acknowledged).then_some(item.removed),
        kept: item.kept,
        error,
    }
}
