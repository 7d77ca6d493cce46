//! What a person sees of it: commands, refusals, TLS, rights.

use super::{consuming, inbox_of, serving, taken, working};
use crate::support::gateway::Gateway;
use crate::support::ports;
use crate::support::rabbit::{Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually, until};

/// The line that a document tells to run.
fn documented(begin: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rabbitmq.md");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .find(|line| line.starts_with(begin))
        .unwrap_or_else(|| panic!("{begin}"))
        .to_owned()
}

#[tokio::test]
async fn a_worker_says_what_it_lacks_and_shows_no_password() {
    let redis = Redis::start().await;
    let plain = || Gateway::builder().without("CAMPANILE_JWT_SECRET").args(&["worker"]);
    let amqp = "amqp://ada:hush@rabbitmq";
    for (builder, said) in [
        (plain(), &["--redis-url", "--amqp-url", "nothing to do"][..]),
        (plain().redis(&redis), &["--amqp-url (CAMPANILE_AMQP_URL)", "nothing to do"]),
        (plain().env("CAMPANILE_AMQP_URL", amqp), &["--redis-url (CAMPANILE_REDIS_URL)"]),
        (
            plain().redis(&redis).env("CAMPANILE_AMQP_URL", "amqp://ada:hu/sh@rabbitmq"),
            &["percent-encoded"],
        ),
    ] {
        let output = builder.run().await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        for part in said {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    }
    let help = plain().env("CAMPANILE_AMQP_URL", amqp).args(&["worker", "--help"]).run().await;
    assert!(help.stdout.contains("CAMPANILE_AMQP_URL"), "{}", help.stdout);
    assert!(!help.stdout.contains("hush") && !help.stdout.contains("CAMPANILE_JWT"));
}

#[tokio::test]
async fn a_worker_without_rabbitmq_is_alive_and_ready_and_says_what_it_waits_for() {
    let redis = Redis::start().await;
    let address = ports::free();
    let worker = Gateway::builder()
        .redis(&redis)
        .without("CAMPANILE_JWT_SECRET")
        .env("CAMPANILE_AMQP_URL", &format!("amqp://ada:hush@{address}"))
        .args(&["worker"])
        .start()
        .await;
    worker.metric_becomes("campanile_amqp_reconnects_total", &[], |count| count > 1.0).await;
    assert_eq!(worker.ops_get("/livez").await.status, 200);
    assert_eq!(worker.metrics().await.count("campanile_amqp_connected", &[]), 0);
    let log = worker.stderr_so_far();
    assert!(log.contains(&format!("cannot connect to {address}")), "{log}");
    assert!(!log.contains("hush"), "{log}");
    redis.kill();
    until("the worker is not ready", 3 * PATIENCE, async || {
        (worker.ops_get("/readyz").await.status == 503).then_some(())
    })
    .await;
    worker.term();
    assert!(worker.wait_exit(2 * PATIENCE).await.success(), "{}", worker.stderr_so_far());
}

fn threads(process: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap().count()
}

#[tokio::test]
async fn a_rabbitmq_that_accepts_and_stays_silent_costs_no_thread_per_attempt() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redis = Redis::start().await;
    let worker = Gateway::builder()
        .redis(&redis)
        .without("CAMPANILE_JWT_SECRET")
        .env("CAMPANILE_AMQP_URL", &Rabbit::url_through(silent.local_addr().unwrap()))
        .args(&["worker"])
        .start()
        .await;
    let attempts = async |wanted: f64| {
        eventually("attempts fail", 4 * PATIENCE, async || {
            let metrics = worker.metrics().await;
            metrics.value("campanile_amqp_reconnects_total", &[]) >= wanted
        })
        .await;
    };
    attempts(1.0).await;
    let before = threads(&worker);
    attempts(2.0).await;
    assert!(threads(&worker) <= before, "{} threads, {before} before", threads(&worker));
}

