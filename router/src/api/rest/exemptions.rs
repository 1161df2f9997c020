//! Exemptions over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{Body, Params, PhonePath, Tenant};
use super::suppression::listed;
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::entries::ExemptionShown;
use crate::exempt::{Error, Grant, Revocation};

/// Body of a grant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    phone_number: String,
    ground: String,
    since: String,
    granted_by: String,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    proof: String,
    #[serde(default)]
    proof_sha256: String,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    request_id: String,
}

/// Parameters of a revocation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeParams {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    revoked_by: String,
    #[serde(default)]
    request_id: String,
    /// With commas between them.
    #[serde(default)]
    exemption_ids: String,
}

/// The answer to a revocation.
#[derive(Serialize)]
pub struct RevokedShown {
    revoked: u64,
    phone_number: String,
}

/// All exemptions of a number.
#[derive(Serialize)]
pub struct ListShown {
    phone_number: String,
    exemptions: Vec<ExemptionShown>,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/exemptions", post(grant))
        .route("/api/v1/dnc/exemptions/{phone}", delete(revoke).get(list))
}

/// `POST /api/v1/dnc/exemptions`
pub async fn grant<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(mut body): Body<GrantBody>,
) -> Result<(StatusCode, Json<ExemptionShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(|why| Problem::in_body(&why))?;
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
    let granted = state.exemptions.grant(tenant, grant).await.map_err(|why| match &why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => {
            Problem::not_a_number("#/phone_number", &invalid.detail)
        }
        Error::Invalid(invalid) => Problem::in_body(invalid),
        _ => Problem::of(&why),
    })?;
    Ok((StatusCode::CREATED, Json(granted)))
}

/// `DELETE /api/v1/dnc/exemptions/{phone}`
pub async fn revoke<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    PhonePath(phone): PhonePath,
    Params(mut params): Params<RevokeParams>,
) -> Result<Json<RevokedShown>, Problem> {
    params.request_id = id.named(&params.request_id).map_err(|why| Problem::field(why.field, &why))?;
    let revocation = Revocation {
        phone_number: phone,
        exemption_ids: listed(&params.exemption_ids),
        reason: params.reason,
        revoked_by: params.revoked_by,
        request_id: params.request_id,
    };
    let revoked = state.exemptions.revoke(tenant, revocation).await.map_err(|why| in_path(&why))?;
    if revoked.revoked == 0 {
        return Err(Problem::not_found("the number has no exemption"));
    }
    Ok(Json(RevokedShown { revoked: revoked.revoked, phone_number: revoked.number.to_string() }))
}

/// `GET /api/v1/dnc/exemptions/{phone}`
pub async fn list<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
) -> Result<Json<ListShown>, Problem> {
    let (number, exemptions) = state.exemptions.list(tenant, &phone).await.map_err(|why| in_path(&why))?;
    Ok(Json(ListShown { phone_number: number.to_string(), exemptions }))
}

fn in_path(why: &Error) -> Problem {
    match why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => Problem::not_a_number("phone", &invalid.detail),
        Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
        _ => Problem::of(why),
    }
}
