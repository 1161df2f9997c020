//! What this router fetched before, so that it need not fetch it again to know that it is loaded. Forgotten when it restarts.

use std::collections::HashMap;

use dnc_core::ids::RegistryId;
use parking_lot::Mutex;

/// Most files that are remembered.
const MAX_SEEN: usize = 20_000;

/// Marks and hashes of files by where they are.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashMap<Place, (String, [u8; 32])>>);

/// Where a file is: of which registry, and its URL.
type Place = (RegistryId, String);

// === impl Seen ===

impl Seen {
    /// The mark that a file had when it was fetched, and its SHA-256.
    pub fn get(&self, registry: RegistryId, url: &str, path: &str) -> Option<(String, [u8; 32])> {
        self.0.lock().get(&key(registry, url, path)).cloned()
    }

    /// A file was fetched.
    pub fn put(&self, registry: RegistryId, url: &str, path: &str, mark: String, sha256: [u8; 32]) {
        let mut seen = self.0.lock();
        if seen.len() >= MAX_SEEN {
            // Nothing depends on it but the time that the next sync takes.
            seen.clear();
        }
        seen.insert(key(registry, url, path), (mark, sha256));
    }
}

fn key(registry: RegistryId, url: &str, path: &str) -> Place {
    (registry, format!("{url}\n{path}"))
}
