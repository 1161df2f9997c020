//! Backups listed, and compared with their checksums.

use dnc_proto::v1;

use super::error::Error;
use super::manifest::{BadManifest, MANIFEST, Manifest, is_backup_name};
use super::progress::Progress;
use super::store::Store;
use crate::failure::Invalid;

/// All backups in a place, the newest first.
pub async fn list(store: &Store) -> Result<v1::BackupList, Error> {
    let mut backups = Vec::new();
    for name in store.names().await? {
        let bare = |state: &str, problem: String| v1::Backup {
            name: name.clone(),
            state: state.into(),
            problem,
            ..v1::Backup::default()
        };
        backups.push(match manifest(store, &name).await {
            // What files it has does not belong in a list.
            Ok(manifest) => v1::Backup { files: Vec::new(), ..manifest.shown() },
            Err(Error::Incomplete(_)) => bare("incomplete", String::new()),
            Err(why @ (Error::Damaged { .. } | Error::Format(_))) => bare("damaged", why.to_string()),
            Err(why) => return Err(why),
        });
    }
    Ok(v1::BackupList { backups })
}

/// A backup's manifest, if it is complete.
pub async fn manifest(store: &Store, name: &str) -> Result<Manifest, Error> {
    if !is_backup_name(name) {
        let why = "the name of a backup is a time and eight hexadecimal digits, such as 20261121T155000Z-0123abcd";
        return Err(Invalid::new("name", why).into());
    }
    match store.manifest(name).await? {
        Some(bytes) => Manifest::decode(name, &bytes).map_err(|why| match why {
            BadManifest::Format(format) => Error::Format(format),
            BadManifest::Damaged(why) => Error::damaged(MANIFEST, why),
        }),
        None if store.has(name).await? => Err(Error::Incomplete(name.into())),
        None => Err(Error::Unknown(name.into())),
    }
}

/// Reads every file of a backup, to its end.
pub async fn run(store: &Store, manifest: &Manifest, progress: &Progress) -> Result<(), Error> {
    progress.total(manifest.bytes());
    for file in &manifest.files {
        progress.step("verifying", &file.name);
        let mut source = store.read(&manifest.name, file).await?;
        while let Some(piece) = source.next().await? {
            progress.advance(0, piece.len() as u64);
        }
    }
    Ok(())
}
