//! What this process uses of its machine: memory against its limit, and room on the disk of its folder. As gauges.
//!
//! They are read from where Linux tells them; what is not told there (another system, another layout) has no gauge.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// Where a container's limit on memory is told: by the second version of control groups, then the first.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Reads them for one process.
#[derive(Clone)]
pub struct Vitals {
    folder: PathBuf,
}

/// Says what the gauges mean, for the exporter.
fn describe() {
    metrics::describe_gauge!("process_resident_memory_bytes", "memory of this process");
    metrics::describe_gauge!(
        "dnc_memory_limit_bytes",
        "memory that this process may use: its container's, or the machine's"
    );
    metrics::describe_gauge!("dnc_disk_bytes", "size of the disk that this process's folder is on");
    metrics::describe_gauge!("dnc_disk_free_bytes", "what is free of it");
}

/// The value of a line such as `VmRSS:     1024 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The smaller of the container's limit and the machine's memory. `max`, and the first version's absurd number, are no limits.
fn limit() -> Option<u64> {
    let machine = kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")?;
    let limits = LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    limits.chain([machine]).min()
}

// Bytes are far below 2^53, so the conversion is exact.
fn gauge(name: &'static str, bytes: u64) {
    metrics::gauge!(name).set(bytes as f64);
}

// === impl Vitals ===

impl Vitals {
    /// Of this process, whose data lies in this folder.
    pub fn of(folder: &Path) -> Self {
        describe();
        Self { folder: folder.to_owned() }
    }

    /// Reads them and sets the gauges. Blocks, as long as a disk does.
    pub fn set(&self) {
        if let Some(used) = fs::read_to_string("/proc/self/status").ok().and_then(|text| kilobytes(&text, "VmRSS")) {
            gauge("process_resident_memory_bytes", used);
        }
        if let Some(limit) = limit() {
            gauge("dnc_memory_limit_bytes", limit);
        }
        if let Ok(disk) = statvfs(&self.folder) {
            gauge("dnc_disk_bytes", disk.blocks().saturating_mul(disk.fragment_size()));
            gauge("dnc_disk_free_bytes", disk.blocks_available().saturating_mul(disk.fragment_size()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_by_its_name() {
        let text = "Name:\tdnc\nVmHWM:\t 20 kB\nVmRSS:\t    12 kB\n";
        assert_eq!(kilobytes(text, "VmRSS"), Some(12 * 1_024));
        assert_eq!(kilobytes(text, "VmSwap"), None);
        assert_eq!(kilobytes(text, "Name"), None);
    }
}
