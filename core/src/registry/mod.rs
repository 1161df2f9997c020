//! Registries: what kinds there are, what the catalog knows of each, and what state it is in.

mod settings;
mod sync;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::settings::{Fetch, Guard, KEEP_VERSIONS, MAX_LIST_AGE_DAYS, Reading, Schedule, SealedKey, Settings};
pub use self::sync::{Claim, MAX_HISTORY, Outcome, SyncRecord, SyncState, Trigger};
pub use self::version::{Content, Coverage, LoadReport, Source, Version, VersionState};
use crate::ids::{RegistryId, TenantId, VersionId};

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

/// One registry, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Its number, which entries and blocks carry.
    pub id: RegistryId,
    /// Its name, unique in the cluster for good: evidence names it.
    pub name: String,
    /// Whose numbers it holds.
    pub kind: RegistryKind,
    /// The tenant that it belongs to; none means that it is shared by those who hold it.
    pub owner: Option<TenantId>,
    /// What can be changed.
    pub settings: Settings,
    /// Counts the changes of the settings: an update names the edition that it was made from.
    pub edition: u64,
    /// Whether it was given up. It stays in the catalog, for answers of the past name it.
    pub retired: bool,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// The version that answers checks.
    pub active: Option<VersionId>,
    /// The version that did so before: it stays resident until all have changed over.
    pub previous: Option<VersionId>,
    /// A version that is to become resident, so that it can be made active again.
    pub summoned: Option<VersionId>,
    /// All versions, by id.
    pub versions: BTreeMap<VersionId, Version>,
    /// Where it stands with its syncs.
    pub sync: SyncState,
}

/// What state a registry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryState {
    /// It is consulted.
    Active,
    /// It is not consulted.
    Inactive,
    /// A router fetches its list.
    Syncing,
    /// Its last sync failed; what was active before still is.
    Error,
    /// It was given up.
    Retired,
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

// === impl RegistryState ===

impl RegistryState {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            RegistryState::Active => "active",
            RegistryState::Inactive => "inactive",
            RegistryState::Syncing => "syncing",
            RegistryState::Error => "error",
            RegistryState::Retired => "retired",
        }
    }
}

// === impl Registry ===

impl Registry {
    /// The active version, with what it holds.
    pub fn active_version(&self) -> Option<(VersionId, &Content)> {
        let id = self.active?;
        Some((id, self.versions.get(&id)?.content()?))
    }

    /// Its state at a time.
    pub fn state_at(&self, now_ms: u64) -> RegistryState {
        if self.retired {
            RegistryState::Retired
        } else if !self.settings.enabled {
            RegistryState::Inactive
        } else if self.sync.claim_at(now_ms).is_some() {
            RegistryState::Syncing
        } else if self.sync.last().is_some_and(|last| last.outcome == Outcome::Failed) {
            RegistryState::Error
        } else {
            RegistryState::Active
        }
    }

    /// Whether checks are answered from its lists.
    pub fn is_consulted(&self) -> bool {
        self.settings.enabled && !self.retired
    }

    /// The versions whose content must stay: every one that is complete, for it can become active at any time until it
    /// is discarded; and those in the making, with what they are made from.
    pub fn kept(&self) -> BTreeSet<VersionId> {
        let mut kept: BTreeSet<VersionId> = self.active.into_iter().chain(self.previous).chain(self.summoned).collect();
        kept.extend(self.versions.values().filter(|v| v.content().is_some()).map(|v| v.id));
        let making = self.versions.values().filter(|v| v.state == VersionState::Staging);
        kept.extend(making.flat_map(|v| [Some(v.id), v.parent()]).flatten());
        kept
    }

    /// The complete versions that nothing needs any more: not among the newest, not active, not on their way to be.
    pub fn outdated(&self) -> Vec<VersionId> {
        let sealed = || self.versions.values().filter(|v| v.content().is_some()).map(|v| v.id);
        // Ids count up, so the newest come last.
        let newest = sealed().rev().take(usize::from(self.settings.keep_versions.max(1)));
        let mut needed: BTreeSet<VersionId> =
            self.active.into_iter().chain(self.previous).chain(self.summoned).collect();
        needed.extend(newest);
        let making = self.versions.values().filter(|v| v.state == VersionState::Staging);
        needed.extend(making.filter_map(Version::parent));
        sealed().filter(|id| !needed.contains(id)).collect()
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
