//! Where clients write down what they saw.

use std::sync::Mutex;
use std::time::Instant;

use crate::history::{Event, Moment};

/// A history as it grows, with the one clock for all of it.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    events: Mutex<Vec<Event>>,
}

// === impl Recorder ===

impl Recorder {
    /// An empty history that begins now.
    pub fn new() -> Recorder {
        Recorder { began: Instant::now(), events: Mutex::default() }
    }

    /// The moment it is.
    pub fn now(&self) -> Moment {
        // 584 years fit.
        Moment(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Adds what a client saw.
    pub fn record(&self, event: Event) {
        self.events.lock().expect("nobody panics while holding it").push(event);
    }

    /// All that was seen so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("nobody panics while holding it").clone()
    }
}
