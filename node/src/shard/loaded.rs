//! The state of a replica and the filter in front of it. They are published together, so that a
//! reader never asks the filter of one state for the records of another.

use std::sync::Arc;

use dnc_consensus::Keyspace;
use dnc_planted::Bug;

use super::bloom::Bloom;
use super::keys::{self, Standing};
use super::{ShardError, scan};

/// A state and its filter.
pub struct Loaded {
    /// The replicated state. It stays readable while it is held, whatever is loaded later.
    pub state: Keyspace,
    /// Says of nearly every number without records that it has none.
    pub bloom: Bloom,
}

// === impl Loaded ===

impl Loaded {
    /// Reads a state: its filter, and how many suppressions stand.
    pub fn read(state: &Keyspace) -> Result<(Loaded, u64), ShardError> {
        let mut numbers = Vec::new();
        let mut suppressions = 0;
        scan(state, &[keys::STANDING], |key, _| {
            let number = match Standing::parse(key)? {
                Standing::Suppression(name) => {
                    suppressions += 1;
                    name.number
                }
                Standing::Exemption(name) => name.number,
            };
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
            Ok(())
        })?;
        let bloom = Bloom::new(numbers.len());
        if dnc_planted::is(Bug::FilterNotFilled) {
            numbers.clear();
        }
        numbers.into_iter().for_each(|number| bloom.insert(number));
        Ok((Loaded { state: state.clone(), bloom }, suppressions))
    }

    /// Grows the filter in the background when it is nearly full. To be called after what was put
    /// into it is written: then reading what is there now completes the larger one.
    pub fn grow(self: &Arc<Self>, shard: u32) {
        let Some(growth) = self.bloom.grow() else {
            return;
        };
        let loaded = Arc::clone(self);
        let spawned = std::thread::Builder::new().name(format!("bloom-{shard}")).spawn(move || {
            let filled = scan(&loaded.state, &[keys::STANDING], |key, _| {
                growth.insert(match Standing::parse(key)? {
                    Standing::Suppression(name) => name.number,
                    Standing::Exemption(name) => name.number,
                });
                Ok(())
            });
            match filled {
                Ok(()) => loaded.bloom.grown(growth),
                Err(error) => {
                    tracing::error!(shard, %error, "grow the bloom filter");
                    loaded.bloom.give_up();
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(shard, %error, "start growing the bloom filter");
            self.bloom.give_up();
        }
    }
}
