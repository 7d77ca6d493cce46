//! CPU time and resident memory of a process, from proc(5).

use std::fs;

use anyhow::{Context, Result};

use crate::stats::float;

/// Ticks per second in `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture that runs tokio.
const USER_HZ: f64 = 100.0;

/// User and system time of all threads, seconds; steps of 10 ms.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("no process {pid} to measure"))?;
    cpu_of_stat(&stat).with_context(|| format!("/proc/{pid}/stat is not as proc(5) says"))
}

fn cpu_of_stat(stat: &str) -> Option<f64> {
    // The command's name may hold spaces and parentheses; fields are counted behind the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(float(user + system) / USER_HZ)
}

/// Resident bytes, from `smaps_rollup`, or from `status` where that is not readable (another
/// user's process).
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    if let Some(bytes) = rollup.ok().as_deref().and_then(|text| kilobytes(text, "Rss:")) {
        return Ok(bytes);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("no process {pid} to measure"))?;
    kilobytes(&status, "VmRSS:").with_context(|| format!("process {pid} has no resident memory"))
}

/// Resident bytes as the kernel keeps count of them, which costs the process nothing.
pub(crate) fn resident_roughly(pid: u32) -> Option<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_plus_system_behind_any_name() {
        let stat = "42 (odd) name) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 7 7 20 0 3 0 100";
        assert_eq!(cpu_of_stat(stat), Some(3.0));
        assert_eq!(cpu_of_stat("42 (short) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let rollup = "559-7ff ---p 0 00:00 0 [rollup]\nRss:               12345 kB\nPss: 1 kB\n";
        assert_eq!(kilobytes(rollup, "Rss:"), Some(12_345 * 1024));
        assert_eq!(kilobytes(rollup, "VmRSS:"), None);
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
    }
}
