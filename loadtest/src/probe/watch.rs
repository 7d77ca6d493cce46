//! Looks at a run while it goes on, for plots over time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;

use super::process::{cpu_seconds, resident_roughly};
use crate::report::Plot;
use crate::stats::float;
use crate::worker::Counters;

const STEP: Duration = Duration::from_millis(250);

/// One look.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// Since the beginning, seconds.
    pub(crate) at: f64,
    pub(crate) open: usize,
    /// Messages per second since the last look.
    pub(crate) received_per_second: f64,
    /// CPU of all servers since the last look, percent of a core.
    pub(crate) cpu_percent: f64,
    /// Resident memory of all servers, bytes.
    pub(crate) resident_bytes: u64,
}

/// Watches until it is stopped or dropped.
pub(crate) struct Watch {
    task: JoinHandle<()>,
    samples: Arc<Mutex<Vec<Sample>>>,
    servers: Arc<Mutex<Vec<u32>>>,
}

impl Watch {
    pub(crate) fn start(servers: impl IntoIterator<Item = u32>, counters: Arc<Counters>) -> Self {
        let samples = Arc::default();
        let servers = Arc::new(Mutex::new(servers.into_iter().collect()));
        let task = tokio::spawn(look(Arc::clone(&samples), Arc::clone(&servers), counters));
        Self { task, samples, servers }
    }

    /// The servers have other processes now.
    pub(crate) fn follow(&self, servers: impl IntoIterator<Item = u32>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) =
            servers.into_iter().collect();
    }

    pub(crate) fn stop(self) -> Vec<Sample> {
        std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(
    samples: Arc<Mutex<Vec<Sample>>>,
    servers: Arc<Mutex<Vec<u32>>>,
    counters: Arc<Counters>,
) {
    let start = Instant::now();
    let mut tick = tokio::time::interval(STEP);
    let mut before: Option<(Instant, u64, BTreeMap<u32, f64>)> = None;
    loop {
        tick.tick().await;
        let now = Instant::now();
        let pids = servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A server between its end and its start has nothing to look at.
        let cpu: BTreeMap<u32, f64> =
            pids.iter().filter_map(|&pid| Some((pid, cpu_seconds(pid).ok()?))).collect();
        let received = counters.received();
        if let Some((then, earlier, earlier_cpu)) = before {
            let seconds = (now - then).as_secs_f64();
            let used = cpu.iter().map(|(pid, cpu)| cpu - earlier_cpu.get(pid).unwrap_or(cpu));
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(Sample {
                at: (now - start).as_secs_f64(),
                open: counters.open(),
                received_per_second: float(received.saturating_sub(earlier)) / seconds,
                cpu_percent: 100.0 * used.sum::<f64>() / seconds,
                resident_bytes: pids.iter().filter_map(|&pid| resident_roughly(pid)).sum(),
            });
        }
        before = Some((now, received, cpu));
    }
}

/// Plots over time, each of the named watches a line.
pub(crate) fn plots(watches: &[(String, Vec<Sample>)]) -> Vec<Plot> {
    let of = |title, unit, value: fn(&Sample) -> f64| {
        watches.iter().fold(Plot::lines(title, "s", unit), |plot, (name, samples)| {
            plot.with(name.as_str(), samples.iter().map(|s| (s.at, value(s))).collect())
        })
    };
    vec![
        of("Deliveries over time", "per s", |s| s.received_per_second),
        of("Open sockets over time", "sockets", |s| float(s.open as u64)),
        of("CPU of the server over time", "% of a core", |s| s.cpu_percent),
        of("Resident memory of the server over time", "MiB", |s| {
            float(s.resident_bytes) / 1_048_576.0
        }),
    ]
}
