//! What limited a run.

use super::usage::Usage;
use crate::report::number;

/// Share of a core above which a process on one thread is full, percent.
const FULL: f64 = 90.0;
/// Share of the machine above which there is nothing left, percent.
const BUSY: f64 = 90.0;
/// The publisher's own lateness (p99) above which it spoils a run, microseconds.
const LATE_US: f64 = 5_000.0;

/// What is known of a run.
pub(crate) struct Evidence<'a> {
    pub(crate) usage: &'a Usage,
    /// By how much the publisher missed its schedule, p99, microseconds; `None`: it had none.
    pub(crate) late_us: Option<f64>,
    /// Connections that overflowed the backlog.
    pub(crate) overflows: u64,
    /// What was asked for, when that was reached.
    pub(crate) asked: Option<String>,
}

/// One line that names it.
pub(crate) fn verdict(evidence: &Evidence<'_>) -> String {
    let Evidence { usage, late_us, overflows, asked } = evidence;
    let machine = 100.0 * usage.machine_busy;
    let server = usage.percent("server").unwrap_or_default();
    let busiest = usage.busiest("this tool").unwrap_or_default();
    let redis = usage.percent("redis-server").unwrap_or_default();
    let what = if busiest > FULL {
        format!("the load generator: one of its processes took {busiest:.0} % of a core")
    } else if *overflows > 0 {
        format!("the backlog: {overflows} connections came faster than they were accepted")
    } else if late_us.is_some_and(|late| late > LATE_US) {
        let late = number(late_us.unwrap_or_default() / 1e3);
        format!("the load generator: its publisher was {late} ms late (p99)")
    } else if machine > BUSY {
        "the machine's CPU, which server, Redis and this tool share".to_owned()
    } else if redis > FULL {
        "Redis, whose thread was full".to_owned()
    } else if let Some(asked) = asked {
        format!("what was asked for, {asked}")
    } else {
        "one busy thread of the server, or the window (--window)".to_owned()
    };
    format!("Limited by {what}; machine {machine:.0} % busy, server {server:.0} % of a core.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_named() {
        let usage = |tool: f64, machine_busy| Usage {
            seconds: 10.0,
            cpu_seconds: vec![("server", 5.0), ("this tool", tool), ("this tool", 1.0)],
            machine_busy,
        };
        for (tool, machine, late_us, overflows, asked, want) in [
            (9.9, 0.99, None, 3, None, "load generator: one of its processes took 99 %"),
            (2.0, 0.99, Some(1.0), 3, None, "backlog: 3"),
            (2.0, 0.99, Some(9e3), 0, None, "publisher was 9.00 ms late"),
            (2.0, 0.99, Some(1.0), 0, Some("10/s"), "machine's CPU"),
            (2.0, 0.5, Some(1.0), 0, Some("10/s"), "asked for, 10/s"),
            (2.0, 0.5, None, 0, None, "window"),
        ] {
            let usage = usage(tool, machine);
            let asked = asked.map(str::to_owned);
            let line = verdict(&Evidence { usage: &usage, late_us, overflows, asked });
            assert!(line.contains(want) && line.contains("server 50 %"), "{line}");
        }
    }
}
