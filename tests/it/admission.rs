//! How many sockets a replica, a user and an address may have, and when none at all.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::redis::Redis;
use crate::support::refusal::{REJECTED, assert_counted, assert_refusal, let_in, refused};
use crate::support::wait::{PATIENCE, eventually};

#[tokio::test]
async fn a_replica_that_is_full_says_so_and_takes_the_next_one_when_there_is_room() {
    let gateway = Gateway::builder().env("CAMPANILE_MAX_CONNECTIONS", "3").start().await;
    let to = |user: &str| Connect::to(&gateway, "/ws").user(user);
    let mut open = Vec::new();
    for user in ["a", "b", "c"] {
        open.push(let_in(user, to(user)).await);
    }
    refused("the fourth", to("d"), 503, "full").await;
    assert_counted(&gateway, &BTreeMap::from([("full", 1)])).await;
    open.pop().unwrap().close().await;
    eventually("there is room", PATIENCE, async || to("d").await.is_ok()).await;
}

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_and_does_not_limit_the_sockets() {
    let gateway = Gateway::builder().open_files(256, 2048).start().await;
    let log = gateway.stderr_so_far();
    assert!(log.contains("descriptors=256→2048") && !log.contains("WARN"), "{log}");
    let mut open = Vec::new();
    for n in 0..400 {
        open.push(let_in("one of many", Connect::to(&gateway, "/ws").user(&format!("u{n}"))).await);
    }
    assert_eq!(gateway.metrics().await.count("campanile_connections", &[]), 400);
    gateway.metric_is("process_max_fds", 2048.0).await;
}

#[tokio::test]
async fn more_sockets_than_files_may_be_open_are_warned_about_at_the_start() {
    let limited = |sockets| {
        Gateway::builder().open_files(256, 512).env("CAMPANILE_MAX_CONNECTIONS", sockets).start()
    };
    let log = limited("500").await.stderr_so_far();
    let warning = log.lines().find(|line| line.contains("WARN")).unwrap_or_default();
    assert!(
        warning.contains("CAMPANILE_MAX_CONNECTIONS is 500") && warning.contains("512"),
        "{log}"
    );
    let log = limited("300").await.stderr_so_far();
    assert!(!log.contains("WARN"), "{log}");
}

#[tokio::test]
async fn of_a_users_concurrent_sockets_never_more_than_the_limit_open_over_all_replicas() {
    const LIMIT: usize = 5;
    let redis = Redis::start().await;
    let limited = || {
        let limit = LIMIT.to_string();
        Gateway::builder().redis(&redis).env("CAMPANILE_MAX_CONNECTIONS_PER_USER", &limit).start()
    };
    let replicas = [limited().await, limited().await];
    let to = |n: usize| Connect::to(&replicas[n % 2], "/ws").user("ada");
    let mut handshakes: FuturesUnordered<_> = (0..60).map(|n| to(n).into_future()).collect();
    let mut open = Vec::new();
    while let Some(answer) = handshakes.next().await {
        match answer {
            Ok(client) => open.push(client),
            Err(refused) => assert_refusal("one too many", &refused, 429, "user_limit"),
        }
    }
    // Those that are on their way out may keep others out for a moment, never let one too many in.
    assert!((1..=LIMIT).contains(&open.len()), "{}", open.len());
    let mut refused_at_once = 60 - open.len();
    while open.len() < LIMIT {
        match to(open.len()).await {
            Ok(client) => open.push(client),
            Err(_) => refused_at_once += 1,
        }
    }
    for replica in &replicas {
        let_in("another user", Connect::to(replica, "/ws").user("grace")).await.close().await;
    }
    let mut counted = 0;
    for replica in &replicas {
        counted += replica.metrics().await.count(REJECTED, &[("reason", "user_limit")]);
    }
    assert_eq!(counted, refused_at_once);
    open.pop().unwrap().close().await;
    for replica in [0, 1] {
        eventually("the place is free on both", PATIENCE, async || match to(replica).await {
            Ok(client) => {
                client.close().await;
                true
            }
            Err(refused) => {
                assert_eq!(refused.status, 429);
                false
            }
        })
        .await;
    }
}

#[tokio::test]
async fn connections_of_one_address_are_limited_by_what_trusted_proxies_say() {
    const ATTEMPTS: usize = 12;
    let limited = || Gateway::builder().env("CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND", "2");
    let behind_a_proxy = limited().env("CAMPANILE_TRUSTED_PROXIES", "127.0.0.0/8").start().await;
    let open_to_all = limited().start().await;
    let accepted = async |gateway: &Gateway, address: fn(usize) -> String| {
        let attempts = (0..ATTEMPTS).map(|n| {
            let handshake = Connect::to(gateway, "/ws").user(&n.to_string());
            handshake.header("X-Forwarded-For", &address(n)).into_future()
        });
        let mut attempts: FuturesUnordered<_> = attempts.collect();
        let mut accepted = 0;
        while let Some(answer) = attempts.next().await {
            match answer {
                Ok(_) => accepted += 1,
                Err(refused) => assert_refusal("too fast", &refused, 429, "ip_rate"),
            }
        }
        accepted
    };
    let one = |_| "203.0.113.1".to_owned();
    let many = |n| format!("198.51.100.{n}");
    let invented = |n| format!("198.51.100.{n}, 203.0.113.9");
    assert_eq!(accepted(&behind_a_proxy, many).await, ATTEMPTS);
    for (gateway, address) in [
        (&behind_a_proxy, one as fn(usize) -> String),
        (&behind_a_proxy, invented),
        (&open_to_all, many),
    ] {
        let accepted = accepted(gateway, address).await;
        assert!((2..ATTEMPTS).contains(&accepted), "{accepted} of {ATTEMPTS}");
    }
}

#[tokio::test]
async fn a_draining_replica_and_one_without_redis_refuse_and_tell_when_to_come_back() {
    let redis = Redis::start().await;
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_DRAIN_DELAY", "0s")
        .env("CAMPANILE_DRAIN_WINDOW", "1s")
        .start()
        .await;
    let to = || Connect::to(&gateway, "/ws").user("ada");
    let open = let_in("before", to()).await;
    redis.stop().await;
    gateway.metric_becomes("campanile_redis_connected", &[], |value| value < 0.5).await;
    refused("Redis away", to(), 503, "redis_away").await;
    let stats = gateway.http_as("ada", "GET", "/api/notifications/stats").await;
    assert_refusal("the API", &stats, 503, "redis_away");
    redis.restart().await;
    eventually("Redis is back", PATIENCE, async || to().await.is_ok()).await;
    gateway.term();
    eventually("the replica drains", PATIENCE, async || {
        to().await.is_err_and(|refused| {
            assert_refusal("draining", &refused, 503, "draining");
            true
        })
    })
    .await;
    drop(open);
    assert!(gateway.wait_exit(PATIENCE).await.success());
}

#[tokio::test]
async fn the_line_that_a_proxy_adds_counts_and_not_the_one_its_client_made_up() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND", "1")
        .env("CAMPANILE_TRUSTED_PROXIES", "127.0.0.0/8")
        .start()
        .await;
    let mut let_in = 0;
    for n in 0..20 {
        let to = Connect::to(&gateway, "/ws").user("ada");
        let to = to.header("X-Forwarded-For", &format!("198.51.100.{n}"));
        let_in += usize::from(to.header("X-Forwarded-For", "203.0.113.9").await.is_ok());
    }
    assert!(let_in < 20, "every invented address had a rate of its own");
}
