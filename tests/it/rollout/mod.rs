//! A rolling deploy of what the chart renders, as Kubernetes does it: nobody misses anything, and nobody stampedes.

mod delays;
mod deployment;
mod visitors;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use self::delays::Delays;
use self::deployment::Deployment;
use self::visitors::{Return, Visitors, name};
use crate::support::haproxy::{HaProxy, Slots};
use crate::support::redis::Redis;
use crate::support::token;
use crate::support::wait::{PATIENCE, eventually};

const VISITORS: usize = 2_000;
/// Notifications.
const PER_SECOND: u32 = 500;
/// Published together.
const BATCH: u32 = 10;

/// Publishes through the function until told to stop; how many it were. Number `n` is for visitor `n % VISITORS`.
async fn publish(redis: &Redis, stop: &AtomicBool) -> u64 {
    let mut connection = redis.connection().await;
    let mut pace = interval(Duration::from_secs(1) * BATCH / PER_SECOND);
    // What a busy machine was late with is made good.
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut published = 0;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let mut pipeline = redis::pipe();
        for number in published..published + u64::from(BATCH) {
            let user = name(usize::try_from(number).unwrap() % VISITORS);
            let payload = json!({ "id": number.to_string(), "title": "Rolling" }).to_string();
            pipeline.cmd("FCALL").arg("campanile_notify").arg(1).arg(user).arg(payload).ignore();
        }
        pipeline.query_async::<()>(&mut connection).await.expect("Redis takes it");
        published += u64::from(BATCH);
    }
    published
}

/// The most that came back within a second, and the mean of the window.
fn busiest_and_mean(returns: &[Return], window: Duration) -> (f64, f64) {
    let mut times: Vec<_> = returns.iter().map(|each| each.opened).collect();
    times.sort_unstable();
    let second = |&from: &Instant| {
        let to = from + Duration::from_secs(1);
        times.iter().filter(|&&at| at >= from && at < to).count()
    };
    let busiest = times.iter().map(second).max().unwrap_or_default();
    (float(busiest), float(times.len()) / window.as_secs_f64())
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_deploy_of_the_chart_loses_and_doubles_nothing_and_spreads_the_returns() {
    let redis = Redis::start().await;
    let url = redis.url();
    let secrets = [("redis-url", url.as_str()), ("jwt-secret", token::SECRET)];
    let deployment = Deployment::rendered("tests/chart/rollout-values.yaml", &secrets).await;
    assert_eq!(deployment.replicas, 3);
    let window = deployment.setting("CAMPANILE_DRAIN_WINDOW");

    let probe = &deployment.readiness;
    let slots = Slots {
        count: 2 * deployment.replicas,
        probe: probe.path.clone(),
        period: probe.period,
        failures: probe.failures,
    };
    let balancer = HaProxy::with_slots(&slots).await;
    let mut pods = Vec::new();
    for slot in 0..deployment.replicas {
        let pod = deployment.start().await;
        balancer.list(slot, &pod.gateway).await;
        pods.push(pod);
    }
    let visitors = Visitors::come(VISITORS, balancer.address()).await;
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let rolling = async {
        let mut fresh = Vec::new();
        for (slot, pod) in pods.into_iter().enumerate() {
            let new = deployment.start().await;
            balancer.list(slot + deployment.replicas, &new.gateway).await;
            fresh.push(new);
            deployment.becomes_available().await;
            let known = visitors.returns().len();
            let open = pod.gateway.metrics().await.count("campanile_connections", &[]);
            let asked =
                [pod.gateway.ops()].into_iter().chain(fresh.iter().map(|it| it.gateway.ops()));
            let delays = Delays::watch(asked.collect(), balancer.address());
            let left = deployment.stop(pod, balancer.unlist(slot)).await;
            eventually("its visitors are back", 2 * PATIENCE, async || {
                visitors.nothing_is_wrong();
                visitors.returns().len() == known + open && visitors.present() == VISITORS
            })
            .await;
            let (busiest, mean) = busiest_and_mean(&visitors.returns()[known..], window);
            println!(
                "left in {left:.1?} of {:?}; {open} came back, {mean:.0} a second, {busiest} in the busiest",
                deployment.grace
            );
            let stall = delays.longest();
            // What was due while the machine stood still comes at once after it.
            let allowed = mean * (2.0 + stall.as_secs_f64());
            assert!(
                busiest <= allowed,
                "{busiest} in one second, {mean} in the mean, stalled for {stall:.1?}"
            );
        }
        stop.store(true, Ordering::Relaxed);
        fresh
    };
    let (published, fresh) = tokio::join!(publish(&redis, &stop), rolling);
    let took = began.elapsed();

    let expected = |visitor| (visitor as u64..published).step_by(VISITORS).collect::<Vec<_>>();
    eventually("everything has arrived", 2 * PATIENCE, async || {
        let received = visitors.received().into_iter().enumerate();
        received
            .map(|(visitor, ids)| expected(visitor).len().saturating_sub(ids.len()))
            .sum::<usize>()
            == 0
    })
    .await;
    for (visitor, ids) in visitors.received().into_iter().enumerate() {
        assert_eq!(ids, expected(visitor), "lost, doubled or out of order for {}", name(visitor));
    }
    visitors.nothing_is_wrong();
    assert_eq!(fresh.len(), deployment.replicas);

    let returns = visitors.returns();
    let sorted = |of: fn(&Return) -> Duration| {
        let mut times: Vec<_> = returns.iter().map(of).collect();
        times.sort_unstable();
        times
    };
    let recovery = sorted(|each| each.recovered - each.closed);
    let catching_up = sorted(|each| each.recovered - each.opened);
    println!(
        "{} replicas replaced in {took:.1?} under {VISITORS} sockets and {:.0} notifications/s: {published} \
         published, 0 lost, 0 doubled; {} came back, {} of the tries were told 503 with Retry-After",
        deployment.replicas,
        float(usize::try_from(published).unwrap()) / took.as_secs_f64(),
        returns.len(),
        visitors.refusals(),
    );
    for (what, times) in [("from the close", &recovery), ("from the upgrade", &catching_up)] {
        let of = |percent| percentile(times, percent);
        println!("recovered {what}: p50 {:.1?}, p99 {:.1?}, max {:.1?}", of(50), of(99), of(100));
    }
}
