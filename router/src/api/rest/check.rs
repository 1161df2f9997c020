//! Checks over REST.

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use dnc_core::number::PhoneNumber;
use dnc_proto::v1::{CheckResponse, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::frame::RequestId;
use super::openapi::{PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{Body, Params, PhonePath, Tenant};
use crate::api::answer::{invalid_number, malformed};
use crate::api::caller::{self, Caller};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::shown::Shown;
use crate::telemetry::{self, Api};

/// Parameters of a check by path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CheckParams {
    /// The caller's id of the call; comes back, and stands in traces.
    #[serde(default)]
    #[param(max_length = 128)]
    call_id: String,
    /// Who asks, for traces.
    #[serde(default)]
    #[param(max_length = 128)]
    checked_by: String,
    /// For which brand; without it, suppressions for any brand hold.
    #[serde(default)]
    #[param(max_length = 128)]
    brand: String,
    /// Of which campaign; without it, suppressions of any campaign hold.
    #[serde(default)]
    #[param(max_length = 128)]
    campaign: String,
}

/// Body of a check.
#[derive(Deserialize, ToSchema)]
#[schema(as = Check)]
#[serde(deny_unknown_fields)]
pub struct CheckBody {
    #[schema(value_type = PhoneText)]
    phone_number: String,
    /// The caller's id of the call; comes back, and stands in traces.
    #[serde(default)]
    #[schema(max_length = 128)]
    call_id: String,
    /// Who asks, for traces.
    #[serde(default)]
    #[schema(max_length = 128)]
    checked_by: String,
    /// For which brand; without it, suppressions for any brand hold.
    #[serde(default)]
    #[schema(max_length = 128)]
    brand: String,
    /// Of which campaign; without it, suppressions of any campaign hold.
    #[serde(default)]
    #[schema(max_length = 128)]
    campaign: String,
}

/// Body of a bulk check.
#[derive(Deserialize, ToSchema)]
#[schema(as = BulkCheck)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    /// The numbers. What is none gets its own error, and the rest is answered.
    #[schema(min_items = 1, example = json!(["+12015550100"]))]
    phone_numbers: Vec<String>,
    /// The caller's id of the call; comes back, and stands in traces.
    #[serde(default)]
    #[schema(max_length = 128)]
    call_id: String,
    /// Who asks, for traces.
    #[serde(default)]
    #[schema(max_length = 128)]
    checked_by: String,
    /// For which brand; without it, suppressions for any brand hold.
    #[serde(default)]
    #[schema(max_length = 128)]
    brand: String,
    /// Of which campaign; without it, suppressions of any campaign hold.
    #[serde(default)]
    #[schema(max_length = 128)]
    campaign: String,
}

/// The answer to a bulk check.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkAnswer)]
struct BulkShown<'a> {
    /// One answer for each number, in the order of the request.
    results: Vec<Shown<'a>>,
    total_checked: usize,
    /// How many are LISTED.
    total_on_list: usize,
    /// How many are no phone numbers.
    total_errors: usize,
    /// The revision of the catalog by which all of them were judged.
    revision: u64,
    checked_at: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    call_id: &'a str,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(one_by_path)).routes(routes!(one)).routes(routes!(bulk))
}

/// Checks one number, named in the path.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/check/{phone}",
    operation_id = "check_by_path",
    tag = "check",
    params(("phone" = PhoneText, Path, description = "The number."), CheckParams, TenantHeader),
    responses((status = 200, description = "The verdict.", body = Shown<'static>))
)]
pub async fn one_by_path<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
    Params(params): Params<CheckParams>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, params.brand, params.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, params.call_id, params.checked_by))
        .map_err(Problem::in_parameters)?;
    let number =
        PhoneNumber::parse(&phone).map_err(|why| Problem::not_a_number("phone", &invalid_number(why).message))?;
    Ok(answer(&state, &caller, number).await)
}

/// Checks one number.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/check",
    operation_id = "check",
    tag = "check",
    params(TenantHeader),
    request_body = CheckBody,
    responses((status = 200, description = "The verdict.", body = Shown<'static>))
)]
pub async fn one<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    Body(body): Body<CheckBody>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, body.brand, body.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, body.call_id, body.checked_by))
        .map_err(Problem::in_body)?;
    let number = PhoneNumber::parse(&body.phone_number)
        .map_err(|why| Problem::not_a_number("#/phone_number", &invalid_number(why).message))?;
    Ok(answer(&state, &caller, number).await)
}

/// Checks many numbers, all by one revision of the catalog.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/check/bulk",
    operation_id = "check_bulk",
    tag = "check",
    params(TenantHeader),
    request_body = BulkBody,
    responses((status = 200, description = "The verdicts.", body = BulkShown<'static>))
)]
pub async fn bulk<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    Body(body): Body<BulkBody>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, body.brand, body.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, body.call_id, body.checked_by))
        .map_err(Problem::in_body)?;
    let (count, max) = (body.phone_numbers.len(), state.options.max_bulk_rest);
    if count == 0 || count > max {
        let detail = format!("a bulk has 1 to {max} numbers, this one {count}");
        return Err(Problem::in_body(Invalid::new("phone_numbers", detail)));
    }
    telemetry::bulk(count);
    let numbers = body.phone_numbers.iter().map(|text| PhoneNumber::parse(text)).collect();
    let deadline = Instant::now() + state.checks.deadline();
    let judged = state.checks.many(&caller, numbers, deadline, "bulk").await;
    let answers: Vec<CheckResponse> = judged
        .items
        .into_iter()
        .zip(&body.phone_numbers)
        .map(|(item, text)| match item {
            Ok(answer) => answer.into_message(String::new()),
            Err(why) => malformed(text, invalid_number(why), String::new(), judged.revision, judged.checked_at),
        })
        .collect();
    Ok(Json(BulkShown {
        results: answers.iter().map(Shown::of).collect(),
        total_checked: count,
        total_on_list: answers.iter().filter(|answer| answer.verdict() == Verdict::Listed).count(),
        total_errors: answers.iter().filter(|answer| answer.error.is_some()).count(),
        revision: judged.revision,
        checked_at: judged.checked_at,
        call_id: &caller.call_id,
    })
    .into_response())
}

async fn answer<C: Cluster>(state: &State<C>, caller: &Caller, number: PhoneNumber) -> Response {
    let deadline = Instant::now() + state.checks.deadline();
    let answer = state.checks.one(caller, number, deadline).await.into_message(String::new());
    Json(Shown::of(&answer).with_call_id(&caller.call_id)).into_response()
}
