//! An import's result as JSON: the one shape that REST answers with and `dnc import -o json` prints.

use dnc_proto::v1;
use serde::Serialize;
use utoipa::ToSchema;

/// What an import did, or would do.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportShown<'a> {
    registry: &'a str,
    /// Nothing was changed.
    dry_run: bool,
    /// `full` or `changes`.
    #[schema(pattern = "^(full|changes)$")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    processed: u64,
    /// Unknown before a load: which numbers come and go is compared in the shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<u64>,
    numbers: u64,
    failed: u64,
    bad_lines: Vec<BadLineShown<'a>>,
    files: Vec<FileShown<'a>>,
    areas: Vec<AreaShown<'a>>,
    /// A guard stops it, or would have.
    beyond_guard: bool,
    forced: bool,
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previews: Vec<PreviewShown<'a>>,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// A bad line.
#[derive(Serialize, ToSchema)]
#[schema(as = BadLine)]
pub struct BadLineShown<'a> {
    file: &'a str,
    line: u64,
    error: &'a str,
}

/// How many numbers an area has, before and after.
#[derive(Serialize, ToSchema)]
#[schema(as = AreaChange)]
pub struct AreaShown<'a> {
    /// Null for the whole registry.
    area: Option<&'a str>,
    before: u64,
    after: u64,
    stopped: bool,
}

/// One list that was read.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportedFile)]
struct FileShown<'a> {
    name: &'a str,
    format: &'a str,
    sha256: &'a str,
    list_date: &'a str,
    covers: &'a [String],
    numbers: u64,
}

/// How the first lines of a list were read.
#[derive(Serialize, ToSchema)]
#[schema(as = ListPreview)]
struct PreviewShown<'a> {
    name: &'a str,
    format: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    header: &'a str,
    rows: Vec<RowShown<'a>>,
    whole: bool,
}

/// One line of it.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewRow)]
struct RowShown<'a> {
    phone_number: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    at: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
}

// === impl ImportShown ===

impl<'a> ImportShown<'a> {
    /// A result's fields under the names that they are shown by.
    pub fn of(result: &'a v1::ImportResult) -> Self {
        let loaded = !result.dry_run;
        Self {
            registry: &result.registry,
            dry_run: result.dry_run,
            kind: &result.kind,
            version: loaded.then_some(result.version),
            processed: result.processed,
            added: loaded.then_some(result.added),
            dropped: loaded.then_some(result.dropped),
            unchanged: loaded.then_some(result.unchanged),
            numbers: result.numbers,
            failed: result.failed,
            bad_lines: result.bad_lines.iter().map(BadLineShown::of).collect(),
            files: result.files.iter().map(FileShown::of).collect(),
            areas: result.areas.iter().map(AreaShown::of).collect(),
            beyond_guard: result.areas.iter().any(|area| area.stopped),
            forced: result.forced,
            notes: &result.notes,
            previews: result.previews.iter().map(PreviewShown::of).collect(),
            duration_ms: result.duration_ms,
            revision: loaded.then_some(result.revision),
        }
    }
}

impl<'a> BadLineShown<'a> {
    /// A bad line's fields.
    pub fn of(bad: &'a v1::BadLine) -> Self {
        Self { file: &bad.file, line: bad.line, error: &bad.error }
    }
}

impl<'a> AreaShown<'a> {
    /// An area's fields.
    pub fn of(change: &'a v1::AreaChange) -> Self {
        let area = (!change.area.is_empty()).then_some(change.area.as_str());
        Self { area, before: change.before, after: change.after, stopped: change.stopped }
    }
}

impl<'a> FileShown<'a> {
    fn of(file: &'a v1::ImportedFile) -> Self {
        Self {
            name: &file.name,
            format: &file.format,
            sha256: &file.sha256,
            list_date: &file.list_date,
            covers: &file.covers,
            numbers: file.numbers,
        }
    }
}

impl<'a> PreviewShown<'a> {
    fn of(preview: &'a v1::ListPreview) -> Self {
        let row =
            |row: &'a v1::PreviewRow| RowShown { phone_number: &row.phone_number, at: &row.at, action: &row.action };
        Self {
            name: &preview.name,
            format: &preview.format,
            kind: &preview.kind,
            header: &preview.header,
            rows: preview.rows.iter().map(row).collect(),
            whole: preview.whole,
        }
    }
}
