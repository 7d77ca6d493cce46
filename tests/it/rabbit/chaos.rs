//! RabbitMQ, replica and worker are killed at random; every event reaches the inbox once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lapin::BasicProperties;
use lapin::types::FieldTable;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{inbox, serving, working};
use crate::support::gateway::Gateway;
use crate::support::rabbit::{Publisher, Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::seed;
use crate::support::wait::{PATIENCE, eventually};

const EVENTS: usize = 10_000;
/// Of the inbox, and more than one user gets.
const SIZE: &str = "1000";
const USERS: usize = 100;
/// Events on their way at once.
const TOGETHER: usize = 100;

/// Body and properties: a third names its id, a third is known by a number, a third by the message's own id.
fn event(n: usize) -> (String, BasicProperties) {
    let user = format!("u{}", n % USERS);
    let plain = BasicProperties::default();
    match n % 3 {
        0 => (json!({"user_id": user, "id": format!("e{n}"), "data": n}).to_string(), plain),
        1 => {
            let event = json!({
                "userId": user, "eventType": "paid", "notificationId": n, "data": n, "readAt": null,
            });
            (json!({"pattern": "notification.subscription", "data": event}).to_string(), plain)
        }
        _ => {
            let id = format!("m{n}");
            let body = json!({"user_id": user, "message": "hi", "data": n}).to_string();
            (body, plain.with_message_id(id.as_str().into()))
        }
    }
}

/// Publishes all, each again until it is confirmed; how often something was repeated.
async fn publish_all(rabbit: &Rabbit, queue: &str) -> usize {
    let mut publisher: Option<Publisher> = None;
    let mut left: Vec<usize> = (0..EVENTS).rev().collect();
    let mut repeated = 0;
    while !left.is_empty() {
        if publisher.is_none() {
            publisher =
                timeout(3 * PATIENCE, try_publisher(rabbit)).await.ok().and_then(Result::ok);
        }
        let Some(open) = &publisher else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let batch: Vec<usize> = left.split_off(left.len().saturating_sub(TOGETHER));
        let publishing = batch.iter().map(async |n| {
            let (body, properties) = event(*n);
            let confirmed = open.try_publish(queue, body.as_bytes(), properties);
            matches!(timeout(PATIENCE, confirmed).await, Ok(Ok(true)))
        });
        let confirmed = join_all(publishing).await;
        let failed: Vec<usize> =
            batch.iter().zip(&confirmed).filter(|(_, ok)| !**ok).map(|(n, _)| *n).collect();
        if !failed.is_empty() {
            repeated += failed.len();
            left.extend(failed);
            publisher = None;
        }
    }
    repeated
}

async fn try_publisher(rabbit: &Rabbit) -> lapin::Result<Publisher> {
    rabbit.try_connect().await?;
    Ok(rabbit.publisher().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_reaches_the_inbox_once_though_everything_but_redis_is_killed() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::start());
    let queue = queue();
    rabbit.publisher().await.declare(&queue, FieldTable::default()).await;
    let random = seed::rng();
    let started = Instant::now();
    let sized =
        |builder: crate::support::gateway::Builder| builder.env("CAMPANILE_INBOX_SIZE", SIZE);
    let serve = || sized(serving(&redis, &rabbit, &queue));
    let work = || sized(working(&redis, &rabbit, &queue));
    let killing = async {
        let mut processes = [Some(serve().start().await), Some(work().start().await)];
        let mut random = random;
        let mut victims = [0, 0, 1, 1, 2, 2];
        random.shuffle(&mut victims);
        for victim in victims {
            sleep(Duration::from_millis(random.u64(100..900))).await;
            if victim == 2 {
                rabbit.kill();
                sleep(Duration::from_millis(random.u64(0..300))).await;
                rabbit.restart().await;
                continue;
            }
            drop(processes[victim].take());
            processes[victim] =
                Some(if victim == 0 { serve().start().await } else { work().start().await });
        }
        processes
    };
    let (repeated, processes) = tokio::join!(publish_all(&rabbit, &queue), killing);
    let [Some(gateway), _worker] = &processes else { panic!("the replica runs") };
    let publisher = rabbit.publisher().await;
    eventually("the queue is empty", 6 * PATIENCE, async || {
        publisher.depth(&queue).await.0 == 0
            && join_all(processes.iter().flatten().map(Gateway::metrics))
                .await
                .iter()
                .all(|metrics| metrics.count("campanile_amqp_in_hand_messages", &[]) == 0)
    })
    .await;
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for user in 0..USERS {
        for item in inbox(gateway, &format!("u{user}")).await {
            let n = item["data"].as_u64().and_then(|n| usize::try_from(n).ok());
            let n = n.unwrap_or_else(|| panic!("{item}"));
            assert_eq!(n % USERS, user, "somebody else's: {item}");
            *found.entry(n).or_default() += 1;
        }
    }
    let missing = (0..EVENTS).filter(|n| !found.contains_key(n)).count();
    let doubled = found.values().filter(|count| **count > 1).count();
    println!(
        "{EVENTS} events, {repeated} published again, in {:?}: {missing} missing, {doubled} doubled",
        started.elapsed()
    );
    assert_eq!((missing, doubled), (0, 0));
    assert_eq!(publisher.depth(&format!("{queue}.dead")).await.0, 0);
}
