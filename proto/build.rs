//! Compiles the .proto files, with protox instead of a protoc binary.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 13] = [
        "dnc/v1/check.proto",
        "dnc/v1/registry.proto",
        "dnc/v1/versions.proto",
        "dnc/v1/suppression.proto",
        "dnc/v1/exemption.proto",
        "dnc/v1/tenant.proto",
        "dnc/v1/rule.proto",
        "dnc/v1/report.proto",
        "dnc/v1/sync.proto",
        "dnc/v1/cluster.proto",
        "dnc/v1/backup.proto",
        "dnc/internal/v1/node.proto",
        "dnc/internal/v1/meta.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection: the public files alone, whatever else the build needs.
    let public = protox::compile(FILES.iter().filter(|f| f.starts_with("dnc/v1/")), ["proto"])?;
    std::fs::write(out.join("dnc_v1.bin"), protox::prost::Message::encode_to_vec(&public))?;
    // Reports and what operators see are shown as JSON with the names that they have here, and described in
    // OpenAPI by their comments.
    const SHOWN: [&str; 42] = [
        "Period",
        "ComplianceReport",
        "DayCounts",
        "SuppressionCounts",
        "SyncShown",
        "ListAge",
        "Stats",
        "ListStats",
        "FilterStats",
        "Filters",
        "NodeFilters",
        "ShardFilter",
        "WarmCacheReport",
        "NodeWarmed",
        "ComplianceRequest",
        "StatsRequest",
        "ClusterStatus",
        "ClusterProblem",
        "ClusterNodes",
        "ClusterNode",
        "ClusterShards",
        "ClusterShard",
        "ClusterReplica",
        "ReplicaMove",
        "PlanPreview",
        "NodeEffect",
        "NodeRetired",
        "PlanStarted",
        "PlanProgress",
        "PlanHistory",
        "Explanation",
        "RecoveryPreview",
        "RecoverableShard",
        "ReplicaLeft",
        "UnrecoverableShard",
        "GoneNode",
        "Recovery",
        "RecoveredShard",
        "Backup",
        "BackupFile",
        "BackupList",
        "BackupResult",
    ];
    let build = tonic_prost_build::configure()
        .bytes(".dnc.v1.ImportRequest.chunk")
        .btree_map(".dnc.v1.ComplianceReport")
        .btree_map(".dnc.v1.Stats")
        // Holds a provider's key, which must not be printed: see `src/secret.rs`.
        .skip_debug([".dnc.v1.RegistrySettings"]);
    // Messages that are always there, though any message may be left out.
    const ALWAYS: [&str; 6] = [
        "ComplianceReport.period",
        "ComplianceReport.suppressions",
        "Stats.suppressions",
        "Stats.filter",
        "Filters.total",
        "BackupResult.backup",
    ];
    let build = SHOWN.iter().fold(build, |build, name| {
        build.message_attribute(format!(".dnc.v1.{name}"), "#[derive(serde::Serialize, utoipa::ToSchema)]")
    });
    let build = ALWAYS.iter().fold(build, |build, field| {
        build.field_attribute(format!(".dnc.v1.{field}"), "#[schema(required, nullable = false)]")
    });
    build.message_attribute(".dnc.v1.SyncShown", "#[schema(as = ReportedSync)]").compile_fds(descriptors)?;
    served_checks(out.join("served"))
}

/// `CheckService` once more, for who serves it: with answers of which most is encoded already (`src/prepared.rs`) and packed
/// requests that are read at once (`src/packed_request.rs`). All other messages are those of the other module.
fn served_checks(out: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .build_client(false)
        .out_dir(out)
        .extern_path(".dnc.v1", "crate::v1")
        .extern_path(".dnc.v1.CheckResponse", "crate::PreparedResponse")
        .extern_path(".dnc.v1.PackedCheckRequest", "crate::PackedRequest")
        .compile_fds(protox::compile(["dnc/v1/check.proto"], ["proto"])?)?;
    Ok(())
}
