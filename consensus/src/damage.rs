//! What the store has found to be damaged, whoever met with it: a check, a replica, or the scrub.
//!
//! Column families are shared by all groups, and a compaction that meets with a damaged file stops all writes. So damage
//! is the whole store's, and what the process does about it is decided once.

use tokio::sync::watch;

use crate::error::StoreError;

/// The first damage that was found.
pub(crate) struct Damage {
    found: watch::Sender<Option<String>>,
}

// === impl Damage ===

impl Default for Damage {
    fn default() -> Self {
        Self { found: watch::Sender::new(None) }
    }
}

impl Damage {
    /// Writes the error down if it says that something is damaged, and hands it on.
    pub(crate) fn noted(&self, error: StoreError) -> StoreError {
        if error.is_damage() {
            self.found.send_if_modified(|found| {
                let first = found.is_none();
                if first {
                    *found = Some(told(&error));
                }
                first
            });
        }
        error
    }

    /// The first damage, in words; it does not change any more once it is there.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<String>> {
        self.found.subscribe()
    }
}

fn told(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_damage_is_kept_and_other_errors_are_none() {
        let damage = Damage::default();
        let watch = damage.watch();
        damage.noted(StoreError::Closed);
        assert_eq!(*watch.borrow(), None);
        damage.noted(StoreError::Damaged("one".into()));
        damage.noted(StoreError::Damaged("two".into()));
        assert_eq!(watch.borrow().as_deref(), Some("damaged store: one"));
    }
}
