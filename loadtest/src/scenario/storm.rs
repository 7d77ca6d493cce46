//! Everyone connects at once: first to a server that waits for them, then to one that was killed and
//! has come back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::{Common, positive, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Evidence, Meter, Sample, Usage, Watch, listen_overflows, plots, verdict};
use crate::record::Times;
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{Latency, float, median, ratio};
use crate::target::{Needs, People, Target, TargetArgs};
use crate::worker::{ComeBack, Counters, Crowd};

/// A client that was refused without being told when to come again waits so long, more or less.
const RETRY: Duration = Duration::from_secs(1);
/// How long all clients together may take.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients, each of its own user
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = positive)]
    connections: usize,
    /// Time between the kill and the moment at which all come back, seconds; the server is started
    /// again meanwhile
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    away: Duration,
    /// Connect only, without killing the server
    #[arg(long)]
    no_kill: bool,
    /// Leave out the floor, a server that answers every request with 101
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// One rush of all clients.
#[derive(Clone, Serialize)]
struct Rush {
    /// From the first connect to the last client subscribed.
    seconds: f64,
    /// Clients that are subscribed at the end.
    open: usize,
    cpu_us_each: Option<f64>,
    /// Each client's first attempt → subscribed.
    each: Latency,
    refusals: BTreeMap<String, u64>,
    /// Connections that overflowed the backlog.
    overflows: u64,
    usage: Usage,
    #[serde(skip)]
    times: Times,
}

#[derive(Clone, Serialize)]
struct Round {
    connect: Rush,
    reconnect: Option<Rush>,
    floor: Option<Rush>,
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    if !args.no_kill {
        args.target.must_start()?;
    }
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (connect, reconnect, samples) = gateway(args, common, round).await?;
        let floor = if args.no_floor { None } else { Some(floor(args, common, round).await?) };
        for (what, rush) in [("connecting", Some(&connect)), ("reconnecting", reconnect.as_ref())] {
            faults.extend(rush.into_iter().flat_map(|rush| rush.faults(args, round, what)));
        }
        rounds.push(Round { connect, reconnect, floor });
        watched.push((format!("round {}", round + 1), samples));
    }
    Ok(report(args, &rounds, &watched, faults))
}

