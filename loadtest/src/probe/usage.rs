//! CPU use of several processes and of the machine over a window.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;

use super::process::cpu_seconds;
use crate::stats::{float, ratio};

/// A window that has begun.
pub(crate) struct Meter {
    started: Instant,
    /// Name, process, CPU seconds at the start.
    processes: Vec<(&'static str, u32, f64)>,
    machine: (u64, u64),
}

/// What a window saw.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    /// Name and CPU seconds of each process.
    pub(crate) cpu_seconds: Vec<(&'static str, f64)>,
    /// Share of the machine's cores that did anything, 0 to 1.
    pub(crate) machine_busy: f64,
}

impl Meter {
    /// Begins a window; a process without a pid is left out.
    pub(crate) fn start(processes: &[(&'static str, Option<u32>)]) -> Result<Self> {
        let processes = processes
            .iter()
            .filter_map(|&(name, pid)| pid.map(|pid| (name, pid)))
            .map(|(name, pid)| Ok((name, pid, cpu_seconds(pid)?)))
            .collect::<Result<_>>()?;
        Ok(Self { started: Instant::now(), processes, machine: machine_ticks()? })
    }

    pub(crate) fn stop(self) -> Result<Usage> {
        let cpu_seconds = self
            .processes
            .iter()
            .map(|&(name, pid, before)| Ok((name, cpu_seconds(pid)? - before)))
            .collect::<Result<_>>()?;
        let (busy, all) = machine_ticks()?;
        let (busy, all) = (float(busy - self.machine.0), float(all - self.machine.1));
        Ok(Usage {
            seconds: self.started.elapsed().as_secs_f64(),
            cpu_seconds,
            machine_busy: ratio(busy, all).unwrap_or_default(),
        })
    }
}

impl Usage {
    /// CPU seconds of all processes of a name.
    pub(crate) fn of(&self, name: &str) -> Option<f64> {
        let all = self.cpu_seconds.iter().filter(|(n, _)| *n == name).map(|(_, seconds)| *seconds);
        all.reduce(|sum, seconds| sum + seconds)
    }

    /// The most that one process of a name took, percent of a core.
    pub(crate) fn busiest(&self, name: &str) -> Option<f64> {
        let all = self.cpu_seconds.iter().filter(|(n, _)| *n == name).map(|(_, seconds)| *seconds);
        Some(100.0 * all.reduce(f64::max)? / self.seconds)
    }

    /// The CPU of a name as a share of one core, percent.
    pub(crate) fn percent(&self, name: &str) -> Option<f64> {
        Some(100.0 * self.of(name)? / self.seconds)
    }
}

/// Busy and all ticks of the machine.
fn machine_ticks() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guest time is counted in user already.
    let ticks: Vec<u64> =
        line.split_ascii_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Ok((all - idle, all))
}
