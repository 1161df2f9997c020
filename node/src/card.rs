//! The node's card: a small file beside the store that says whose data the folder holds, for when the store cannot.
//!
//! It is checksummed, and made anew at each start of a store that can be read. What gives its data up passes over it: a
//! node that ends in the middle goes on where it was.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use dnc_core::codec;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The file.
const CARD: &str = "node-card";
/// The file while it is written.
const NEW: &str = "node-card.new";
/// What data that was given up is moved to begins so.
const ASIDE: &str = "damaged-";
/// Bytes of the checksum in front of the rest.
const CHECKSUM: usize = 8;

/// Whose data a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The cluster.
    pub cluster: u128,
    /// Of a node that joined with this folder.
    pub incarnation: u128,
    /// How far it is with it.
    pub state: State,
}

/// How far a node is with its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The store here is its own.
    Lives,
    /// It gives its data up, which is being moved into this folder.
    GivesUp(String),
    /// It has no data any more; whoever joins with what is made here now takes its place.
    Succeeded,
}

// === impl Card ===

impl Card {
    /// The card in a folder; none if there is none, or if it is damaged itself.
    pub fn read(folder: &Path) -> io::Result<Option<Card>> {
        let bytes = match fs::read(folder.join(CARD)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let card = parse(&bytes);
        if card.is_none() {
            tracing::warn!("the card beside the store is damaged, it is made anew if the store can be read");
        }
        Ok(card)
    }

    /// Writes the card; on disk when it returns. Blocks.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let body = codec::encode(self);
        let mut file = File::create(folder.join(NEW))?;
        file.write_all(&xxh3_64(&body).to_le_bytes())?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(folder.join(NEW), folder.join(CARD))?;
        sync(folder)
    }

    /// Moves all data of the node aside, into a folder of this name, and says on the card that it is gone. One such
    /// folder is kept, the last. Nobody may have the store open. Blocks.
    pub fn give_up(mut self, folder: &Path, at: &str) -> io::Result<()> {
        self.state = State::GivesUp(format!("{ASIDE}{at}"));
        self.write(folder)?;
        self.finish(folder)
    }

    /// Goes on with giving up, if the node was at it. Blocks.
    pub fn finish(mut self, folder: &Path) -> io::Result<()> {
        let State::GivesUp(name) = &self.state else { return Ok(()) };
        let aside = folder.join(name);
        fs::create_dir_all(&aside)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.file_name();
            let file_name = file.to_string_lossy();
            if file_name == name.as_str() || stays(&file_name) {
                continue;
            }
            if file_name.starts_with(ASIDE) {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::rename(entry.path(), aside.join(&file))?;
            }
        }
        sync(&aside)?;
        sync(folder)?;
        self.state = State::Succeeded;
        self.write(folder)
    }
}

/// What is no part of a node's data: who holds the folder, the card, what a file system keeps for itself.
fn stays(name: &str) -> bool {
    matches!(name, CARD | NEW | "dnc.lock" | "lost+found")
}

fn parse(bytes: &[u8]) -> Option<Card> {
    let (checksum, body) = bytes.split_at_checked(CHECKSUM)?;
    (xxh3_64(body).to_le_bytes() == checksum).then(|| codec::decode(body).ok())?
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card { cluster: 7, incarnation: 9, state: State::Lives }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("listed");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_card_reads_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(Card::read(folder.path()).expect("read"), None);
        card().write(folder.path()).expect("written");
        assert_eq!(Card::read(folder.path()).expect("read"), Some(card()));
        let path = folder.path().join(CARD);
        let whole = fs::read(&path).expect("read");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, bytes).expect("flipped");
            assert_eq!(Card::read(folder.path()).expect("read"), None, "byte {at}");
        }
        fs::write(&path, &whole[..3]).expect("cut");
        assert_eq!(Card::read(folder.path()).expect("read"), None);
    }

    #[test]
    fn data_that_is_given_up_is_kept_aside_once_and_nothing_else_moves() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("dnc.lock"), "1").expect("written");
        for (life, at) in [("first", "1"), ("second", "2")] {
            fs::write(path("CURRENT"), life).expect("written");
            card().give_up(folder.path(), at).expect("given up");
        }
        assert_eq!(names(folder.path()), ["damaged-2", "dnc.lock", CARD]);
        assert_eq!(fs::read_to_string(path("damaged-2/CURRENT")).expect("kept"), "second");
        let succeeded = Card { state: State::Succeeded, ..card() };
        assert_eq!(Card::read(folder.path()).expect("read"), Some(succeeded));
    }

    #[test]
    fn a_node_that_ended_while_it_gave_up_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("damaged-1")).expect("made");
        fs::write(path("damaged-1/000007.sst"), "moved before").expect("written");
        fs::write(path("CURRENT"), "not yet").expect("written");
        let card = Card { state: State::GivesUp("damaged-1".into()), ..card() };
        card.write(folder.path()).expect("written");
        card.finish(folder.path()).expect("finished");
        assert_eq!(names(&path("damaged-1")), ["000007.sst", "CURRENT"]);
        let after = Card::read(folder.path()).expect("read").expect("a card");
        after.clone().finish(folder.path()).expect("nothing to do");
        assert_eq!(after.state, State::Succeeded);
    }
}
