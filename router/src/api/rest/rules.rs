//! Rules over REST, in the shape of `shown::rule`.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dnc_core::rule::Rule;
use dnc_proto::v1;
use serde::Deserialize;

use super::problem::Problem;
use super::read::{Body, NamePath, Params, Tenant};
use crate::api::state::State;
use crate::api::told;
use crate::cluster::Cluster;
use crate::rules::Error;
use crate::shown::rule::{RuleShown, RulesShown};

/// Body of a new rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    r#type: String,
    pattern: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    global: bool,
    #[serde(default)]
    request_id: String,
}

/// Parameters of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    #[serde(default)]
    r#type: String,
}

/// `GET /api/v1/dnc/suppression/rules`
pub async fn list<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let listed = state.rules.list(tenant, &params.r#type);
    let (known, rules) = listed.map_err(|why| Problem::field(why.field, &why))?;
    Ok(Json(RulesShown::of(&told::rules(&known.catalog, &rules))).into_response())
}

/// `GET /api/v1/dnc/suppression/rules/{id}`
pub async fn show<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(id): NamePath,
) -> Result<Response, Problem> {
    let (_, rule) = state.rules.get(tenant, &id).await.map_err(problem_in_path)?;
    Ok(shown(&state, StatusCode::OK, &rule))
}

/// `POST /api/v1/dnc/suppression/rules`
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Body(body): Body<AddBody>,
) -> Result<Response, Problem> {
    let request = v1::AddRuleRequest {
        r#type: body.r#type,
        pattern: body.pattern,
        description: body.description,
        author: body.author,
        global: body.global,
        request_id: body.request_id,
    };
    let added = state.rules.add(tenant, request).await.map_err(|why| match &why {
        Error::Invalid(invalid) => Problem::in_body(invalid),
        _ => Problem::of(&why),
    });
    let (_, rule) = added?;
    Ok(shown(&state, StatusCode::CREATED, &rule))
}

/// `DELETE /api/v1/dnc/suppression/rules/{id}`: the rule that was removed.
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    NamePath(id): NamePath,
) -> Result<Response, Problem> {
    let rule = state.rules.remove(tenant, &id).await.map_err(problem_in_path)?;
    Ok(shown(&state, StatusCode::OK, &rule))
}

fn shown<C: Cluster>(state: &State<C>, status: StatusCode, rule: &Rule) -> Response {
    let rule = told::rule(&state.cluster.known().catalog, rule);
    (status, Json(RuleShown::of(&rule))).into_response()
}

fn problem_in_path(why: Error) -> Problem {
    match &why {
        Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
        _ => Problem::of(&why),
    }
}
