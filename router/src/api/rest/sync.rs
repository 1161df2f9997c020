//! Syncs and look-ups over REST. Answers are in the shape of `shown::sync`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{PhoneText, RegistryPath, TenantHeader};
use super::problem::Problem;
use super::read::{Body, NamePath, Params, Tenant};
use crate::api::state::State;
use crate::api::syncs;
use crate::cluster::Cluster;
use crate::failure::Invalid;
use crate::shown::sync::{AllStartedShown, LookupShown, StartedShown, SyncsShown};

/// The longest that a start waits for an end, seconds; as long as [`crate::sync`] does.
const MAX_WAIT: u16 = 10;

/// Parameters of a start.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StartParams {
    /// How long to wait for an end, seconds.
    #[serde(default)]
    #[param(maximum = 10)]
    wait: u16,
}

/// Parameters of a history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    /// The newest so many; without it, or with 0, all that are remembered.
    #[serde(default)]
    #[param(maximum = 4_294_967_295_u64)]
    limit: u32,
}

/// Body of a look-up.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewLookup)]
#[serde(deny_unknown_fields)]
pub struct LookupBody {
    #[schema(value_type = PhoneText)]
    phone_number: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(history))
        .routes(routes!(lookup))
        .routes(routes!(federal))
        .routes(routes!(self::state))
}

/// Starts a sync of a registry: its lists are fetched and loaded.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries/{id}/sync",
    operation_id = "start_sync",
    tag = "import",
    params(RegistryPath, StartParams),
    responses(
        (status = 200, description = "It was waited for, and has ended.", body = StartedShown<'static>),
        (status = 202, description = "It runs.", body = StartedShown<'static>),
        (status = 404, description = "There is no such registry."),
        (status = 409, description = "The registry has no source, is not active, or is being synced."),
    )
)]
pub async fn start<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(registry): NamePath,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    let asked = v1::StartSyncRequest { registry, ..waiting(&params)? };
    let answer = syncs::start(&state, asked).await.map_err(Problem::in_parameters)?;
    let shown = answer.started.first().map(StartedShown::of);
    Ok((status(&answer), Json(shown)).into_response())
}

/// Starts a sync of all federal registries that have a source.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/sync/federal",
    operation_id = "start_federal_syncs",
    tag = "import",
    params(StartParams),
    responses(
        (status = 200, description = "They were waited for and have ended, or none was started.", body = AllStartedShown<'static>),
        (status = 202, description = "Some run.", body = AllStartedShown<'static>),
        (status = 404, description = "There is none."),
    )
)]
pub async fn federal<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    all(&state, v1::StartSyncRequest { r#type: "federal".into(), ..waiting(&params)? }).await
}

/// Starts a sync of all registries of a state that have a source.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/sync/state/{state}",
    operation_id = "start_state_syncs",
    tag = "import",
    params(
        ("state" = String, Path, description = "The jurisdiction, as the registries have it.", min_length = 1),
        StartParams,
    ),
    responses(
        (status = 200, description = "They were waited for and have ended, or none was started.", body = AllStartedShown<'static>),
        (status = 202, description = "Some run.", body = AllStartedShown<'static>),
        (status = 404, description = "There is none."),
    )
)]
pub async fn state<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(jurisdiction): NamePath,
    Params(params): Params<StartParams>,
) -> Result<Response, Problem> {
    all(&state, v1::StartSyncRequest { r#type: "state".into(), jurisdiction, ..waiting(&params)? }).await
}

/// What runs, what is due, and what came of the last syncs of a registry.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/registries/{id}/syncs",
    operation_id = "list_syncs",
    tag = "import",
    params(RegistryPath, HistoryParams),
    responses(
        (status = 200, description = "All of it, newest first.", body = SyncsShown<'static>),
        (status = 404, description = "There is no such registry."),
    )
)]
pub async fn history<C: Cluster>(
    Shared(state): Shared<State<C>>,
    NamePath(registry): NamePath,
    Params(params): Params<HistoryParams>,
) -> Result<Response, Problem> {
    let asked = v1::ListSyncsRequest { registry, limit: params.limit };
    let answer = syncs::list(&state, asked).await.map_err(Problem::in_parameters)?;
    Ok(Json(SyncsShown::of(&answer)).into_response())
}

/// Asks the place where a registry's lists come from for one number, and compares.
///
/// It changes nothing and is no check: it says whether the list here and its origin agree.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/registries/{id}/lookup",
    operation_id = "look_up_number",
    tag = "import",
    params(RegistryPath, TenantHeader),
    request_body = LookupBody,
    responses(
        (status = 200, description = "What both say.", body = LookupShown<'static>),
        (status = 409, description = "The registry has no place to look a number up at, or its key does not open."),
    )
)]
pub async fn lookup<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(registry): NamePath,
    Body(body): Body<LookupBody>,
) -> Result<Response, Problem> {
    let asked = v1::LookupRequest { registry, phone_number: body.phone_number };
    let answer = syncs::lookup(&state, tenant, asked).await.map_err(Problem::in_body)?;
    Ok(Json(LookupShown::of(&answer)).into_response())
}

async fn all<C: Cluster>(state: &State<C>, asked: v1::StartSyncRequest) -> Result<Response, Problem> {
    let answer = syncs::start(state, asked).await.map_err(Problem::in_parameters)?;
    Ok((status(&answer), Json(AllStartedShown::of(&answer))).into_response())
}

#[allow(clippy::result_large_err)] // What REST answers with; it is made once for a request.
fn waiting(params: &StartParams) -> Result<v1::StartSyncRequest, Problem> {
    if params.wait > MAX_WAIT {
        return Err(Problem::in_parameters(Invalid::new("wait", format!("must be 0 to {MAX_WAIT}"))));
    }
    Ok(v1::StartSyncRequest { wait_ms: u32::from(params.wait) * 1_000, ..v1::StartSyncRequest::default() })
}

fn status(answer: &v1::StartSyncResponse) -> StatusCode {
    let ended = answer.started.iter().all(|started| started.ended.is_some());
    if ended { StatusCode::OK } else { StatusCode::ACCEPTED }
}
