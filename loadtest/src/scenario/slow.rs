//! Some readers stand still: do the others notice, what does it cost, and are the still ones closed?

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::load::{Load, Part, merged};
use super::{Common, positive, rate, seconds};
use crate::probe::{Evidence, Sample, Watch, plots, resident_bytes, verdict};
use crate::publish::Pace;
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{Latency, float, median, ratio};
use crate::target::{Needs, People, Replica, TargetArgs, To};

/// Bytes that the kernel keeps for a client that does not read: its least, so that a server feels it.
const RECEIVE_BUFFER: u32 = 4_096;
/// How long the closing of still readers is waited for when they read again.
const AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients, each of its own user
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = positive)]
    clients: usize,
    /// Share of them that stops reading, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=99))]
    share: u8,
    /// Messages per second, each for all clients
    #[arg(long, value_name = "R", default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// Measured time without and with still readers, seconds
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    seconds: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    bytes: usize,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Serialize)]
struct Round {
    all_read: Part,
    some_stand: Part,
    /// By how much the server's memory grew meanwhile, per still reader.
    bytes_each: Option<f64>,
    /// How still readers ended.
    ends: std::collections::BTreeMap<String, u64>,
}

impl Args {
    fn still(&self) -> usize {
        (self.clients * usize::from(self.share) / 100).max(1)
    }
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (measured, found, samples) = measure(args, common, round).await?;
        rounds.push(measured);
        faults.extend(found);
        watched.push((format!("round {}", round + 1), samples));
    }
    Ok(report(args, &rounds, &watched, faults))
}

async fn measure(
    args: &Args,
    common: &Common,
    round: u16,
) -> Result<(Round, Vec<String>, Vec<Sample>)> {
    let target = args.target.start(&common.progress, Needs::LIVE).await?;
    let receive_buffer = Some(RECEIVE_BUFFER);
    let people = People { receive_buffer, ..People::users(args.clients) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    common.open(round, "server", &counters, args.clients, crowd.open(args.clients)).await?;
    let pid = target.replicas.iter().find_map(Replica::pid);
    let watch = Watch::start(pid, counters.clone());
    let load = |who, still| Load {
        common,
        round,
        who,
        to: To::All,
        pace: Pace::Rate(args.rate),
        bytes: args.bytes,
        warm_up: Duration::from_secs(1),
        seconds: args.seconds,
        still,
    };
    let all_read = load("all read", 0).measure(&target, &crowd).await?;
    let before = pid.map(resident_bytes).transpose()?;
    crowd.stall(args.still()).await?;
    let some_stand = load("some stand still", args.still()).measure(&target, &crowd).await?;
    let grown = pid.map(resident_bytes).transpose()?.zip(before);
    let bytes_each = grown.and_then(|(after, before)| {
        ratio(float(after) - float(before), float(args.still() as u64))
    });
    crowd.stall(0).await?;
    common.wait(round, "they read again", AFTER).await;
    let ends = crowd.tally().await?.travels.ends;
    crowd.close().await?;
    let mut faults = all_read.faults(round);
    faults.extend(some_stand.faults(round));
    let closed: u64 = ends.values().sum();
    let still = args.still() as u64;
    if closed > still {
        let others = closed - still;
        faults.push(format!("round {}: {others} sockets were closed that did read", round + 1));
    }
    Ok((Round { all_read, some_stand, bytes_each, ends }, faults, watch.stop()))
}

type Pick = fn(&Round) -> &Part;

fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let mut table = Table::new(
        "Deliveries to those that read, medians of the rounds",
        &["", "deliveries/s", "p50 ms", "p99 ms", "max ms", "µs CPU each"],
    );
    let picks: [(&str, Pick); 2] =
        [("all read", |round| &round.all_read), ("some stand still", |round| &round.some_stand)];
    let mut plot = Plot::percentiles("Latency, intended publish → received");
    for (name, pick) in picks {
        let latency = |value: fn(&Latency) -> f64| {
            let all = rounds.iter().filter_map(|round| pick(round).latency.as_ref());
            cell(median(all.map(|latency| value(latency) / 1e3)))
        };
        table.row([
            name.to_owned(),
            cell(median(rounds.iter().map(|round| pick(round).deliveries_per_second))),
            latency(|l| l.p50_us),
            latency(|l| l.p99_us),
            latency(|l| l.max_us),
            cell(median(rounds.iter().filter_map(|round| pick(round).cpu_us_per_delivery))),
        ]);
        plot = plot.with(name, merged(rounds.iter().map(pick)).nines());
    }
    let bytes = median(rounds.iter().filter_map(|round| round.bytes_each));
    let mut notes =
        vec![format!("Memory of the server grew by {} bytes for each still reader.", cell(bytes))];
    notes.extend(rounds.last().map(|round| {
        verdict(&Evidence {
            usage: &round.some_stand.usage,
            late_us: round.some_stand.publisher_lag.map(|lag| lag.p99_us),
            overflows: 0,
            asked: Some(format!("{}/s", number(args.rate))),
        })
    }));
    let ends = rounds.iter().flat_map(|round| &round.ends);
    notes.extend(ends.map(|(why, count)| format!("Still readers ended: {count} with {why}")));
    if rounds.iter().all(|round| round.ends.is_empty()) {
        notes.push("No still reader was closed: what it missed fits into buffers.".into());
    }
    Report {
        scenario: "slow",
        title: format!(
            "{} clients of which {} stop reading, each message of {} bytes for all, {}/s, rounds: {}",
            args.clients,
            args.still(),
            args.bytes,
            number(args.rate),
            rounds.len()
        ),
        tables: vec![table],
        plots: std::iter::once(plot).chain(plots(watched)).collect(),
        notes,
        faults,
        data: json!({ "rounds": rounds, "median": { "bytes_per_still_reader": bytes } }),
    }
}
