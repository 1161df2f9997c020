//! Versions of registries as JSON: the shapes that REST answers with and `dnc registry` prints.

use dnc_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

/// The versions of a registry, newest first.
#[derive(Serialize)]
pub struct VersionsShown<'a> {
    registry: &'a str,
    versions: Vec<VersionShown<'a>>,
    revision: u64,
}

/// One version.
#[derive(Serialize)]
struct VersionShown<'a> {
    id: u64,
    /// `active`, `kept`, `held`, `staging` or `discarded`.
    state: &'a str,
    parent: Option<u64>,
    begun_ms: u64,
    activated_ms: Option<u64>,
    /// Known of complete versions.
    content: Option<ContentShown<'a>>,
}

#[derive(Serialize)]
struct ContentShown<'a> {
    numbers: u64,
    areas: Option<u64>,
    covers_everywhere: bool,
    list_date: Option<&'a str>,
    processed: u64,
    added: u64,
    dropped: u64,
    unchanged: u64,
    failed: u64,
    duration_ms: u64,
    forced: bool,
}

/// A version was made active.
#[derive(Serialize, ToSchema)]
#[schema(as = Activated)]
pub struct ActivatedShown<'a> {
    registry: &'a str,
    version: u64,
    before: Option<u64>,
    numbers: u64,
    revision: u64,
}

// === impl VersionsShown, ActivatedShown ===

impl<'a> VersionsShown<'a> {
    /// An answer's fields under the names that they are shown by.
    pub fn of(answer: &'a v1::ListVersionsResponse) -> Self {
        let versions = answer.versions.iter().map(VersionShown::of).collect();
        Self { registry: &answer.registry, versions, revision: answer.revision }
    }
}

impl<'a> VersionShown<'a> {
    fn of(version: &'a v1::Version) -> Self {
        let complete = !matches!(version.state.as_str(), "staging" | "discarded");
        Self {
            id: version.id,
            state: &version.state,
            parent: (version.parent > 0).then_some(version.parent),
            begun_ms: version.begun_ms,
            activated_ms: (version.activated_ms > 0).then_some(version.activated_ms),
            content: complete.then(|| ContentShown {
                numbers: version.numbers,
                areas: (!version.covers_everywhere).then_some(version.areas),
                covers_everywhere: version.covers_everywhere,
                list_date: (!version.list_date.is_empty()).then_some(version.list_date.as_str()),
                processed: version.processed,
                added: version.added,
                dropped: version.dropped,
                unchanged: version.unchanged,
                failed: version.failed,
                duration_ms: version.duration_ms,
                forced: version.forced,
            }),
        }
    }
}

impl<'a> ActivatedShown<'a> {
    /// An answer's fields under the names that they are shown by.
    pub fn of(answer: &'a v1::ActivateVersionResponse) -> Self {
        Self {
            registry: &answer.registry,
            version: answer.version,
            before: (answer.before > 0).then_some(answer.before),
            numbers: answer.numbers,
            revision: answer.revision,
        }
    }
}
