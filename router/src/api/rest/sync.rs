//! Syncs and look-ups over REST. Answers are in the shape of `shown::sync`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dnc_proto::v1;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{Body, NamePath, Params, Tenant};
use crate::api::state::State;
use crate::api::syncs;
use crate::cluster::Cluster;
use crate::shown::sync::{AllStartedShown, LookupShown, StartedShown, SyncsShown};
use crate::sync::Error;

/// Parameters of a start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartParams {
    /// How long to wait for an end, seconds; at most 10.
    #[serde(default)]
    wait: u16,
}

/// Parameters of a history.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    #[serde(default)]
    limit: u32,
}

/// Body of a look-up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupBody {
    phone_number: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/registries/{id}/sync", post(start))
        .route("/api/v1/dnc/registries/{id}/syncs", get(history))
        .route("/api/v1/dnc/registries/{id}/lookup", post(lookup))
        .route("/api/v1/dnc/sync/federal", post(federal))
        .route("/api/v1/dnc/sync/state/{state}", post(self::state))
}

/// `POST /api/v1/dnc/registries/{id}/sync`: 202 while it runs, 200 if it was waited for and has ended.
pub async fn start<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(registry): NamePath,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    let asked = v1::StartSyncRequest { registry, ..waiting(&params) };
    let answer = syncs::start(&state, asked).await.map_err(problem)?;
    let shown = answer.started.first().map(StartedShown::of);
    Ok((status(&answer), Json(shown)).into_response())
}

/// `POST /api/v1/dnc/sync/federal`
pub async fn federal<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    all(&state, v1::StartSyncRequest { r#type: "federal".into(), ..waiting(&params) }).await
}

/// `POST /api/v1/dnc/sync/state/{state}`
pub async fn state<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(jurisdiction): NamePath,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    all(&state, v1::StartSyncRequest { r#type: "state".into(), jurisdiction, ..waiting(&params) }).await
}

/// `GET /api/v1/dnc/registries/{id}/syncs`
pub async fn history<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(registry): NamePath,
    Params(params): Params<HistoryParams>,
) -> Result<Response, Problem> {
    let asked = v1::ListSyncsRequest { registry, limit: params.limit };
    let answer = syncs::list(&state, asked).await.map_err(problem)?;
    Ok(Json(SyncsShown::of(&answer)).into_response())
}

/// `POST /api/v1/dnc/registries/{id}/lookup`
pub async fn lookup<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(registry): NamePath,
    Body(body): Body<LookupBody>,
) -> Result<Response, Problem> {
    let asked = v1::LookupRequest { registry, phone_number: body.phone_number };
    let answer = syncs::lookup(&state, tenant, asked).await.map_err(problem)?;
    Ok(Json(LookupShown::of(&answer)).into_response())
}

async fn all<C: Cluster>(state: &State<C>, asked: v1::StartSyncRequest) -> Result<Response, Problem> {
    let answer = syncs::start(state, asked).await.map_err(problem)?;
    Ok((status(&answer), Json(AllStartedShown::of(&answer))).into_response())
}

fn waiting(params: &StartParams) -> v1::StartSyncRequest {
    v1::StartSyncRequest { wait_ms: u32::from(params.wait) * 1_000, ..v1::StartSyncRequest::default() }
}

fn status(answer: &v1::StartSyncResponse) -> StatusCode {
    let ended = answer.started.iter().all(|started| started.ended.is_some());
    if ended { StatusCode::OK } else { StatusCode::ACCEPTED }
}

fn problem(why: Error) -> Problem {
    match &why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => {
            Problem::not_a_number("#/phone_number", &invalid.detail)
        }
        Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
        _ => Problem::of(&why),
    }
}
