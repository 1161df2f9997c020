//! Opt-outs over REST.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{KeyHeader, PhoneText, TenantHeader};
use super::problem::Problem;
use super::read::{Body, Params, PhonePath, Tenant};
use super::write_id::WriteId;
use crate::api::state::State;
use crate::cluster::Cluster;
use crate::suppress::{Addition, Error, Removal};

/// Body of an addition.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSuppression)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    #[schema(value_type = PhoneText)]
    phone_number: String,
    /// Why.
    #[schema(max_length = 1024)]
    reason: String,
    /// Who enters it.
    #[schema(max_length = 128)]
    added_by: String,
    /// A live registry; `internal` without it.
    #[serde(default)]
    #[schema(max_length = 64, pattern = "^([a-z0-9][a-z0-9._-]*)?$")]
    registry: String,
    /// Who asked for it: the consumer, unless it says company.
    #[serde(default)]
    #[schema(pattern = "^(consumer|company)?$")]
    origin: String,
    /// Names the request, as the header `Idempotency-Key` can instead: repeated with it, it is done once.
    #[serde(default)]
    #[schema(pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})?$")]
    request_id: String,
}

/// Parameters of a removal.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RemoveParams {
    /// Why.
    #[serde(default)]
    #[param(required = true, max_length = 1024, pattern = r"\S")]
    reason: String,
    /// Who removes it.
    #[serde(default)]
    #[param(max_length = 128)]
    removed_by: String,
    /// A live registry; `internal` without it.
    #[serde(default)]
    #[param(max_length = 64, pattern = "^([a-z0-9][a-z0-9._-]*)?$")]
    registry: String,
    /// Names the request, as the header `Idempotency-Key` can instead: repeated with it, it is done once.
    #[serde(default)]
    #[param(pattern = "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})?$")]
    request_id: String,
}

/// The answer to an addition.
#[derive(Serialize, ToSchema)]
#[schema(as = SuppressionAdded)]
pub struct AddedShown {
    /// Names the entry.
    suppression_id: String,
    phone_number: String,
    registry: String,
}

/// The answer to a removal.
#[derive(Serialize, ToSchema)]
#[schema(as = SuppressionRemoved)]
pub struct RemovedShown {
    /// How many entries there were.
    removed: u64,
    phone_number: String,
    registry: String,
}

/// The routes.
pub fn routes<C: Cluster>() -> OpenApiRouter<State<C>> {
    OpenApiRouter::new().routes(routes!(add)).routes(routes!(add_internal)).routes(routes!(remove))
}

/// Lists a number. From the answer on, no check of it is CLEAR for this tenant.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/suppression",
    operation_id = "add_suppression",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = AddBody,
    responses((status = 201, description = "It is listed.", body = AddedShown))
)]
pub async fn add<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    Body(body): Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    let id = id.or_given(&body.request_id).map_err(|why| Problem::in_body(&why))?;
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
                request_id: WriteId(id).to_string(),
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

/// Lists a number, under the path of the integration specification.
#[utoipa::path(
    post,
    path = "/api/v1/dnc/internal",
    operation_id = "add_internal",
    tag = "suppression",
    params(TenantHeader, KeyHeader),
    request_body = AddBody,
    responses((status = 201, description = "It is listed.", body = AddedShown))
)]
pub async fn add_internal<C: Cluster>(
    state: Shared<State<C>>,
    tenant: Tenant,
    id: WriteId,
    body: Body<AddBody>,
) -> Result<(StatusCode, Json<AddedShown>), Problem> {
    add(state, tenant, id, body).await
}

/// Removes the entries of a number that stand now. What they were stays readable.
#[utoipa::path(
    delete,
    path = "/api/v1/dnc/internal/{phone}",
    operation_id = "remove_suppression",
    tag = "suppression",
    params(("phone" = PhoneText, Path, description = "The number."), RemoveParams, TenantHeader, KeyHeader),
    responses(
        (status = 200, description = "They are gone.", body = RemovedShown),
        (status = 404, description = "There is no such tenant or registry, or it does not list the number."),
    )
)]
pub async fn remove<C: Cluster>(
    Shared(state): Shared<State<C>>,
    Tenant(tenant): Tenant,
    id: WriteId,
    PhonePath(phone): PhonePath,
    Params(params): Params<RemoveParams>,
) -> Result<Json<RemovedShown>, Problem> {
    let id = id.or_given(&params.request_id).map_err(|why| Problem::field(why.field, &why))?;
    let removed = state
        .suppressions
        .remove(
            tenant,
            Removal {
                phone_number: phone,
                registry: params.registry,
                reason: params.reason,
                removed_by: params.removed_by,
                request_id: WriteId(id).to_string(),
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
