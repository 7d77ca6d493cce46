//! The inbox as its user sees it: on sockets, over HTTP, on every replica.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::token;
use crate::support::wait::{PATIENCE, eventually};

const KEY: &str = "a-publish-key-for-the-inbox";

/// A gateway that takes publications.
async fn replica(redis: &Redis) -> Gateway {
    Gateway::builder().redis(redis).env("CAMPANILE_PUBLISH_KEYS", KEY).start().await
}

async fn publish(gateway: &Gateway, body: &Value) -> Value {
    let key: &[_] = &[("Authorization", &*format!("Bearer {KEY}"))];
    let body = body.to_string();
    let answer = gateway.http("POST", "/api/publish", key, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"]["results"].clone()
}

/// What the user's token gets at `path`: status and `data`, or status and `error.code`.
async fn call(gateway: &Gateway, user: &str, method: &str, path: &str) -> (u16, Value) {
    let token = format!("Bearer {}", token::for_user(user));
    let answer = gateway.http(method, path, &[("Authorization", &token)], b"").await;
    let mut json = answer.json();
    let data =
        if answer.status == 200 { json["data"].take() } else { json["error"]["code"].take() };
    (answer.status, data)
}

async fn count(gateway: &Gateway, user: &str) -> Value {
    call(gateway, user, "GET", "/api/notifications/unread_count").await.1["count"].clone()
}

async fn titles(gateway: &Gateway, query: &str) -> String {
    let (status, page) = call(gateway, "ada", "GET", &format!("/api/notifications{query}")).await;
    assert_eq!(status, 200, "{page}");
    let row = |item: &Value| {
        let read = if item["read"] == true { "*" } else { "" };
        format!("{}{read}", item["title"].as_str().unwrap())
    };
    page["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_is_published_while_nobody_is_connected_waits_in_the_inbox() {
    let redis = Redis::start().await;
    let gateway = replica(&redis).await;
    for n in 1..=3 {
        let result = publish(&gateway, &json!({"user_id": "ada", "title": format!("t{n}")})).await;
        assert!(result[0]["cursor"].as_str().unwrap().starts_with(&format!("{n}-")), "{result}");
    }
    let (_client, connected) = Client::v1(&gateway, "ada", "").await;
    assert_eq!(connected["data"]["unread_count"], 3);
    assert!(connected["data"]["cursor"].as_str().unwrap().starts_with("3-"));
    assert_eq!(count(&gateway, "ada").await, 3);
    assert_eq!(titles(&gateway, "").await, "t3 t2 t1");
    assert_eq!(titles(&gateway, "?limit=2").await, "t3 t2");
    let (_, page) = call(&gateway, "ada", "GET", "/api/notifications?limit=2").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(titles(&gateway, &format!("?limit=2&before={next}")).await, "t1");
    assert_eq!(count(&gateway, "grace").await, 0, "another user's");
}

#[tokio::test]
async fn a_change_on_one_device_reaches_all_on_every_replica_with_the_count() {
    let redis = Redis::start().await;
    let (a, b) = tokio::join!(replica(&redis), replica(&redis));
    let (mut phone, _) = Client::v1(&a, "ada", "").await;
    let (mut laptop, _) = Client::v1(&b, "ada", "").await;
    let mut old = Client::user(&b, "ada").await;
    let mut bare = Client::bare(&b, "ada").await;
    publish(&a, &json!([{"user_id": "ada", "id": 7}, {"user_id": "ada", "id": "x"}])).await;
    for client in [&mut phone, &mut laptop] {
        for (n, id) in [(1, "7"), (2, "x")] {
            let frame = client.next_of("notification").await;
            assert_eq!(frame["data"]["notification_id"], id);
            assert!(frame["data"]["cursor"].as_str().unwrap().starts_with(&format!("{n}-")));
            assert_eq!(client.next_of("unread_count").await["data"]["count"], n);
        }
    }
    for id in ["7", "x"] {
        assert_eq!(old.next_json().await["data"]["notification_id"], id, "no counts unasked");
    }

    phone.send_json(&json!({"type": "mark_read", "notification_id": 7, "ref": "r"})).await;
    let read = json!({"notification_id": "7", "status": "read"});
    for client in [&mut phone, &mut laptop, &mut old] {
        assert_eq!(client.next_of("notification_update").await["data"], read);
    }
    let told = laptop.next_of("unread_count").await;
    assert_eq!(told["data"]["count"], 1);

    let (status, after) = call(&a, "ada", "DELETE", "/api/notifications/x").await;
    assert_eq!((status, &after["count"]), (200, &json!(0)));
    assert!(after["version"].as_u64() > told["data"]["version"].as_u64(), "{after} {told}");
    let deleted = json!({"notification_id": "x", "status": "deleted"});
    assert_eq!(laptop.next_of("notification_update").await["data"], deleted);

    old.send_json(&json!({"type": "mark_all_read"})).await;
    let all = json!({"notification_id": null, "status": "all_read"});
    assert_eq!(laptop.next_of("notification_update").await["data"], all);
    old.send_json(&json!({"type": "list", "ref": 1})).await;
    let page = old.next_of("notifications").await;
    assert_eq!((&page["ref"], &page["data"]["items"][0]["read"]), (&json!(1), &json!(true)));
    assert_eq!(page["data"]["items"].as_array().unwrap().len(), 1);
    for id in [json!(7), json!("x")] {
        assert_eq!(bare.next_json().await["id"], id, "only notifications");
    }
}

#[tokio::test]
async fn the_same_id_a_thousand_times_is_one_entry_and_one_delivery() {
    let redis = Redis::start().await;
    let (a, b) = tokio::join!(replica(&redis), replica(&redis));
    let mut client = Client::user(&b, "ada").await;
    let many: Value = (0..500).map(|_| json!({"user_id": "ada", "id": "once"})).collect();
    let (first, second) = tokio::join!(publish(&a, &many), publish(&b, &many));
    assert_eq!(first[0]["cursor"], second[499]["cursor"]);
    publish(&a, &json!({"user_id": "ada", "id": "last"})).await;
    for id in ["once", "last"] {
        assert_eq!(client.next_json().await["data"]["id"], id);
    }
    assert_eq!(count(&a, "ada").await, 2);
}

#[tokio::test]
async fn the_inbox_says_what_it_cannot_do() {
    let redis = Redis::start().await;
    let gateway = replica(&redis).await;
    let cases = [
        ("POST", "/api/notifications/nope/read", (404, "not_found")),
        ("DELETE", "/api/notifications/nope", (404, "not_found")),
        ("GET", "/api/notifications?before=soon", (400, "bad_fields")),
        ("GET", "/api/notifications?limit=many", (400, "bad_fields")),
    ];
    for (method, path, (status, code)) in cases {
        assert_eq!(call(&gateway, "ada", method, path).await, (status, json!(code)), "{path}");
    }
    let mut client = Client::user(&gateway, "ada").await;
    client.send_json(&json!({"type": "mark_read", "notification_id": "nope", "ref": 1})).await;
    let error = client.next_of("error").await;
    assert_eq!((&error["data"]["code"], &error["ref"]), (&json!("not_found"), &json!(1)));
    redis.kill();
    eventually("Redis is missed", PATIENCE, async || {
        call(&gateway, "ada", "GET", "/api/notifications").await == (503, json!("redis_away"))
    })
    .await;
    client.send_json(&json!({"type": "get_unread_count"})).await;
    assert_eq!(client.next_of("error").await["data"]["code"], "redis_away");

    let off = Gateway::builder().env("CAMPANILE_INBOX_SIZE", "0").start().await;
    let disabled = (404, json!("inbox_disabled"));
    assert_eq!(call(&off, "ada", "GET", "/api/notifications").await, disabled);
}

#[tokio::test]
async fn the_embedded_broker_keeps_an_inbox_too() {
    let gateway = Gateway::builder().env("CAMPANILE_PUBLISH_KEYS", KEY).start().await;
    publish(&gateway, &json!({"user_id": "ada", "title": "t1", "id": "a"})).await;
    let (mut client, connected) = Client::v1(&gateway, "ada", "").await;
    assert_eq!(connected["data"]["unread_count"], 1);
    assert_eq!(call(&gateway, "ada", "POST", "/api/notifications/a/read").await.1["count"], 0);
    assert_eq!(client.next_of("unread_count").await["data"]["count"], 0);
    assert_eq!(titles(&gateway, "").await, "t1*");
    assert_eq!(titles(&gateway, "?unread=true").await, "");
    assert_eq!(call(&gateway, "ada", "POST", "/api/notifications/read_all").await.0, 200);
}
