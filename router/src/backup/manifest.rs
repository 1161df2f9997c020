//! The manifest: what a backup is and which files belong to it. It is written when all of them are, and it carries a
//! checksum of itself, so that neither a missing file nor a changed one goes unnoticed.

use std::collections::BTreeSet;

use dnc_core::ids::{RegistryId, RequestId, VersionId};
use dnc_core::record::Table;
use dnc_proto::v1;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::api::answer::hex;

/// The manifest's own name.
pub const MANIFEST: &str = "manifest.json";
/// The format of the files. It changes with them.
pub const FORMAT: u32 = 1;
/// Longest manifest, bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// How its files are written.
    pub format: u32,
    /// Its name in its place.
    pub name: String,
    /// Names it for good: a UUID.
    pub backup_id: String,
    /// The cluster that it was made of, hexadecimal.
    pub cluster_id: String,
    /// The catalog revision there.
    pub revision: u64,
    /// When it began, RFC 3339.
    pub began_at: String,
    /// When it was complete.
    pub completed_at: String,
    /// The release that made it.
    pub software: String,
    /// Shards of that cluster.
    pub shards: u32,
    /// Its files.
    pub files: Vec<File>,
    /// SHA-256 of this manifest, in JSON without spaces and with this field empty.
    pub sha256: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Entries, or blocks; 1 for the catalog.
    pub entries: u64,
    /// Numbers of a version.
    pub numbers: u64,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Tenants, registries, rules.
    Catalog,
    /// All shards' entries of a table.
    Table(Table),
    /// The blocks of a version.
    Version {
        /// Of which registry.
        registry: RegistryId,
        /// Which version.
        version: VersionId,
    },
}

/// A manifest that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// Not a manifest at all, or not what was written.
    #[error("{0}")]
    Damaged(&'static str),
    /// Of another release.
    #[error("format {0}, which this release does not read")]
    Format(u32),
}

// === impl Manifest ===

impl Manifest {
    /// As it is stored.
    pub fn encode(mut self) -> Vec<u8> {
        self.sha256 = self.checksum();
        serde_json::to_vec_pretty(&self).expect("texts and numbers are JSON")
    }

    /// Reads what was stored under this name.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Manifest, BadManifest> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |_| BadManifest::Damaged("it cannot be read");
        let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(BadManifest::Format(format));
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(damaged)?;
        if manifest.sha256 != manifest.checksum() {
            return Err(BadManifest::Damaged("its checksum is another one"));
        }
        if manifest.name != name {
            return Err(BadManifest::Damaged("it is that of a backup of another name"));
        }
        // Names come from outside: none may lead out of the backup's folder.
        let names: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        if names.len() < manifest.files.len() || !names.iter().all(|name| is_file_name(name)) {
            return Err(BadManifest::Damaged("it names files that no backup has"));
        }
        if manifest.id().is_none() || u128::from_str_radix(&manifest.cluster_id, 16).is_err() {
            return Err(BadManifest::Damaged("it names no backup, or no cluster"));
        }
        Ok(manifest)
    }

    /// The backup's id.
    pub fn id(&self) -> Option<RequestId> {
        self.backup_id.parse().ok()
    }

    /// The one file that holds this.
    pub fn file(&self, holds: Holds) -> Result<&File, Error> {
        let mut found = self.files.iter().filter(|file| file.holds == holds);
        match (found.next(), found.next()) {
            (Some(file), None) => Ok(file),
            _ => Err(Error::damaged(MANIFEST, format!("it does not have one file for {holds:?}"))),
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// As callers see it.
    pub fn shown(&self) -> v1::Backup {
        let shown = |file: &File| v1::BackupFile {
            name: file.name.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            entries: file.entries,
            numbers: file.numbers,
        };
        v1::Backup {
            name: self.name.clone(),
            state: "complete".into(),
            backup_id: self.backup_id.clone(),
            cluster_id: self.cluster_id.clone(),
            revision: self.revision,
            began_at: self.began_at.clone(),
            completed_at: self.completed_at.clone(),
            software: self.software.clone(),
            shards: self.shards,
            bytes: self.bytes(),
            files: self.files.iter().map(shown).collect(),
            problem: String::new(),
        }
    }

    fn checksum(&self) -> String {
        let bare = Manifest { sha256: String::new(), ..self.clone() };
        hex(&Sha256::digest(serde_json::to_vec(&bare).expect("texts and numbers are JSON")))
    }
}

/// The name of a table's file.
pub fn table_file(table: Table) -> &'static str {
    match table {
        Table::Standing => "suppressions.jsonl",
        Table::Removed => "removed.jsonl",
        Table::Exemptions => "exemptions.jsonl",
        Table::Counts => "counts.jsonl",
    }
}

/// Whether this can be the name of a backup: when it began, and chance.
pub fn is_backup_name(name: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        16 => byte == b'-',
        17.. => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        _ => byte.is_ascii_digit(),
    };
    name.len() == 25 && name.bytes().enumerate().all(shape)
}

fn is_file_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    name != MANIFEST
        && name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "20261121T155000Z-0123abcd";

    fn manifest() -> Manifest {
        let file = |name: &str, holds| File {
            name: name.into(),
            holds,
            bytes: 5,
            sha256: "ab".repeat(32),
            entries: 1,
            numbers: 0,
        };
        let version = Holds::Version { registry: RegistryId(1), version: VersionId(2) };
        Manifest {
            format: FORMAT,
            name: NAME.into(),
            backup_id: RequestId(7).to_string(),
            cluster_id: format!("{:032x}", u128::MAX),
            revision: 9,
            began_at: "2026-11-21T15:50:00Z".into(),
            completed_at: "2026-11-21T15:51:00Z".into(),
            software: "0.1.0".into(),
            shards: 16,
            files: vec![
                file("catalog.json", Holds::Catalog),
                file("suppressions.jsonl", Holds::Table(Table::Standing)),
                file("registry-federal-2.blocks", version),
            ],
            sha256: String::new(),
        }
    }

    #[test]
    fn a_manifest_reads_back_and_any_flipped_bit_is_noticed() {
        let encoded = manifest().encode();
        let read = Manifest::decode(NAME, &encoded).expect("what was written");
        assert_eq!(Manifest { sha256: String::new(), ..read.clone() }, manifest());
        for at in 0..encoded.len() {
            for bit in 0..8 {
                let mut flipped = encoded.clone();
                flipped[at] ^= 1 << bit;
                // What says the same in other words is no damage.
                if let Ok(other) = Manifest::decode(NAME, &flipped) {
                    assert_eq!(other, read, "byte {at}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_manifest_of_another_format_or_with_files_elsewhere_is_refused() {
        let other = Manifest { format: 2, ..manifest() }.encode();
        assert_eq!(Manifest::decode(NAME, &other), Err(BadManifest::Format(2)));
        for bad in ["../x", "a/b", ".x", "", "manifest.json", "A"] {
            let mut other = manifest();
            other.files[0].name = bad.into();
            assert!(matches!(Manifest::decode(NAME, &other.encode()), Err(BadManifest::Damaged(_))), "{bad}");
        }
        assert!(Manifest::decode("20261121T155000Z-0123abce", &manifest().encode()).is_err());
    }

    #[test]
    fn names_of_backups_have_one_shape() {
        assert!(is_backup_name(NAME));
        for bad in ["", "..", "20261121T155000Z-0123abcg", "20261121T155000Z_0123abcd", "20261121T155000Z-0123abcd/"] {
            assert!(!is_backup_name(bad), "{bad}");
        }
    }
}
