//! Checks that a run fits into the limits before it starts.

use std::fs;

use anyhow::{Context, Result, ensure};

/// Descriptors a process needs beside its sockets: listeners, pipes, epoll, Redis.
const SPARE: u64 = 100;

/// Fails in one line unless process `pid` may open `sockets` sockets; `who` names it.
pub(crate) fn check_descriptors(pid: u32, who: &str, sockets: usize) -> Result<()> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits"))
        .with_context(|| format!("cannot read the limits of process {pid} ({who})"))?;
    let (soft, hard) = open_files(&limits).context("/proc/<pid>/limits has no open files")?;
    let need = sockets as u64 + SPARE;
    let advice = if hard >= need { "run `ulimit -n" } else { "as root, run `ulimit -n" };
    ensure!(
        soft >= need,
        "{sockets} sockets need {need} file descriptors, and {who} may open {soft} (hard limit \
         {hard}): {advice} {need}` before, or ask for fewer connections"
    );
    Ok(())
}

/// Sockets that this process may hold beside what it needs itself.
pub(crate) fn most_sockets() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    Some(open_files(&limits)?.0.saturating_sub(SPARE))
}

fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut numbers = line.split_ascii_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_limit_is_read_with_its_hard_limit() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\n\
                      Max open files            1024                 unlimited            files\n";
        assert_eq!(open_files(limits), Some((1024, u64::MAX)));
    }

    #[test]
    fn too_many_sockets_are_refused_with_the_numbers() {
        let error = check_descriptors(std::process::id(), "this tool", usize::MAX / 2);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("this tool may open") && !error.contains('\n'), "{error}");
    }
}