async fn gateway(
    args: &Args,
    common: &Common,
    round: u16,
) -> Result<(Rush, Option<Rush>, Vec<Sample>)> {
    let mut target = args.target.start(&common.progress, Needs::DURABLE).await?;
    let come_back = Some(ComeBack { away: args.away, retry: RETRY });
    let people = People { come_back, ..People::users(args.connections) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    let pid = target.replicas[0].pid();
    let watch = Watch::start(pid, counters.clone());
    let connect =
        connect(args, common, round, "server", &crowd, processes(&target, &crowd)).await?;
    let mut reconnect = None;
    if !args.no_kill {
        let before = crowd.tally().await?.travels;
        let all_back = Instant::now() + args.away;
        common.say(round, "killing the server, and starting it again");
        let replica = target.replicas[0].service()?;
        replica.kill()?;
        replica.again().await?;
        watch.follow(target.replicas[0].pid());
        let (meter, overflows) = (Meter::start(&processes(&target, &crowd))?, listen_overflows());
        tokio::time::sleep_until(all_back.into()).await;
        until(common, round, "reconnecting", &counters, args.connections).await;
        // A server that was not ready in time has kept them waiting: that counts.
        let seconds = all_back.elapsed().as_secs_f64();
        let after = crowd.tally().await?.travels;
        let mut rush = rush(args, seconds, &counters, meter.stop()?, after.returning);
        rush.overflows = listen_overflows() - overflows;
        rush.refusals = after.refusals;
        for (reason, count) in before.refusals {
            if let Some(after) = rush.refusals.get_mut(&reason) {
                *after -= count;
            }
        }
        rush.refusals.retain(|_, count| *count > 0);
        reconnect = Some(rush);
    }
    crowd.close().await?;
    Ok((connect, reconnect, watch.stop()))
}

/// The floor of connecting: a server that accepts and answers 101.
async fn floor(args: &Args, common: &Common, round: u16) -> Result<Rush> {
    let floor = Floor::start(Manner::Answer, args.connections, common.clock).await?;
    let own = floor.crowd.pids().map(|pid| ("this tool", Some(pid)));
    let processes = std::iter::once(("server", Some(floor.pid()))).chain(own).collect();
    let rush = connect(args, common, round, "floor", &floor.crowd, processes).await?;
    floor.crowd.close().await?;
    Ok(rush)
}

fn processes(target: &Target, crowd: &Crowd) -> Vec<(&'static str, Option<u32>)> {
    target.processes(Some(crowd))
}

/// All connect at once.
async fn connect(
    args: &Args,
    common: &Common,
    round: u16,
    who: &str,
    crowd: &Crowd,
    processes: Vec<(&'static str, Option<u32>)>,
) -> Result<Rush> {
    let counters = crowd.counters();
    let (meter, overflows) = (Meter::start(&processes)?, listen_overflows());
    let start = Instant::now();
    common.open(round, who, &counters, args.connections, crowd.rush(args.connections)).await?;
    let seconds = start.elapsed().as_secs_f64();
    let travels = crowd.tally().await?.travels;
    let mut rush = rush(args, seconds, &counters, meter.stop()?, travels.opening);
    rush.overflows = listen_overflows() - overflows;
    rush.refusals = travels.refusals;
    Ok(rush)
}

fn rush(args: &Args, seconds: f64, counters: &Counters, usage: Usage, times: Times) -> Rush {
    let cpu = usage.of("server");
    Rush {
        seconds,
        open: counters.open(),
        cpu_us_each: cpu.and_then(|cpu| ratio(cpu * 1e6, float(args.connections as u64))),
        each: times.summary(),
        refusals: BTreeMap::new(),
        overflows: 0,
        usage,
        times,
    }
}

async fn until(common: &Common, round: u16, what: &str, counters: &Counters, all: usize) {
    let start = Instant::now();
    while counters.open() < all && start.elapsed() < PATIENCE {
        common.say(round, &format!("{what}: {} of {all}", counters.open()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Rush {
    /// A refusal is a fault unless it says when to come again.
    fn faults(&self, args: &Args, round: u16, what: &str) -> Vec<String> {
        let round = round + 1;
        let missing = args.connections - self.open.min(args.connections);
        let missing = (missing > 0)
            .then(|| format!("round {round}, {what}: {missing} clients are not subscribed"));
        let rude = self
            .refusals
            .iter()
            .filter(|(why, _)| !(why.contains("` and Retry-After") && why.contains(" 503")));
        let rude =
            rude.map(|(why, n)| format!("round {round}, {what}: {n} attempts failed: {why}"));
        missing.into_iter().chain(rude).collect()
    }
}

type Pick = fn(&Round) -> Option<&Rush>;

fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let picks: [(&str, Pick); 3] = [
        ("connect", |round| Some(&round.connect)),
        ("reconnect after a kill", |round| round.reconnect.as_ref()),
        ("floor: answers 101", |round| round.floor.as_ref()),
    ];
    let mut table = Table::new(
        "All at once, medians of the rounds",
        &["", "all in, s", "p50 ms", "p99 ms", "max ms", "µs CPU each", "refused", "overflows"],
    );
    let mut plot = Plot::percentiles("First attempt → subscribed, each client");
    for (name, pick) in picks {
        let rushes: Vec<&Rush> = rounds.iter().filter_map(pick).collect();
        if rushes.is_empty() {
            continue;
        }
        let of = |value: fn(&Rush) -> Option<f64>| {
            cell(median(rushes.iter().filter_map(|rush| value(rush))))
        };
        table.row([
            name.to_owned(),
            of(|rush| Some(rush.seconds)),
            of(|rush| Some(rush.each.p50_us / 1e3)),
            of(|rush| Some(rush.each.p99_us / 1e3)),
            of(|rush| Some(rush.each.max_us / 1e3)),
            of(|rush| rush.cpu_us_each),
            rushes.iter().map(|rush| rush.refusals.values().sum::<u64>()).sum::<u64>().to_string(),
            rushes.iter().map(|rush| rush.overflows).sum::<u64>().to_string(),
        ]);
        let mut all = Times::default();
        for rush in &rushes {
            all.merge(&rush.times);
        }
        plot = plot.with(name, all.nines());
    }
    let cpu_ratio =
        median(rounds.iter().filter_map(|round| {
            ratio(round.connect.cpu_us_each?, round.floor.as_ref()?.cpu_us_each?)
        }));
    let all_in = |pick: Pick| median(rounds.iter().filter_map(pick).map(|rush| rush.seconds));
    Report {
        scenario: "storm",
        title: format!("{} clients at once, rounds: {}", args.connections, rounds.len()),
        tables: vec![table],
        plots: std::iter::once(plot).chain(plots(watched)).collect(),
        notes: notes(rounds, cpu_ratio),
        faults,
        data: json!({ "rounds": rounds, "median": {
            "connect_seconds": all_in(picks[0].1),
            "reconnect_seconds": all_in(picks[1].1),
            "connect_cpu_ratio": cpu_ratio,
        } }),
    }
}

fn notes(rounds: &[Round], cpu_ratio: Option<f64>) -> Vec<String> {
    let ratio = cpu_ratio.map(|ratio| {
        format!(
            "CPU of a connect, server / floor: {} (median of the rounds' ratios).",
            number(ratio)
        )
    });
    let last = rounds.last().map(|round| round.reconnect.as_ref().unwrap_or(&round.connect));
    let limit = last.map(|rush| {
        verdict(&Evidence {
            usage: &rush.usage,
            late_us: None,
            overflows: rush.overflows,
            asked: Some("the number of clients".into()),
        })
    });
    let refusals = rounds.iter().flat_map(|round| {
        let rushes = [Some(&round.connect), round.reconnect.as_ref()];
        rushes.into_iter().flatten().flat_map(|rush| &rush.refusals)
    });
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    refusals.for_each(|(why, count)| *sums.entry(why).or_default() += count);
    let refusals = sums.into_iter().map(|(why, count)| format!("Refused {count} times: {why}"));
    ratio.into_iter().chain(limit).chain(refusals).collect()
}
