//! How much memory this process took.

use std::fs;

/// Where Linux tells what a process uses.
const STATUS: &str = "/proc/self/status";

/// Returns the most memory that this process ever had, in bytes, where the system says so.
pub(super) fn peak_bytes() -> Option<u64> {
    peak_of(&fs::read_to_string(STATUS).ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::{peak_bytes, peak_of};

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_of(status), Some(2 * 1024 * 1024));
        assert_eq!(peak_of("VmRSS:\t 1 kB\n"), None);
        if cfg!(target_os = "linux") {
            assert!(peak_bytes().is_some_and(|bytes| bytes > 100_000));
        }
    }
}
