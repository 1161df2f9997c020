//! This node's clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; none if the clock says that it is before that.
pub fn now_ms() -> Option<u64> {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
