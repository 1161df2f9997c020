//! Checks over REST.

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use dnc_core::number::PhoneNumber;
use dnc_proto::v1::{CheckResponse, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::frame::RequestId;
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckParams {
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    checked_by: String,
    #[serde(default)]
    brand: String,
    #[serde(default)]
    campaign: String,
}

/// Body of a check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckBody {
    phone_number: String,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    checked_by: String,
    #[serde(default)]
    brand: String,
    #[serde(default)]
    campaign: String,
}

/// Body of a bulk check.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    phone_numbers: Vec<String>,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    checked_by: String,
    #[serde(default)]
    brand: String,
    #[serde(default)]
    campaign: String,
}

#[derive(Serialize)]
struct BulkShown<'a> {
    results: Vec<Shown<'a>>,
    total_checked: usize,
    total_on_list: usize,
    total_errors: usize,
    revision: u64,
    checked_at: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    call_id: &'a str,
}

/// `GET /api/v1/dnc/check/{phone}`
pub async fn one_by_path<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
    Params(params): Params<CheckParams>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, params.brand, params.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, params.call_id, params.checked_by))
        .map_err(|why| Problem::field(why.field, &why))?;
    let number =
        PhoneNumber::parse(&phone).map_err(|why| Problem::not_a_number("phone", &invalid_number(why).message))?;
    Ok(answer(&state, &caller, number).await)
}

/// `POST /api/v1/dnc/check`
pub async fn one<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    Body(body): Body<CheckBody>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, body.brand, body.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, body.call_id, body.checked_by))
        .map_err(|why| Problem::in_body(&why))?;
    let number = PhoneNumber::parse(&body.phone_number)
        .map_err(|why| Problem::not_a_number("#/phone_number", &invalid_number(why).message))?;
    Ok(answer(&state, &caller, number).await)
}

/// `POST /api/v1/dnc/check/bulk`
pub async fn bulk<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Extension(id): Extension<RequestId>,
    Tenant(tenant): Tenant,
    Body(body): Body<BulkBody>,
) -> Result<Response, Problem> {
    let caller = caller::asker(tenant, body.brand, body.campaign)
        .and_then(|asker| Caller::new(Api::Rest, id.0, asker, body.call_id, body.checked_by))
        .map_err(|why| Problem::in_body(&why))?;
    let (count, max) = (body.phone_numbers.len(), state.options.max_bulk_rest);
    if count == 0 || count > max {
        let detail = format!("a bulk has 1 to {max} numbers, this one {count}");
        return Err(Problem::in_body(&Invalid::new("phone_numbers", detail)));
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
