//! Opt-outs over REST, one by one: added, removed, verified.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;

use super::problem::Problem;
use super::read::{Body, OptionalBody, Params, PhonePath, Tenant};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::suppress::{Addition, Error, Removal, Verification, shown_time};

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new()
        .route("/api/v1/dnc/suppression", post(add).get(super::suppression_lists::search))
        .route("/api/v1/dnc/internal", post(add))
        .route("/api/v1/dnc/internal/{phone}", delete(remove))
        .route("/api/v1/dnc/suppression/{phone}", delete(remove))
        .route("/api/v1/dnc/suppression/{phone}/verify", post(verify))
}

/// Body of an addition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    phone_number: String,
    reason: String,
    added_by: String,
    #[serde(default)]
    registry: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    origin: String,
    #[serde(default)]
    consumer_name: String,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    request_id: String,
}

/// Parameters of a removal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveParams {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    removed_by: String,
    #[serde(default)]
    registry: String,
    #[serde(default)]
    request_id: String,
    /// With commas between them.
    #[serde(default)]
    entry_ids: String,
}

/// Body of a verification.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    #[serde(default)]
    registry: String,
    #[serde(default)]
    request_id: String,
}

/// The answer to an addition.
#[derive(Serialize)]
pub struct AddedShown {
    suppression_id: String,
    phone_number: String,
    registry: String,
}

/// The answer to a removal.
#[derive(Serialize)]
pub struct RemovedShown {
    removed: u64,
    /// Entries that stand because they are newer than the request.
    #[serde(skip_serializing_if = "is_zero")]
    kept: u64,
    phone_number: String,
    registry: String,
}

/// The answer to a verification.
#[derive(Serialize)]
pub struct VerifiedShown {
    verified: u64,
    phone_number: String,
    registry: String,
    last_verified_at: String,
}

/// `POST /api/v1/dnc/suppression`, `POST /api/v1/dnc/internal`
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(mut body): Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    body.request_id = id.named(&body.request_id).map_err(|why| Problem::in_body(&why))?;
    let added = state.suppressions.add(tenant, body.into()).await.map_err(|why| in_body(&why))?;
    let shown = AddedShown {
        suppression_id: added.id.to_string(),
        phone_number: added.number.to_string(),
        registry: added.registry,
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `DELETE /api/v1/dnc/suppression/{phone}`, `DELETE /api/v1/dnc/internal/{phone}`
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    PhonePath(phone): PhonePath,
    Params(mut params): Params<RemoveParams>,
) -> Result<Json<RemovedShown>, Problem> {
    params.request_id = id.named(&params.request_id).map_err(|why| Problem::field(why.field, &why))?;
    let removal = Removal {
        phone_number: phone,
        registry: params.registry,
        reason: params.reason,
        removed_by: params.removed_by,
        request_id: params.request_id,
        entry_ids: listed(&params.entry_ids),
    };
    let removed = state.suppressions.remove(tenant, removal).await.map_err(|why| in_parameters(&why))?;
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

/// `POST /api/v1/dnc/suppression/{phone}/verify`
pub async fn verify<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
    id: WriteId,
    OptionalBody(mut body): OptionalBody<VerifyBody>,
) -> Result<Json<VerifiedShown>, Problem> {
    body.request_id = id.named(&body.request_id).map_err(|why| Problem::in_body(&why))?;
    let verification = Verification { phone_number: phone, registry: body.registry, request_id: body.request_id };
    let verified = state.suppressions.verify(tenant, verification).await.map_err(|why| match &why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => Problem::not_a_number("phone", &invalid.detail),
        _ => in_body(&why),
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

/// An error about what stands in a body.
pub fn in_body(why: &Error) -> Problem {
    match why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => {
            Problem::not_a_number("#/phone_number", &invalid.detail)
        }
        Error::Invalid(invalid) => Problem::in_body(invalid),
        _ => Problem::of(why),
    }
}

/// An error about what stands in the path and after the question mark.
pub fn in_parameters(why: &Error) -> Problem {
    match why {
        Error::Invalid(invalid) if invalid.field == "phone_number" => Problem::not_a_number("phone", &invalid.detail),
        Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
        _ => Problem::of(why),
    }
}

/// Ids with commas between them.
pub fn listed(ids: &str) -> Vec<String> {
    ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so.
pub fn is_zero(count: &u64) -> bool {
    *count == 0
}

// === impl AddBody ===

impl From<AddBody> for Addition {
    fn from(body: AddBody) -> Self {
        Self {
            phone_number: body.phone_number,
            registry: body.registry,
            reason: body.reason,
            source: body.source,
            added_by: body.added_by,
            origin: body.origin,
            consumer_name: body.consumer_name,
            notes: body.notes,
            expires_at: body.expires_at.unwrap_or_default(),
            expires_in: body.expires_in,
            scope: body.scope,
            metadata: body.metadata,
            request_id: body.request_id,
        }
    }
}
