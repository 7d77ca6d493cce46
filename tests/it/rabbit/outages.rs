//! Redis, RabbitMQ, its queue or the process itself goes away.

use std::collections::BTreeSet;

use lapin::types::FieldTable;
use serde_json::json;

use super::{consuming, inbox, inbox_of, serving, taken, texts, working};
use crate::support::gateway::Gateway;
use crate::support::proxy::Proxy;
use crate::support::rabbit::{Publisher, Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually};

async fn publish(publisher: &Publisher, queue: &str, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let body = json!({"user_id": "42", "id": format!("n{n:04}")});
        publisher.publish(queue, &body.to_string()).await;
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_while_redis_is_away_and_no_more_than_the_prefetch_is_taken() {
    let (redis, rabbit) = tokio::join!(Redis::builder().aof().start(), Rabbit::shared());
    let queue = queue();
    let builder = serving(&redis, &rabbit, &queue).env("CAMPANILE_AMQP_PREFETCH", "10");
    let gateway = builder.start().await;
    consuming(&gateway).await;
    redis.kill();
    let publisher = rabbit.publisher().await;
    publish(&publisher, &queue, 0..50).await;
    eventually("attempts fail", PATIENCE, async || taken(&gateway, "retried").await >= 10).await;
    gateway.metric_is("campanile_amqp_in_hand_messages", 10.0).await;
    assert_eq!(publisher.depth(&queue).await, (40, 1));
    assert_eq!(taken(&gateway, "acked").await, 0);
    let tried = taken(&gateway, "retried").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let tried = taken(&gateway, "retried").await - tried;
    assert!(tried < 300, "it spins: {tried} in two seconds");
    gateway.metric_is("campanile_amqp_queue_messages", 40.0).await;

    redis.restart().await;
    let items = inbox_of(&gateway, "42", 50).await;
    let newest_first: Vec<String> = (0..50).rev().map(|n| format!("n{n:04}")).collect();
    assert_eq!(texts(&items, "id"), newest_first, "in their order");
    eventually("all are acknowledged", PATIENCE, async || taken(&gateway, "acked").await == 50)
        .await;
    assert_eq!(publisher.depth(&queue).await, (0, 1));
}

#[tokio::test]
async fn a_stop_with_redis_away_gives_everything_back() {
    let (redis, rabbit) = tokio::join!(Redis::builder().aof().start(), Rabbit::shared());
    let queue = queue();
    let worker = working(&redis, &rabbit, &queue).start().await;
    consuming(&worker).await;
    redis.kill();
    let publisher = rabbit.publisher().await;
    publish(&publisher, &queue, 0..20).await;
    eventually("attempts fail", PATIENCE, async || taken(&worker, "retried").await > 0).await;
    worker.term();
    assert!(worker.wait_exit(2 * PATIENCE).await.success(), "{}", worker.stderr_so_far());
    assert_eq!(publisher.depth(&queue).await, (20, 0));
    redis.restart().await;
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    inbox_of(&gateway, "42", 20).await;
    assert_eq!(taken(&gateway, "redelivered").await, 20);
}

#[tokio::test]
async fn clean_stops_of_serve_and_worker_lose_nothing_and_repeat_nothing() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let reader = Gateway::builder().redis(&redis).env("CAMPANILE_INBOX_SIZE", "5000").start().await;
    let sized = |builder: crate::support::gateway::Builder| {
        builder.env("CAMPANILE_INBOX_SIZE", "5000").start()
    };
    let publisher = rabbit.publisher().await;
    publisher.declare(&queue, FieldTable::default()).await;
    let publishing = async {
        for n in 0..1200 {
            let body = json!({"user_id": format!("u{}", n % 10), "message": n});
            publisher.publish(&queue, &body.to_string()).await;
        }
    };
    let restarting = async {
        for n in 0..4 {
            let builder = if n % 2 == 0 {
                working(&redis, &rabbit, &queue)
            } else {
                serving(&redis, &rabbit, &queue)
            };
            let process = sized(builder).await;
            eventually("it works", PATIENCE, async || taken(&process, "acked").await >= 50).await;
            process.term();
            assert!(process.wait_exit(2 * PATIENCE).await.success(), "{}", process.stderr_so_far());
            let log = process.stderr_so_far();
            assert!(log.contains("no longer consuming") && !log.contains("WARN"), "{log}");
        }
    };
    // The messages have no id: whatever was handed out twice would be there twice.
    tokio::join!(publishing, restarting);
    let worker = sized(working(&redis, &rabbit, &queue)).await;
    for user in 0..10 {
        let items = inbox_of(&reader, &format!("u{user}"), 120).await;
        let numbers: BTreeSet<u64> =
            items.iter().filter_map(|item| item["message"].as_u64()).collect();
        assert_eq!(numbers.len(), 120);
    }
    eventually("the queue is empty", PATIENCE, async || publisher.depth(&queue).await.0 == 0).await;
    assert_eq!(taken(&worker, "redelivered").await, 0, "what was in hand was finished");
}