#[tokio::test]
async fn check_tries_what_is_needed_and_leaves_no_trace() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::shared());
    let queue = queue();
    let check = || serving(&redis, &rabbit, &queue).args(&["check"]);
    let output = check().run().await;
    assert!(output.status.success(), "{output:?}");
    for part in ["connected to", "does not exist yet and can be created", "may consume", ".dead"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    let publisher = rabbit.publisher().await;
    publisher.declare(&queue, lapin::types::FieldTable::default()).await;
    publisher.publish(&queue, r#"{"user_id":"42","id":"a"}"#).await;
    let output = check().run().await;
    assert!(output.stdout.contains(&format!("the queue {queue} has 1 messages")), "{output:?}");
    assert!(!publisher.take(&queue).await.redelivered, "it was handed out");

    let closed = format!("amqp://ada:hush@{}", ports::free());
    let wrong = rabbit.url_as("guest", "hush");
    for (url, said) in [(closed, "cannot connect"), (wrong, "ACCESS_REFUSED")] {
        let output = check().env("CAMPANILE_AMQP_URL", &url).run().await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.contains(said), "{}", output.stdout);
        assert!(!output.stdout.contains("hush") && !output.stderr.contains("hush"), "{output:?}");
    }
}

#[tokio::test]
async fn the_documented_rights_suffice_and_fewer_are_named() {
    let (redis, rabbit) = tokio::join!(Redis::start(), Rabbit::start_tls());
    let rights = documented("rabbitmqctl set_permissions");
    let words = rights.replace('\'', "");
    let words: Vec<&str> = words.split(' ').skip(1).collect();
    rabbit.ctl(&["add_user", "campanile", "ding"]).await;
    rabbit.ctl(&words).await;
    let url = rabbit.url_as("campanile", "ding");
    let with = |queue: &str, command: &str| {
        serving(&redis, &rabbit, queue).env("CAMPANILE_AMQP_URL", &url).args(&[command])
    };
    let output = with("notifications", "check").run().await;
    assert!(output.status.success(), "{output:?}");
    let output = with("another", "check").run().await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.contains("cannot create the queue another"), "{}", output.stdout);

    let gateway = with("notifications", "serve").start().await;
    consuming(&gateway).await;
    let publisher = rabbit.publisher().await;
    publisher.publish("notifications", r#"{"user_id":"42","id":"a"}"#).await;
    publisher.publish("notifications", "poison").await;
    inbox_of(&gateway, "42", 1).await;
    publisher.take("notifications.dead").await;
    drop(gateway);

    // Over TLS, whose authority has to be named; and while RabbitMQ takes no messages: what is none has to wait,
    // everything else passes.
    let (tls, ca) = rabbit.tls();
    let queue = "over-tls";
    publisher.declare(queue, lapin::types::FieldTable::default()).await;
    publisher.publish(queue, "poison").await;
    publisher.publish(queue, r#"{"user_id":"42","id":"b"}"#).await;
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.00000001"]).await;
    let stranger = working(&redis, &rabbit, queue).env("CAMPANILE_AMQP_URL", &tls).start().await;
    stranger.metric_becomes("campanile_amqp_reconnects_total", &[], |count| count > 0.0).await;
    let log = stranger.stderr_so_far();
    assert!(log.contains("UnknownIssuer") && !log.contains("guest"), "{log}");
    drop(stranger);
    let builder = serving(&redis, &rabbit, queue).env("CAMPANILE_AMQP_URL", &tls);
    let gateway = builder.env("CAMPANILE_AMQP_CA_FILE", &ca.to_string_lossy()).start().await;
    inbox_of(&gateway, "42", 2).await;
    eventually("it says so", PATIENCE, async || {
        gateway.stderr_so_far().contains("RabbitMQ takes no messages at the moment")
    })
    .await;
    assert_eq!(taken(&gateway, "dead").await, 0);
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.6"]).await;
    eventually("it is moved", 2 * PATIENCE, async || taken(&gateway, "dead").await == 1).await;
    publisher.take("over-tls.dead").await;
}
