//! The gRPC form of the API: `dnc.v1`, with health and reflection.
//!
//! Reads messages, calls the rooms above, writes messages. UNKNOWN is an answer here, not an error:
//! a status other than OK means that a request was wrong or a write did not happen. Start at
//! [`routes`].

mod backup;
mod check;
mod cluster;
mod exemption;
mod packed;
mod registry;
mod report;
mod rule;
mod stream;
mod suppression;
mod sync;
mod tenant;
mod versions;

use dnc_core::ids::TenantId;
use dnc_proto::served::check_service_server::CheckServiceServer;
use dnc_proto::v1;
use dnc_proto::v1::backup_service_server::BackupServiceServer;
use dnc_proto::v1::cluster_service_server::ClusterServiceServer;
use dnc_proto::v1::exemption_service_server::ExemptionServiceServer;
use dnc_proto::v1::registry_service_server::RegistryServiceServer;
use dnc_proto::v1::report_service_server::ReportServiceServer;
use dnc_proto::v1::rule_service_server::RuleServiceServer;
use dnc_proto::v1::suppression_service_server::SuppressionServiceServer;
use dnc_proto::v1::sync_service_server::SyncServiceServer;
use dnc_proto::v1::tenant_service_server::TenantServiceServer;
use dnc_proto::v1::version_service_server::VersionServiceServer;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Routes;
use tonic::{Code, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::caller::{self, REQUEST_ID, TENANT};
use super::state::State;
use crate::cluster::Cluster;
use crate::failure::{Failure, Kind};
use crate::privacy::{log_key, masked};
use crate::telemetry::{self, Api};

/// Largest request, bytes: a bulk of the most numbers with the longest ids, or a piece of an import.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// Longest message of a status: it travels in a header, whose size callers limit.
const MAX_STATUS_CHARS: usize = 4_000;

/// The services that health reports on; the empty name is the whole process.
const SERVICES: [&str; 12] = [
    "",
    "dnc.v1.BackupService",
    "dnc.v1.CheckService",
    "dnc.v1.ClusterService",
    "dnc.v1.ExemptionService",
    "dnc.v1.RegistryService",
    "dnc.v1.ReportService",
    "dnc.v1.RuleService",
    "dnc.v1.SuppressionService",
    "dnc.v1.SyncService",
    "dnc.v1.TenantService",
    "dnc.v1.VersionService",
];

/// All gRPC services, and the handle by which health is told.
pub fn routes<C: Cluster>(state: &State<C>) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let mut routes = Routes::builder();
    routes
        .add_service(
            CheckServiceServer::new(check::Service(state.clone())).max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(
            RegistryServiceServer::new(registry::Service(state.clone())).max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(ClusterServiceServer::new(cluster::Service(state.clone())))
        .add_service(BackupServiceServer::new(backup::Service(state.clone())))
        .add_service(ReportServiceServer::new(report::Service(state.clone())))
        .add_service(TenantServiceServer::new(tenant::Service(state.clone())))
        .add_service(SyncServiceServer::new(sync::Service(state.clone())))
        .add_service(RuleServiceServer::new(rule::Service(state.clone())))
        .add_service(
            SuppressionServiceServer::new(suppression::Service(state.clone()))
                .max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(ExemptionServiceServer::new(exemption::Service(state.clone())))
        .add_service(VersionServiceServer::new(versions::Service(state.clone())))
        .add_service(health)
        .add_service(reflection);
    Ok((routes.routes(), reporter))
}

/// Tells health whether this router can answer.
pub async fn report(reporter: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

/// A failure as a status, counted.
fn status(failure: &impl Failure) -> Status {
    let code = match failure.kind() {
        Kind::Invalid => Code::InvalidArgument,
        Kind::NotFound => Code::NotFound,
        Kind::Precondition => Code::FailedPrecondition,
        Kind::Exists => Code::AlreadyExists,
        Kind::Aborted => Code::Aborted,
        Kind::Exhausted => Code::ResourceExhausted,
        Kind::Unavailable => Code::Unavailable,
        Kind::Internal => Code::Internal,
    };
    telemetry::error(Api::Grpc, code_name(code));
    let message: String = failure.to_string().chars().take(MAX_STATUS_CHARS).collect();
    Status::new(code, message)
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::FailedPrecondition => "failed_precondition",
        Code::AlreadyExists => "already_exists",
        Code::Aborted => "aborted",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        _ => "internal",
    }
}

/// The tenant that a call names in its metadata.
#[allow(clippy::result_large_err)] // tonic's own error type.
fn tenant<C: Cluster>(state: &State<C>, metadata: &MetadataMap) -> Result<TenantId, Status> {
    let given = metadata.get(TENANT).map(|name| name.as_bytes());
    caller::tenant(&state.cluster.known(), given).map_err(|why| status(&why))
}

/// A request's id as spans show it: with the numbers that it may hold named by the cluster's key.
fn shown_id<C: Cluster>(state: &State<C>, request_id: &str) -> String {
    masked(request_id, log_key(&state.cluster.known().catalog)).into_owned()
}

/// An answer that names its request.
fn named<T>(message: T, request_id: &str) -> Response<T> {
    let mut response = Response::new(message);
    if let Ok(id) = MetadataValue::<Ascii>::try_from(request_id) {
        response.metadata_mut().insert(REQUEST_ID, id);
    }
    response
}
