//! Exemptions over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{IdText, KeyHeader, PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{Body, Params, PhonePath, Tenant, filled};
use super::suppression::listed;
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::entries::ExemptionShown;
use crate::exempt::{Grant, Revocation};

/// Body of a grant.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewExemption)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    #[schema(value_type = PhoneText)]
    phone_number: String,
    /// `purchase`, `inquiry` or `consent`.
    #[schema(pattern = "^(purchase|inquiry|consent)$")]
    ground: String,
    /// The day of it; not in the future.
    #[schema(format = Date)]
    since: String,
    /// Who enters it.
    #[schema(max_length = 128, pattern = r"\S")]
    granted_by: String,
    /// When it ends at the latest, which lies ahead.
    #[serde(default, deserialize_with = "filled")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Where the proof is kept.
    #[serde(default)]
    #[schema(max_length = 1024)]
    proof: String,
    /// SHA-256 of the proof, hexadecimal.
    #[serde(default)]
    #[schema(pattern = "^([0-9a-fA-F]{64})?$")]
    proof_sha256: String,
    /// Anything else, for people.
    #[serde(default)]
    #[schema(max_length = 1024)]
    notes: String,
    /// Names the request, as an `Idempotency-Key` does.
    #[serde(default)]
    #[schema(value_type = IdText)]
    request_id: String,
}

/// Parameters of a revocation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RevokeParams {
    /// Why.
    #[serde(default)]
    #[param(required = true, max_length = 1024, pattern = r"\S")]
    reason: String,
    /// Who ends it.
    #[serde(default)]
    #[param(max_length = 128)]
    revoked_by: String,
    /// Names the request, as an `Idempotency-Key` does.
    #[serde(default)]
    #[param(value_type = IdText)]
    request_id: String,
    /// The exemptions to end, with commas between them; without it, all that stand.
    #[serde(default)]
    #[param(value_type = Vec<IdText>, style = Form, explode = false, max_items = 1000)]
    exemption_ids: String,
}

/// The answer to a revocation.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedExemptions)]
pub struct RevokedShown {
    /// How many exemptions.
    revoked: u64,
    phone_number: String,
}

/// All exemptions of a number.
#[derive(Serialize, ToSchema)]
#[schema(as = Exemptions)]
pub struct ListShown {
    phone_number: String,
    exemptions: Vec<ExemptionShown>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(grant)).routes(routes!(revoke, list))
}

/// Exempts a number: federal and state lists do not stop the tenant from calling it.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/exemptions",
    operation_id = "grant_exemption",
    tag = "exemption",
    params(TenantHeader, KeyHeader),
    request_body = GrantBody,
    responses((status = 201, description = "The exemption.", body = ExemptionShown))
)]
pub async fn grant<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(mut body): Body<GrantBody>,
) -> Result<(StatusCode, Json<ExemptionShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(Problem::in_body)?;
    let grant = Grant {
        phone_number: body.phone_number,
        ground: body.ground,
        since: body.since,
        expires_at: body.expires_at.unwrap_or_default(),
        proof: body.proof,
        proof_sha256: body.proof_sha256,
        notes: body.notes,
        granted_by: body.granted_by,
        request_id: body.request_id,
    };
    let granted = state.exemptions.grant(tenant, grant).await.map_err(Problem::in_body)?;
    Ok((StatusCode::CREATED, Json(granted)))
}

/// Ends exemptions of a number: checks honour its listings as soon as this is answered.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/exemptions/{phone}",
    operation_id = "revoke_exemption",
    tag = "exemption",
    params(("phone" = PhoneText, Path, description = "The number."), RevokeParams, TenantHeader, KeyHeader),
    responses(
        (status = 200, description = "What was ended.", body = RevokedShown),
        (status = 404, description = "The number has no exemption, or there is no such tenant."),
    )
)]
pub async fn revoke<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    PhonePath(phone): PhonePath,
    Params(mut params): Params<RevokeParams>,
) -> Result<Json<RevokedShown>, Problem> {
    params.request_id = id.named(&params.request_id).map_err(Problem::in_parameters)?;
    let revocation = Revocation {
        phone_number: phone,
        exemption_ids: listed(&params.exemption_ids),
        reason: params.reason,
        revoked_by: params.revoked_by,
        request_id: params.request_id,
    };
    let revoked = state.exemptions.revoke(tenant, revocation).await.map_err(Problem::in_parameters)?;
    if revoked.revoked == 0 {
        return Err(Problem::not_found("the number has no exemption"));
    }
    Ok(Json(RevokedShown { revoked: revoked.revoked, phone_number: revoked.number.to_string() }))
}

/// All exemptions of a number, ended ones included.
#[utoipa::path(
    get,
    path = "/api/v1/dnc/exemptions/{phone}",
    operation_id = "list_exemptions",
    tag = "exemption",
    params(("phone" = PhoneText, Path, description = "The number."), TenantHeader),
    responses((status = 200, description = "All of them; none, if there are none.", body = ListShown))
)]
pub async fn list<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
) -> Result<Json<ListShown>, Problem> {
    let (number, exemptions) = state.exemptions.list(tenant, &phone).await.map_err(Problem::in_parameters)?;
    Ok(Json(ListShown { phone_number: number.to_string(), exemptions }))
}
