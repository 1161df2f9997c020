//! Versions of bulk registries: what each covers, what it was made from, and how far it has come.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::area::Area;
use crate::ids::VersionId;

/// Where one area's part of a version comes from. This is evidence: it is kept as long as the version is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The list's own date: the clock of the safe harbour, neither the import's nor the check's.
    pub list_date: Date,
    /// File name, as the operator gave it.
    pub file: String,
    /// SHA-256 of the file as it arrived.
    pub sha256: [u8; 32],
    /// Numbers that the version holds from this file.
    pub numbers: u64,
}

/// Which area codes a version speaks for. Declared by file names, tags or the operator; never inferred from the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coverage {
    /// All numbers there are.
    Everywhere(Source),
    /// These area codes (or, outside +1, countries).
    Areas(BTreeMap<Area, Source>),
}

/// What is known of one version of a bulk registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Which version.
    pub id: VersionId,
    /// The versions that it was made from, newest first: a block that it does not hold is found in the first of these that does.
    pub ancestry: Vec<VersionId>,
    /// How far it has come.
    pub state: VersionState,
    /// Whoever loads it; a repeated request to begin finds the same version by it.
    pub load: u128,
    /// When loading began, milliseconds since 1970.
    pub begun_ms: u64,
    /// When it last became active, milliseconds since 1970; 0 if it never was.
    pub activated_ms: u64,
}

/// How far a version has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionState {
    /// Being loaded. No check is answered from it.
    Staging,
    /// Complete on all shards. Checks are answered from it while it is its registry's active version, and it can be made active again.
    Sealed(Content),
    /// Given up, or older than the versions that are kept. Its blocks may be deleted.
    Discarded,
}

/// What a complete version holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What it speaks for.
    pub coverage: Coverage,
    /// Numbers in it.
    pub numbers: u64,
    /// Numbers in it by area, those that its coverage does not name apart included.
    pub by_area: BTreeMap<Area, u64>,
    /// Wrapping sum of the shards' checksums.
    pub checksum: u64,
    /// What loading it changed.
    pub report: LoadReport,
}

/// What a load changed against the version that it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Lines (or tags) that held a number, duplicates included.
    pub processed: u64,
    /// Numbers that came in.
    pub added: u64,
    /// Numbers that went.
    pub dropped: u64,
    /// Numbers that were there before and still are, of what the load spoke for.
    pub unchanged: u64,
    /// Bad lines that were put up with.
    pub failed: u64,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// What a guard would have stopped, if somebody said that it is all right.
    pub forced: bool,
}

// === impl Source ===

impl Source {
    /// Days between the list's own date and a day; a list dated later is as fresh as can be.
    pub fn age_days(&self, today: Date) -> i64 {
        today.since(self.list_date).map_or(i64::MAX, |span| i64::from(span.get_days()).max(0))
    }
}

// === impl Coverage ===

impl Coverage {
    /// Where this area's part comes from; `None` if the version does not speak for the area.
    pub fn source(&self, area: Area) -> Option<&Source> {
        match self {
            Coverage::Everywhere(source) => Some(source),
            Coverage::Areas(areas) => areas.get(&area),
        }
    }

    /// The coverage of a version that was made from `parent` by loading `loaded`: what was loaded replaces, the rest stays.
    pub fn over(parent: Option<&Coverage>, loaded: Coverage) -> Coverage {
        match (parent, loaded) {
            (Some(Coverage::Areas(before)), Coverage::Areas(loaded)) => {
                let mut areas = before.clone();
                areas.extend(loaded);
                Coverage::Areas(areas)
            }
            (_, loaded) => loaded,
        }
    }

    /// How many areas are covered; `None` means all there are.
    pub fn areas(&self) -> Option<usize> {
        match self {
            Coverage::Everywhere(_) => None,
            Coverage::Areas(areas) => Some(areas.len()),
        }
    }

    /// The oldest of its lists' dates; `None` if it covers nothing.
    pub fn oldest(&self) -> Option<Date> {
        match self {
            Coverage::Everywhere(source) => Some(source.list_date),
            Coverage::Areas(areas) => areas.values().map(|source| source.list_date).min(),
        }
    }
}

// === impl Version ===

impl Version {
    /// The version that it was made from.
    pub fn parent(&self) -> Option<VersionId> {
        self.ancestry.first().copied()
    }

    /// What it holds, if it is complete.
    pub fn content(&self) -> Option<&Content> {
        match &self.state {
            VersionState::Sealed(content) => Some(content),
            VersionState::Staging | VersionState::Discarded => None,
        }
    }

    /// This version and those that it was made from, newest first: the ancestry of one made from it.
    pub fn line(&self) -> Vec<VersionId> {
        let mut line = Vec::with_capacity(self.ancestry.len() + 1);
        line.push(self.id);
        line.extend(&self.ancestry);
        line
    }
}
