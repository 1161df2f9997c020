//! What a load did, or would do, as its caller is told.

use dnc_core::ids::VersionId;
use dnc_core::listfile::ListKind;
use dnc_core::registry::{Content, LoadReport};
use dnc_proto::v1;

use super::areas::{self, Change, Counts};
use super::read::{Entries, Lists};
use super::scope::Scope;
use super::stage::Staged;

/// What a load did.
pub fn of_load(lists: &Lists, staged: &Staged, duration_ms: u64, forced: bool) -> LoadReport {
    let changed = staged.sum.changed;
    // Of changes, those that were so already.
    let unchanged = match &lists.entries {
        Entries::Full(_) => changed.unchanged,
        Entries::Changes(settled) => (settled.adds + settled.drops).saturating_sub(changed.added + changed.dropped),
    };
    LoadReport {
        processed: lists.processed,
        added: changed.added,
        dropped: changed.dropped,
        unchanged,
        failed: lists.failed,
        duration_ms,
        forced,
    }
}

/// The result of a load that is active from `revision` on.
pub fn result(
    registry: String,
    version: VersionId,
    content: &Content,
    changes: &[Change],
    lists: &Lists,
    scope: &Scope,
) -> v1::ImportResult {
    v1::ImportResult {
        version: version.0,
        added: content.report.added,
        dropped: content.report.dropped,
        unchanged: content.report.unchanged,
        numbers: content.numbers,
        forced: content.report.forced,
        ..common(registry, changes, lists, scope)
    }
}

/// What a load would do, as far as that can be told without the shards: counts by area. Which numbers would come
/// and go is known only when they are compared, in the shards.
pub fn foreseen(
    registry: String,
    before: Option<&Content>,
    changes: &[Change],
    lists: &Lists,
    scope: &Scope,
) -> v1::ImportResult {
    let whole = changes.iter().find(|change| change.area.is_none());
    v1::ImportResult {
        dry_run: true,
        numbers: whole.map_or_else(|| before.map_or(0, |content| content.numbers), |whole| whole.after),
        previews: lists.previews.clone(),
        ..common(registry, changes, lists, scope)
    }
}

/// How many numbers each area has after a load that was not staged: exactly, of full lists; of changes, if all of
/// them change something.
pub fn counts_after(before: Option<&Content>, scope: &Scope, lists: &Lists) -> Counts {
    let none = Counts::new();
    let before = before.map_or(&none, |content| &content.by_area);
    match &lists.entries {
        Entries::Full(blocks) => areas::replaced(before, scope, areas::of(blocks)),
        Entries::Changes(changes) => areas::foreseen(before, changes),
    }
}

fn common(registry: String, changes: &[Change], lists: &Lists, scope: &Scope) -> v1::ImportResult {
    v1::ImportResult {
        registry,
        processed: lists.processed,
        failed: lists.failed,
        bad_lines: lists.bad_lines.clone(),
        files: scope.files(lists),
        kind: match lists.kind() {
            ListKind::Full => "full".into(),
            ListKind::Changes => "changes".into(),
        },
        areas: changes.iter().map(Change::message).collect(),
        ..v1::ImportResult::default()
    }
}
