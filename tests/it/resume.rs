//! A client that comes back gets what it missed, in order and once, and then what is new.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::notify::notify;
use crate::support::redis::Redis;
use crate::support::seed;

/// The ids of the next notifications, past other frames, and the cursor of the last.
async fn next_ids(client: &mut Client, count: usize) -> (Vec<String>, String) {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..count {
        let frame = client.next_of("notification").await;
        ids.push(frame["data"]["id"].as_str().unwrap().to_owned());
        frame["data"]["cursor"].as_str().unwrap().clone_into(&mut cursor);
    }
    (ids, cursor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_comes_in_order_and_then_what_is_new() {
    let redis = Redis::start().await;
    let (a, b) = (Gateway::start(&redis).await, Gateway::start(&redis).await);
    let (mut first, greeting) = Client::v1(&a, "42", "").await;
    assert_eq!(greeting["data"]["cursor"], "0-0");
    assert_eq!(greeting["data"]["recovered"], Value::Null, "nobody asked");
    notify(&redis, "42", &json!({"id": "a"})).await;
    let (ids, cursor) = next_ids(&mut first, 1).await;
    assert_eq!(ids, ["a"]);
    first.close().await;
    for id in ["b", "c", "d", "e"] {
        notify(&redis, "42", &json!({"id": id})).await;
    }
    assert_eq!(a.http_as("42", "DELETE", "/api/notifications/c").await.status, 200);
    assert_eq!(a.http_as("42", "POST", "/api/notifications/d/read").await.status, 200);

    // At another replica.
    let (mut client, told) = Client::v1(&b, "42", &format!("?cursor={cursor}")).await;
    let data = &told["data"];
    assert_eq!((&data["recovered"], &data["replayed"]), (&json!(true), &json!(3)), "{told}");
    assert_eq!((&data["cursor"], &data["unread_count"]), (&json!(cursor), &json!(3)));
    for (id, read) in [("b", Value::Null), ("d", json!(true)), ("e", Value::Null)] {
        let frame = client.next_json().await;
        assert_eq!((&frame["data"]["id"], &frame["data"]["read"]), (&json!(id), &read), "{frame}");
    }
    notify(&redis, "42", &json!({"id": "f"})).await;
    assert_eq!(client.next_json().await["data"]["id"], "f");
    assert_eq!(client.next_json().await["type"], "unread_count");

    // Nothing missed: the cursor is the newest, and nothing is replayed.
    let newest = b.http_as("42", "GET", "/api/notifications?limit=1").await.json();
    let newest = newest["data"]["items"][0]["cursor"].as_str().unwrap().to_owned();
    let (mut client, told) = Client::v1(&a, "42", &format!("?cursor={newest}")).await;
    let data = &told["data"];
    assert_eq!((&data["recovered"], &data["replayed"]), (&json!(true), &json!(0)));
    assert_eq!(data["cursor"], newest);
    notify(&redis, "42", &json!({"id": "g"})).await;
    assert_eq!(client.next_json().await["data"]["id"], "g");

    // The unread, on a socket of the messaging app, which is not greeted, and a bare one.
    let path = "/ws/notifications?cursor=unread";
    let mut envelope = Client::connect(&b, path).user("42").await.unwrap();
    assert_eq!(next_ids(&mut envelope, 5).await.0, ["a", "b", "e", "f", "g"]);
    let mut bare = Client::connect(&b, "/api/ws?cursor=unread").user("42").await.unwrap();
    for id in ["a", "b", "e", "f", "g"] {
        assert_eq!(bare.next_json().await["id"], id);
    }
    notify(&redis, "42", &json!({"id": "h"})).await;
    assert_eq!(next_ids(&mut envelope, 1).await.0, ["h"]);
    assert_eq!(bare.next_json().await["id"], "h");
    let metrics = b.metrics().await;
    assert_eq!(metrics.count("campanile_replays_total", &[("result", "recovered")]), 3);
    assert_eq!(metrics.count("campanile_replayed_notifications_total", &[]), 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_caught_up_is_told_and_gets_what_is_kept() {
    let redis = Redis::start().await;
    let gateway = Gateway::builder().redis(&redis).env("CAMPANILE_INBOX_SIZE", "3").start().await;
    let mut cursors = Vec::new();
    for n in 0..6 {
        cursors.push(notify(&redis, "42", &json!({"id": n.to_string()})).await);
    }
    for (cursor, replayed) in [(cursors[0].as_str(), 3), ("99-1", 3), ("0-0", 3)] {
        let (mut client, told) = Client::v1(&gateway, "42", &format!("?cursor={cursor}")).await;
        let data = &told["data"];
        let want = (&json!(false), &json!(replayed));
        assert_eq!((&data["recovered"], &data["replayed"]), want, "{cursor}: {told}");
        assert_eq!(next_ids(&mut client, 3).await.0, ["3", "4", "5"]);
    }
    let (_, told) = Client::v1(&gateway, "42", &format!("?cursor={}", cursors[2])).await;
    assert_eq!(told["data"]["recovered"], true, "the one before the oldest that is kept");
    for bad in ["17", "x", "-", "1-2-3"] {
        let path = format!("/ws?cursor={bad}");
        let refused = Client::connect(&gateway, &path).user("42").await.err().unwrap();
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!("bad_cursor")));
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.count("campanile_replays_total", &[("result", "lost")]), 3);

    let without = Gateway::builder().redis(&redis).env("CAMPANILE_INBOX_SIZE", "0").start().await;
    let (_, told) = Client::v1(&without, "42", "?cursor=1-1").await;
    assert_eq!(told["data"]["recovered"], false, "there is no inbox to go on from");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_replay_waits_for_its_reader_and_what_is_new_comes_after_it() {
    const MISSED: usize = 180;
    let redis = Redis::start().await;
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_SEND_QUEUE", "16")
        .env("CAMPANILE_SEND_QUEUE_BYTES", "65536")
        .env("CAMPANILE_INBOX_SIZE", "220")
        .start()
        .await;
    let text = "x".repeat(30_000);
    for n in 0..MISSED {
        notify(&redis, "42", &json!({"id": n.to_string(), "message": text})).await;
    }
    let connect = Client::connect(&gateway, "/ws?cursor=unread").user("42");
    let mut client = connect.protocol("campanile.v1").receive_buffer(16_384).await.unwrap();
    let told = client.next_json().await;
    assert_eq!(told["data"]["replayed"], MISSED);
    let metrics = gateway.metrics().await;
    let queued = metrics.value("campanile_send_queue_bytes", &[]);
    assert!(queued < 300_000.0, "{queued} bytes wait for a client that does not read");
    // More than it may hold; they have to be read in the log.
    for n in MISSED..MISSED + 40 {
        notify(&redis, "42", &json!({"id": n.to_string(), "message": text})).await;
    }
    let (ids, _) = next_ids(&mut client, MISSED + 40).await;
    assert_eq!(ids, (0..MISSED + 40).map(|n| n.to_string()).collect::<Vec<_>>());
    notify(&redis, "42", &json!({"id": "last"})).await;
    assert_eq!(next_ids(&mut client, 1).await.0, ["last"]);

    // What is trimmed before its turn comes is missing, and that is said.
    let connect = Client::connect(&gateway, "/ws?cursor=unread").user("42");
    let mut client = connect.protocol("campanile.v1").receive_buffer(16_384).await.unwrap();
    assert_eq!(client.next_of("connected").await["data"]["recovered"], true);
    for n in 0..MISSED {
        notify(&redis, "42", &json!({"id": format!("again {n}")})).await;
    }
    let told = client.next_of("connected").await;
    assert_eq!(told["data"]["recovered"], false, "{told}");
    let last = notify(&redis, "42", &json!({"id": "the end"})).await;
    while next_ids(&mut client, 1).await.1 != last {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_a_client_comes_back_under_traffic_it_has_everything_once() {
    const PUBLISHED: usize = 3_000;
    let redis = Redis::start().await;
    let replicas = [Gateway::start(&redis).await, Gateway::start(&redis).await];
    let mut random = seed::rng();
    notify(&redis, "43", &json!({})).await;
    let mut connection = redis.connection().await;
    let (mut client, _) = Client::v1(&replicas[0], "42", "").await;
    let publishing = tokio::spawn(async move {
        for number in 0..PUBLISHED {
            let mut call = redis::cmd("FCALL");
            call.arg("campanile_notify").arg(1).arg("42").arg(format!(r#"{{"id":"{number}"}}"#));
            let _: String = call.query_async(&mut connection).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    });
    let (mut got, mut reconnects) = (Vec::new(), 0);
    let mut cursor = "0-0".to_owned();
    while got.len() < PUBLISHED {
        for _ in 0..random.usize(1..60).min(PUBLISHED - got.len()) {
            let (ids, newest) = next_ids(&mut client, 1).await;
            got.extend(ids);
            cursor = newest;
        }
        // As a phone in a tunnel: without a word.
        drop(client);
        sleep(Duration::from_millis(random.u64(0..40))).await;
        let replica = &replicas[random.usize(0..2)];
        let told;
        (client, told) = Client::v1(replica, "42", &format!("?cursor={cursor}")).await;
        assert_eq!(told["data"]["recovered"], true, "{told}");
        reconnects += 1;
    }
    publishing.await.unwrap();
    println!("{reconnects} reconnects while {PUBLISHED} were published");
    let all: Vec<String> = (0..PUBLISHED).map(|number| number.to_string()).collect();
    assert_eq!(got, all);
    client.expect_silence(Duration::from_millis(100)).await;
}
