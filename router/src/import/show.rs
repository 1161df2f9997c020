//! What an import's callers are shown of lists.

use dnc_core::listfile::{Action, BadLine, Entry, FilePreview};
use dnc_proto::v1;

/// Lists whose beginnings are shown.
pub const MAX_PREVIEWS: usize = 5;
/// First rows that are shown of each.
pub const PREVIEW_ROWS: usize = 5;

/// A bad line, by its place and never by its content.
pub fn bad_line(bad: &BadLine) -> v1::BadLine {
    v1::BadLine { file: bad.file.clone(), line: bad.line, error: bad.why.to_string() }
}

/// The beginning of a list. It goes to whoever sent the list, and nowhere else.
pub fn preview(file: &FilePreview) -> v1::ListPreview {
    v1::ListPreview {
        name: file.name.clone(),
        format: file.format.to_string(),
        kind: file.kind.as_str().into(),
        header: file.header.clone().unwrap_or_default(),
        rows: file.entries.iter().map(row).collect(),
        whole: file.is_whole,
    }
}

fn row(entry: &Entry) -> v1::PreviewRow {
    let phone_number = entry.number().to_string();
    match entry {
        Entry::Number(_) => v1::PreviewRow { phone_number, ..v1::PreviewRow::default() },
        Entry::Change(change) => v1::PreviewRow {
            phone_number,
            at: change.at.to_string(),
            action: match change.action {
                Action::Add => "add".into(),
                Action::Delete => "delete".into(),
            },
        },
    }
}
