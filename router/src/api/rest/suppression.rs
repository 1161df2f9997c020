//! Opt-outs over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::read::{Body, Params, PhonePath, Tenant};
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::suppress::{Addition, Error, Removal};

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
    origin: String,
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
    phone_number: String,
    registry: String,
}

/// `POST /api/v1/dnc/suppression`, `POST /api/v1/dnc/internal`
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    Body(body): Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    let added = state
        .suppressions
        .add(
            tenant,
            Addition {
                phone_number: body.phone_number,
                registry: body.registry,
                reason: body.reason,
                added_by: body.added_by,
                origin: body.origin,
                request_id: body.request_id,
            },
        )
        .await
        .map_err(|why| match &why {
            Error::Invalid(invalid) if invalid.field == "phone_number" => {
                Problem::not_a_number("#/phone_number", &invalid.detail)
            }
            Error::Invalid(invalid) => Problem::in_body(invalid),
            _ => Problem::of(&why),
        })?;
    let shown = AddedShown {
        suppression_id: added.id.to_string(),
        phone_number: added.number.to_string(),
        registry: added.registry,
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `DELETE /api/v1/dnc/internal/{phone}`
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    PhonePath(phone): PhonePath,
    Params(params): Params<RemoveParams>,
) -> Result<Json<RemovedShown>, Problem> {
    let removed = state
        .suppressions
        .remove(
            tenant,
            Removal {
                phone_number: phone,
                registry: params.registry,
                reason: params.reason,
                removed_by: params.removed_by,
                request_id: params.request_id,
            },
        )
        .await
        .map_err(|why| match &why {
            Error::Invalid(invalid) if invalid.field == "phone_number" => {
                Problem::not_a_number("phone", &invalid.detail)
            }
            Error::Invalid(invalid) => Problem::field(invalid.field, invalid),
            _ => Problem::of(&why),
        })?;
    if removed.removed == 0 {
        return Err(Problem::not_found("the registry does not list this number"));
    }
    Ok(Json(RemovedShown {
        removed: removed.removed,
        phone_number: removed.number.to_string(),
        registry: removed.registry,
    }))
}
