//! Registries: what kinds there are, what each covers, and what a hit in one is called.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::area::Area;
use crate::ids::{RegistryId, VersionId};

/// Days that a list may be old at the time of a call, where a registry does not say otherwise: 16 CFR 310.4(b)(3)(iv).
pub const MAX_LIST_AGE_DAYS: u16 = 31;

/// Longest name of a registry, in characters.
pub const MAX_NAME: usize = 64;

/// Whose numbers a registry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegistryKind {
    /// A country's own registry. A number that none of these covers can never be CLEAR.
    Federal,
    /// A state's registry.
    State,
    /// The caller's own opt-outs: live, entry by entry.
    Internal,
    /// People who sue.
    Litigation,
    /// Wireless and ported numbers.
    Wireless,
    /// Lists that partners share.
    Partner,
}

/// Where one area's part of a version comes from. This is evidence: it is kept as long as the version is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The version that it was made from: blocks that it does not hold are found there.
    pub parent: Option<VersionId>,
    /// How far it has come.
    pub state: VersionState,
    /// Whoever loads it; a repeated request to begin finds the same version by it.
    pub load: u128,
    /// When loading began, milliseconds since 1970.
    pub begun_ms: u64,
}

/// How far a version has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionState {
    /// Being loaded. No check is answered from it.
    Staging,
    /// Complete on all shards. Checks are answered from it while it is its registry's active version, and it can be made active again.
    Sealed {
        /// What it speaks for.
        coverage: Coverage,
        /// Numbers in it.
        numbers: u64,
        /// Wrapping sum of the shards' checksums.
        checksum: u64,
    },
    /// Given up. Its blocks may be deleted.
    Discarded,
}

/// One registry, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Its number, which entries and blocks carry.
    pub id: RegistryId,
    /// Its name, unique in the cluster.
    pub name: String,
    /// Whose numbers it holds.
    pub kind: RegistryKind,
    /// Country or state code, for people to read.
    pub jurisdiction: String,
    /// Days that its lists may be old at the time of a call.
    pub max_age_days: u16,
    /// The version that answers checks.
    pub active: Option<VersionId>,
    /// All versions, by id.
    pub versions: BTreeMap<VersionId, Version>,
}

/// Text that names no kind of registry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a registry is of type federal, state, internal, litigation, wireless or partner")]
pub struct UnknownKind;

/// A name that no registry can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadName {
    /// Nothing there.
    #[error("a registry needs a name")]
    Empty,
    /// Too long.
    #[error("a registry's name has at most {MAX_NAME} characters")]
    TooLong,
    /// Other characters than those allowed.
    #[error("a registry's name is made of small letters, digits, '-', '_' and '.', and begins with a letter or digit")]
    Characters,
}

/// Checks a name for a registry.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let mut characters = name.bytes();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match characters.next() {
        None => Err(BadName::Empty),
        Some(_) if name.len() > MAX_NAME => Err(BadName::TooLong),
        Some(first) if plain(first) && characters.all(|b| plain(b) || b"-_.".contains(&b)) => Ok(()),
        Some(_) => Err(BadName::Characters),
    }
}

// === impl RegistryKind ===

impl RegistryKind {
    /// All kinds, in the order in which they are declared.
    pub const ALL: [RegistryKind; 6] = [
        RegistryKind::Federal,
        RegistryKind::State,
        RegistryKind::Internal,
        RegistryKind::Litigation,
        RegistryKind::Wireless,
        RegistryKind::Partner,
    ];

    /// Whether entries change one by one; otherwise they come as versions.
    pub fn is_live(self) -> bool {
        self == RegistryKind::Internal
    }

    /// The word for it in requests and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RegistryKind::Federal => "federal",
            RegistryKind::State => "state",
            RegistryKind::Internal => "internal",
            RegistryKind::Litigation => "litigation",
            RegistryKind::Wireless => "wireless",
            RegistryKind::Partner => "partner",
        }
    }
}

impl fmt::Display for RegistryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RegistryKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        RegistryKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
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
}

// === impl Registry ===

impl Registry {
    /// The active version, with its coverage and count of numbers.
    pub fn active_version(&self) -> Option<(VersionId, &Coverage, u64)> {
        let id = self.active?;
        match &self.versions.get(&id)?.state {
            VersionState::Sealed { coverage, numbers, .. } => Some((id, coverage, *numbers)),
            VersionState::Staging | VersionState::Discarded => None,
        }
    }

    /// A version and those that it was made from, newest first.
    pub fn ancestry(&self, version: VersionId) -> Vec<VersionId> {
        let mut found = Vec::new();
        let mut next = Some(version);
        while let Some(id) = next {
            // A parent is always older than its child, so this ends; damaged data must not loop either.
            if found.last().is_some_and(|newer| *newer <= id) {
                break;
            }
            found.push(id);
            next = self.versions.get(&id).and_then(|v| v.parent);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!(check_name("federal"), Ok(()));
        assert_eq!(check_name("tx-state_1.2"), Ok(()));
        assert_eq!(check_name(""), Err(BadName::Empty));
        assert_eq!(check_name(&"x".repeat(65)), Err(BadName::TooLong));
        for bad in ["-x", "Federal", "a b", "a/b", "é"] {
            assert_eq!(check_name(bad), Err(BadName::Characters), "{bad}");
        }
    }

    #[test]
    fn every_kind_reads_back_from_its_word() {
        for kind in RegistryKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("county".parse::<RegistryKind>(), Err(UnknownKind));
    }
}
