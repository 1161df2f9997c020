//! Opt-outs over REST, one by one: added, removed, verified.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{KeyHeader, PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{Body, OptionalBody, Params, PhonePath, Tenant};
use super::suppression_body::{AddBody, RemoveParams, VerifyBody};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::suppress::{Error, Removal, Verification, shown_time};

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .routes(routes!(add, super::suppression_lists::search))
        .routes(routes!(add_internal))
        .routes(routes!(remove))
        .routes(routes!(remove_internal))
        .routes(routes!(verify))
}

/// The answer to an addition.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedSuppression)]
pub struct AddedShown {
    suppression_id: String,
    phone_number: String,
    registry: String,
}

/// The answer to a removal.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedSuppressions)]
pub struct RemovedShown {
    /// How many entries.
    removed: u64,
    /// Entries that stand because they are newer than the request.
    #[serde(skip_serializing_if = "is_zero")]
    kept: u64,
    phone_number: String,
    registry: String,
}

/// The answer to a verification.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedSuppressions)]
pub struct VerifiedShown {
    /// How many entries.
    verified: u64,
    phone_number: String,
    registry: String,
    #[schema(format = DateTime)]
    last_verified_at: String,
}

/// Lists a number: checks find it as soon as this is answered.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression",
    operation_id = "add_suppression",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = AddBody,
    responses((status = 201, description = "The entry.", body = AddedShown))
)]
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(mut body): Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let added = state.suppressions.add(tenant, body.into()).await.map_err(Problem::in_body)?;
    let shown = AddedShown {
        suppression_id: added.id.to_string(),
        phone_number: added.number.to_string(),
        registry: added.registry,
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Lists a number, as `POST /api/v1/dnc/suppression` does.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/internal",
    operation_id = "add_internal_suppression",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = AddBody,
    responses((status = 201, description = "The entry.", body = AddedShown))
)]
async fn add_internal<C: Cluster>(
    state: Shared<State<C>>,
    tenant: Tenant,
    id: WriteId,
    body: Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    add(state, tenant, id, body).await
}

/// Lists a number no more: its entries in one registry are removed.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/suppression/{phone}",
    operation_id = "remove_suppression",
    tag = "suppression",
    params(("phone" = PhoneText, Path, description = "The number."), RemoveParams, TenantHeader, KeyHeader),
    responses(
        (status = 200, description = "What was removed.", body = RemovedShown),
        (status = 404, description = "The registry does not list this number, or there is no such registry or tenant."),
    )
)]
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    PhonePath(phone): PhonePath,
    Params(mut params): Params<RemoveParams>,
) -> Result<Json<RemovedShown>, Problem> {
    params.request_id = id.named(&params.request_id).map_err(Problem::in_parameters)?;
    let removal = Removal {
        phone_number: phone,
        registry: params.registry,
        reason: params.reason,
        removed_by: params.removed_by,
        request_id: params.request_id,
        entry_ids: listed(&params.entry_ids),
    };
    let removed = state.suppressions.remove(tenant, removal).await.map_err(Problem::in_parameters)?;
    if removed.removed == 0 && removed.kept == 0 {
        return Err(Problem::not_found("the registry does not list this number"));
    }
    Ok(Json(RemovedShown {
        removed: removed.removed,
        kept: removed.kept,
        phone_number: removed.number.to_string(),
        registry: removed.registry,
    }))
}

/// Lists a number no more, as `DELETE /api/v1/dnc/suppression/{phone}` does.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/internal/{phone}",
    operation_id = "remove_internal_suppression",
    tag = "suppression",
    params(("phone" = PhoneText, Path, description = "The number."), RemoveParams, TenantHeader, KeyHeader),
    responses(
        (status = 200, description = "What was removed.", body = RemovedShown),
        (status = 404, description = "The registry does not list this number, or there is no such registry or tenant."),
    )
)]
async fn remove_internal<C: Cluster>(
    state: Shared<State<C>>,
    tenant: Tenant,
    id: WriteId,
    phone: PhonePath,
    params: Params<RemoveParams>,
) -> Result<Json<RemovedShown>, Problem> {
    remove(state, tenant, id, phone, params).await
}

/// Notes that somebody made sure that a number's entries still hold.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression/{phone}/verify",
    operation_id = "verify_suppression",
    tag = "suppression",
    params(("phone" = PhoneText, Path, description = "The number."), TenantHeader, KeyHeader),
    request_body = Option<VerifyBody>,
    responses(
        (status = 200, description = "What was verified, and when.", body = VerifiedShown),
        (status = 404, description = "The registry does not list this number, or there is no such registry or tenant."),
    )
)]
pub async fn verify<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
    id: WriteId,
    OptionalBody(mut body): OptionalBody<VerifyBody>,
) -> Result<Json<VerifiedShown>, Problem> {
    body.request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let verification = Verification { phone_number: phone, registry: body.registry, request_id: body.request_id };
    let verified = state.suppressions.verify(tenant, verification).await.map_err(|why| match why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => Problem::not_a_number("phone", &invalid.detail),
        why => Problem::in_body(why),
    })?;
    if verified.entries == 0 {
        return Err(Problem::not_found("the registry does not list this number"));
    }
    Ok(Json(VerifiedShown {
        verified: verified.entries,
        phone_number: verified.number.to_string(),
        registry: verified.registry,
        last_verified_at: shown_time(verified.verified_ms),
    }))
}

/// Ids with commas between them.
pub fn listed(ids: &str) -> Vec<String> {
    ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}
