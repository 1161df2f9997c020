//! Rules over REST, in the shape of `shown::rule`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dnc_core::rule::Rule;
use dnc_proto::v1;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{IdText, KeyHeader, TenantHeader};
use super::problem::Problem;
use super::read::{Body, NamePath, Params, Tenant};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;
use crate::shown::rule::{RuleShown, RulesShown};

/// Body of a new rule.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewRule)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    #[schema(pattern = "^(area_code|exchange|prefix|regex)$")]
    r#type: String,
    /// An area code, or + and a country; an exchange of three digits; a prefix of six; or a regular
    /// expression over + and the digits, which must not match every number.
    #[schema(format = "rule", min_length = 1, max_length = 256, example = "201")]
    pattern: String,
    /// Why, for people.
    #[serde(default)]
    #[schema(max_length = 1024)]
    description: String,
    /// Who makes it.
    #[serde(default)]
    #[schema(max_length = 128)]
    author: String,
    /// For all tenants' checks; for the tenant `default` alone to make.
    #[serde(default)]
    global: bool,
    /// Names the request, as an `Idempotency-Key` does, and the rule.
    #[serde(default)]
    #[schema(value_type = IdText)]
    request_id: String,
}

/// Parameters of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// Only those of this type.
    #[serde(default)]
    #[param(pattern = "^(area_code|exchange|prefix|regex)?$")]
    r#type: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, remove))
}

/// The rules that a tenant sees: its own, and those for all.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/suppression/rules",
    operation_id = "list_rules",
    tag = "rule",
    params(ListParams, TenantHeader),
    responses((status = 200, description = "All of them.", body = RulesShown<'static>))
)]
pub async fn list<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let listed = state.rules.list(tenant, &params.r#type);
    let (known, rules) = listed.map_err(Problem::in_parameters)?;
    Ok(Json(RulesShown::of(&told::rules(&known.catalog, &rules))).into_response())
}

/// One rule.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/suppression/rules/{id}",
    operation_id = "read_rule",
    tag = "rule",
    params(("id" = IdText, Path, description = "The rule."), TenantHeader),
    responses((status = 200, description = "It.", body = RuleShown<'static>))
)]
pub async fn show<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(id): NamePath,
) -> Result<Response, Problem> {
    let (_, rule) = state.rules.get(tenant, &id).await.map_err(Problem::in_parameters)?;
    Ok(shown(&state, StatusCode::OK, &rule))
}

/// Lists all numbers that match a pattern.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression/rules",
    operation_id = "add_rule",
    tag = "rule",
    params(TenantHeader, KeyHeader),
    request_body = AddBody,
    responses((status = 201, description = "The rule; it holds everywhere.", body = RuleShown<'static>))
)]
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(body): Body<AddBody>,
) -> Result<Response, Problem> {
    let request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let request = v1::AddRuleRequest {
        r#type: body.r#type,
        pattern: body.pattern,
        description: body.description,
        author: body.author,
        global: body.global,
        request_id,
    };
    let (_, rule) = state.rules.add(tenant, request).await.map_err(Problem::in_body)?;
    Ok(shown(&state, StatusCode::CREATED, &rule))
}

/// Removes a rule.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/suppression/rules/{id}",
    operation_id = "remove_rule",
    tag = "rule",
    params(("id" = IdText, Path, description = "The rule."), TenantHeader),
    responses(
        (status = 200, description = "The rule that was removed.", body = RuleShown<'static>),
        (status = 409, description = "It holds for all tenants: only the tenant `default` removes it."),
    )
)]
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(id): NamePath,
) -> Result<Response, Problem> {
    let rule = state.rules.remove(tenant, &id).await.map_err(Problem::in_parameters)?;
    Ok(shown(&state, StatusCode::OK, &rule))
}

fn shown<C: Cluster>(state: &State<C>, status: StatusCode, rule: &Rule) -> Response {
    let rule = told::rule(&state.cluster.known().catalog, rule);
    (status, Json(RuleShown::of(&rule))).into_response()
}
