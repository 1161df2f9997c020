//! Opt-outs over REST, many in one request.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{LargeBody, MAX_LARGE_BODY, Tenant};
use super::suppression::{AddBody, in_body, is_zero};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::suppress::{Bulk, BulkAnswer, BulkItem, BulkRemoval, Error, Outcome};

/// Malformed items that a problem names; its detail says how many there are.
const FAULTS_SHOWN: usize = 1_000;

/// Body of a bulk addition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkAddBody {
    items: Vec<AddBody>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    request_id: String,
}

/// Body of a bulk removal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveBody {
    phone_numbers: Vec<String>,
    reason: String,
    #[serde(default)]
    removed_by: String,
    #[serde(default)]
    registry: String,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    request_id: String,
}

/// What became of a bulk.
#[derive(Serialize)]
pub struct BulkShown {
    request_id: String,
    acknowledged: u64,
    refused: u64,
    not_done: u64,
    unknown: u64,
    results: Vec<ItemShown>,
}

#[derive(Serialize)]
struct ItemShown {
    position: usize,
    /// `acknowledged`, `refused`, `not_done` or `unknown`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    kept: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/suppression/bulk", post(add))
        .route("/api/v1/dnc/suppression/bulk-remove", post(remove))
        .layer(DefaultBodyLimit::max(MAX_LARGE_BODY))
}

/// `POST /api/v1/dnc/suppression/bulk`. 200 if all is acknowledged, else 207: each result says what became of it.
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    LargeBody(mut body): LargeBody<BulkAddBody>,
) -> Result<(StatusCode, Json<BulkShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(|why| Problem::in_body(&why))?;
    let bulk = Bulk {
        items: body.items.into_iter().map(Into::into).collect(),
        partial: body.partial,
        request_id: body.request_id,
    };
    let done = state.suppressions.add_bulk(tenant, bulk).await;
    let pointer = |position, why: &Invalid| format!("#/items/{position}/{}", why.field);
    Ok(answer(&done.map_err(|why| problem(&why, pointer))?, false))
}

/// `POST /api/v1/dnc/suppression/bulk-remove`. 200 if all is acknowledged, else 207: each result says what became of it.
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    LargeBody(mut body): LargeBody<RemoveBody>,
) -> Result<(StatusCode, Json<BulkShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(|why| Problem::in_body(&why))?;
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
    Ok(answer(&done.map_err(|why| problem(&why, pointer))?, true))
}

fn problem(why: &Error, pointer: impl Fn(usize, &Invalid) -> String) -> Problem {
    match why {
        Error::Malformed(faults) => {
            let shown = faults.iter().take(FAULTS_SHOWN);
            Problem::of(why).with_faults(shown.map(|fault| (pointer(fault.position, &fault.why), &fault.why)))
        }
        _ => in_body(why),
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