#[tokio::test]
async fn a_deleted_queue_is_created_again_and_read() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let gateway = serving(&redis, &rabbit, &queue).start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    for n in 0..2_usize {
        publisher.delete(&queue).await;
        eventually("it is noticed", PATIENCE, async || {
            gateway.metrics().await.count("campanile_amqp_reconnects_total", &[]) > n
        })
        .await;
        consuming(&gateway).await;
        publish(&publisher, &queue, n..n + 1).await;
        inbox_of(&gateway, "42", n + 1).await;
    }
    assert!(gateway.stderr_so_far().contains("was the queue deleted?"));
    let ready = gateway.ops_get("/readyz").await;
    assert_eq!(ready.status, 200, "RabbitMQ has no part in it");
}

#[tokio::test]
async fn links_to_rabbitmq_that_break_lose_nothing_and_double_nothing_that_has_an_id() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let proxy = Proxy::start(rabbit.address()).await;
    let gateway = serving(&redis, &rabbit, &queue)
        .env("CAMPANILE_AMQP_URL", &Rabbit::url_through(proxy.address()))
        .env("CAMPANILE_INBOX_SIZE", "1000")
        .start()
        .await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    let publishing = async {
        for n in 0..150 {
            let body = json!({"user_id": "42", "id": format!("n{n}")});
            publisher.publish(&queue, &body.to_string()).await;
            // Each text twice, without anything that tells the two apart.
            let body = json!({"user_id": "43", "message": (n % 75).to_string()});
            publisher.publish(&queue, &body.to_string()).await;
        }
    };
    let breaking = async {
        for _ in 0..4 {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            proxy.cut().await;
            // Else the connection counts as open still, and the next cut would be part of this one.
            gateway.metric_is("campanile_amqp_connected", 0.0).await;
            proxy.restore().await;
            consuming(&gateway).await;
        }
    };
    tokio::join!(publishing, breaking);
    eventually("everything is published", 3 * PATIENCE, async || {
        publisher.depth(&queue).await.0 == 0
            && gateway.metrics().await.count("campanile_amqp_in_hand_messages", &[]) == 0
    })
    .await;
    let items = inbox_of(&gateway, "42", 150).await;
    let ids: BTreeSet<&str> = texts(&items, "id").into_iter().collect();
    assert_eq!(ids.len(), 150);
    let items = inbox(&gateway, "43").await;
    for n in 0..75 {
        let text = n.to_string();
        let found = items.iter().filter(|item| item["message"] == text.as_str()).count();
        assert!(found >= 2, "{text}: {found} of 2");
    }
    println!("{} of 150 without an id were doubled by four broken links", items.len() - 150);
    assert!(gateway.metrics().await.count("campanile_amqp_reconnects_total", &[]) >= 4);
}
