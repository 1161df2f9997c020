//! What happened, in order: a hash over all of it, and the last lines for people.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

/// A run's trace. Clones are the same trace.
#[derive(Clone)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    now: Duration,
    hash: Xxh3,
    lines: u64,
    last: VecDeque<String>,
    keep: usize,
    aloud: bool,
}

// === impl Trace ===

impl Trace {
    /// An empty trace that keeps its last `keep` lines; `aloud` prints every line when it is made.
    pub fn new(keep: usize, aloud: bool) -> Trace {
        let inner = Inner {
            now: Duration::ZERO,
            hash: Xxh3::new(),
            lines: 0,
            last: VecDeque::with_capacity(keep),
            keep,
            aloud,
        };
        Trace { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Says what time it is to whoever is no host.
    pub fn set_now(&self, now: Duration) {
        self.inner.lock().now = now;
    }

    /// Time since the simulation began.
    pub fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_else(|| self.inner.lock().now)
    }

    /// Something happened.
    #[allow(clippy::print_stdout)] // Asked for by whoever looks for what went wrong.
    pub fn note(&self, who: &str, what: fmt::Arguments<'_>) {
        let line = format!("{:>9.3} {who}: {what}", self.now().as_secs_f64());
        let mut inner = self.inner.lock();
        inner.hash.update(line.as_bytes());
        inner.lines += 1;
        if inner.aloud {
            println!("{line}");
        }
        if inner.last.len() == inner.keep {
            inner.last.pop_front();
        }
        inner.last.push_back(line);
    }

    /// Something too small for a line happened: it counts for the hash.
    pub fn bytes(&self, what: &[u8]) {
        let now = self.now();
        let mut inner = self.inner.lock();
        inner.hash.update(&now.as_nanos().to_le_bytes());
        inner.hash.update(what);
    }

    /// The hash over all that happened so far.
    pub fn hash(&self) -> u64 {
        self.inner.lock().hash.digest()
    }

    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.inner.lock().lines
    }

    /// The last of them.
    pub fn last(&self) -> Vec<String> {
        self.inner.lock().last.iter().cloned().collect()
    }
}

/// Notes a line: `note!(trace, who, "format", ..)`.
#[macro_export]
macro_rules! note {
    ($trace:expr, $who:expr, $($what:tt)*) => {
        $trace.note(&$who, format_args!($($what)*))
    };
}
