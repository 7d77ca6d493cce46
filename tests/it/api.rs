//! The HTTP API, as backends and pages use it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway};
use crate::support::http::{self, Response};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, eventually, within};

const KEYS: [&str; 2] = ["the-newer-publish-key-of-tests", "the-older-publish-key-of-tests"];

fn with_keys(redis: &Redis) -> Builder {
    Gateway::builder().redis(redis).env("CAMPANILE_PUBLISH_KEYS", &KEYS.join(","))
}

async fn post(gateway: &Gateway, path: &str, key: &str, body: &str) -> Response {
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    gateway.http("POST", path, &headers, body.as_bytes()).await
}

/// The results of a publication that was accepted.
async fn publish(gateway: &Gateway, body: &Value) -> Vec<Value> {
    let answer = post(gateway, "/api/publish", KEYS[0], &body.to_string()).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["success"]), (200, &json!(true)), "{json}");
    json["data"]["results"].as_array().unwrap().clone()
}

fn assert_error(name: &str, answer: &Response, status: u16, code: &str) {
    let body = answer.json();
    let message = &body["error"]["message"];
    assert!(message.is_string(), "{name}: {body}");
    let shape = json!({ "success": false, "error": { "code": code, "message": message } });
    assert_eq!((answer.status, &body), (status, &shape), "{name}");
}

#[tokio::test]
async fn a_publication_reaches_whom_it_names_on_every_replica() {
    let redis = Redis::start().await;
    let replicas = [with_keys(&redis).start().await, Gateway::start(&redis).await];
    let mut ada = Client::bare(&replicas[1], "ada").await;
    let mut grace = Client::user(&replicas[0], "grace").await;
    let mut seven = Client::bare(&replicas[0], "7").await;

    let single = json!({
        "user_id": "ada", "id": "n-1", "type": "order", "title": "Shipped", "data": { "n": [1, null] },
    });
    let results = publish(&replicas[0], &single).await;
    let cursor = results[0]["cursor"].clone();
    assert!(cursor.as_str().unwrap().starts_with("1-"), "{cursor}");
    let accepted = json!({ "ok": true, "id": "n-1", "users": 1, "cursor": cursor });
    assert_eq!(results, [accepted]);
    let mut got = ada.next_json().await;
    assert!(got["timestamp"].take().as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    got.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(got, single);

    let results = publish(&replicas[0], &json!({ "user_ids": ["ada", "grace", 7] })).await;
    assert_eq!(results[0]["users"], 3);
    let id = results[0]["id"].as_str().unwrap();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "{id} is a UUIDv7");
    let frame = grace.next_json().await;
    assert_eq!(frame["data"]["notification_id"], id);
    for (client, user) in [(&mut ada, "ada"), (&mut seven, "7")] {
        let got = client.next_json().await;
        assert_eq!(
            (&got["id"], &got["user_id"], &got["type"]),
            (&json!(id), &json!(user), &json!("info"))
        );
        assert!(got.get("user_ids").is_none(), "{got}");
    }

    let results = publish(&replicas[0], &json!({ "broadcast": true, "id": 12 })).await;
    assert_eq!(results, [json!({ "ok": true, "id": 12, "users": 0 })]);
    assert_eq!(grace.next_json().await["data"]["id"], 12);
    for client in [&mut ada, &mut seven] {
        let got = client.next_json().await;
        assert_eq!(got["id"], 12);
        assert!(got.get("broadcast").is_none() && got.get("user_id").is_none(), "{got}");
    }

    let results = publish(
        &replicas[0],
        &json!([
            { "userId": 7, "id": "a", "eventType": "e" },
            { "user_id": "", "id": "b" },
            "no object",
            { "user_id": "7", "message": "x".repeat(70_000) },
            { "user_id": "7", "id": "c" },
        ]),
    )
    .await;
    let outcomes: Vec<_> = results.iter().map(|it| (&it["ok"], &it["error"]["code"])).collect();
    let null = Value::Null;
    let (yes, no) = (json!(true), json!(false));
    let codes = ["user_id", "not_an_object", "too_large"].map(|code| json!(code));
    assert_eq!(
        outcomes,
        [(&yes, &null), (&no, &codes[0]), (&no, &codes[1]), (&no, &codes[2]), (&yes, &null)]
    );
    let first = seven.next_json().await;
    assert_eq!((&first["id"], &first["type"]), (&json!("a"), &json!("e")));
    assert_eq!(seven.next_json().await["id"], "c");

    assert_eq!(publish(&replicas[0], &json!([])).await, Vec::<Value>::new());
    let metrics = replicas[0].metrics().await;
    let of = |name, labels: &[_]| metrics.count(name, labels);
    assert_eq!(of("campanile_notifications_received_total", &[("source", "http")]), 5);
    for code in ["user_id", "not_an_object", "too_large"] {
        let labels = [("source", "http"), ("reason", code)];
        assert_eq!(of("campanile_notifications_invalid_total", &labels), 1, "{code}");
    }
}

#[tokio::test]
async fn a_thousand_in_one_request_arrive_in_order_and_one_more_is_too_many() {
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).start().await;
    let mut clients = Vec::new();
    for user in 0..10 {
        clients.push(Client::bare(&gateway, &user.to_string()).await);
    }
    let batch = |count: usize| -> Value {
        (0..count).map(|n| json!({ "user_id": n % 10, "id": n })).collect()
    };
    let results = publish(&gateway, &batch(1000)).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(
            (&result["ok"], &result["id"], &result["users"]),
            (&json!(true), &json!(n), &json!(1))
        );
        let place = format!("{}-", n / 10 + 1);
        assert!(result["cursor"].as_str().unwrap().starts_with(&place), "{result}");
    }
    for (user, client) in clients.iter_mut().enumerate() {
        for n in 0..100 {
            assert_eq!(client.next_json().await["id"], n * 10 + user);
        }
    }
    let answer = post(&gateway, "/api/publish", KEYS[0], &batch(1001).to_string()).await;
    assert_error("1,001", &answer, 400, "too_many");
    publish(&gateway, &json!({ "user_id": 3, "id": "marker" })).await;
    assert_eq!(clients[3].next_json().await["id"], "marker", "nothing of the 1,001 was published");
}

#[tokio::test]
async fn a_publication_that_cannot_be_is_refused_with_its_reason() {
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).start().await;
    let large = json!({ "user_id": "a", "message": "x".repeat(65_536) }).to_string();
    let huge = "x".repeat(17 << 20);
    let control = json!({ "user_id": "a\u{1}" }).to_string();
    let long = json!({ "user_id": "a".repeat(257) }).to_string();
    for (body, status, code) in [
        ("", 400, "bad_body"),
        ("{", 400, "bad_body"),
        ("[{},", 400, "bad_body"),
        ("7", 400, "not_an_object"),
        (r#""text""#, 400, "not_an_object"),
        ("{}", 400, "user_id"),
        (r#"{"user_id":""}"#, 400, "user_id"),
        (&control, 400, "user_id"),
        (&long, 400, "user_id"),
        (r#"{"user_ids":[]}"#, 400, "user_id"),
        (r#"{"user_ids":["a",""]}"#, 400, "user_id"),
        (r#"{"user_id":"a","broadcast":true}"#, 400, "user_id"),
        (r#"{"user_id":"a","user_ids":["b"]}"#, 400, "user_id"),
        (r#"{"broadcast":false}"#, 400, "user_id"),
        (&large, 400, "too_large"),
        (&huge, 413, "body_too_large"),
    ] {
        let answer = post(&gateway, "/api/publish", KEYS[1], body).await;
        assert_error(body.get(..40).unwrap_or(body), &answer, status, code);
    }
    for body in ["", "{}", r#"{"user_id":""}"#, "[]"] {
        let answer = post(&gateway, "/api/disconnect", KEYS[0], body).await;
        let code = if body.contains("user_id") { "user_id" } else { "bad_body" };
        assert_error(body, &answer, 400, code);
    }
    let token = crate::support::token::for_user("ada");
    let off = Gateway::start(&redis).await;
    for (method, path) in
        [("POST", "/api/publish"), ("POST", "/api/disconnect"), ("GET", "/api/users/a/presence")]
    {
        for key in ["", "wrong", KEYS[0].trim_end_matches("tests"), &KEYS.join(","), &token] {
            let bearer = format!("Bearer {key}");
            let body = if method == "POST" { huge.as_bytes() } else { b"" };
            let answer = gateway.http(method, path, &[("Authorization", &bearer)], body).await;
            assert_error(path, &answer, 401, "publish_key_invalid");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let answer = gateway.http(method, path, &[("Authorization", KEYS[0])], b"").await;
        assert_error(path, &answer, 401, "publish_key_invalid");
        let bearer = format!("Bearer {}", KEYS[0]);
        let answer = off.http(method, path, &[("Authorization", &bearer)], b"").await;
        assert_error(path, &answer, 404, "publish_api_off");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_and_others_may_not() {
    const PAGE: &str = "https://app.example.com";
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).env("CAMPANILE_ALLOWED_ORIGINS", PAGE).start().await;
    let preflight = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ]
    };
    let answer = gateway.http("OPTIONS", "/api/publish", &preflight(PAGE), b"").await;
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    for (header, parts) in [
        ("access-control-allow-methods", &["GET", "POST", "DELETE"][..]),
        ("access-control-allow-headers", &["authorization", "content-type"]),
    ] {
        let value = answer.header(header).unwrap().to_owned();
        assert!(parts.iter().all(|part| value.contains(part)), "{header}: {value}");
    }
    let evil = "https://evil.example";
    let answer = gateway.http("OPTIONS", "/api/publish", &preflight(evil), b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);

    let bearer = format!("Bearer {}", crate::support::token::for_user("ada"));
    for (origin, authorization, status) in
        [(PAGE, &*bearer, 200), (PAGE, "Bearer x.y.z", 401), (evil, &*bearer, 200)]
    {
        let headers = [("Origin", origin), ("Authorization", authorization)];
        let answer = gateway.http("GET", "/api/notifications/stats", &headers, b"").await;
        assert_eq!(answer.status, status);
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, (origin == PAGE).then_some(PAGE), "{status}");
        // Without this a browser hides from the page when to come back.
        assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"));
    }
}

#[tokio::test]
async fn a_disconnected_user_is_gone_from_every_replica_and_others_stay() {
    let redis = Redis::start().await;
    let replicas = [with_keys(&redis).start().await, with_keys(&redis).start().await];
    let mut ada = Vec::new();
    for replica in [&replicas[0], &replicas[1], &replicas[1]] {
        ada.push(Client::user(replica, "ada/é").await);
    }
    let mut grace = Client::bare(&replicas[1], "grace").await;
    let presence = async |user: &str| {
        let bearer = format!("Bearer {}", KEYS[1]);
        let path = format!("/api/users/{user}/presence");
        let answer = replicas[0].http("GET", &path, &[("Authorization", &bearer)], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"].clone()
    };
    eventually("everyone is counted", PATIENCE, async || {
        presence("ada%2F%C3%A9").await
            == json!({ "user_id": "ada/é", "online": true, "connections": 3 })
    })
    .await;
    eventually("the totals are right", PATIENCE, async || {
        let answer = replicas[1].http_as("grace", "GET", "/api/notifications/stats").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let body = answer.json();
        let timestamp = body["data"]["timestamp"].as_str().unwrap();
        assert!(timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        let data = json!({ "total_users": 2, "total_clients": 4, "timestamp": timestamp });
        body == json!({ "success": true, "data": data })
    })
    .await;
    let answer = replicas[0].http("GET", "/api/notifications/stats", &[], b"").await;
    assert_error("stats of nobody", &answer, 401, "token_missing");

    let body = json!({ "user_id": "ada/é" });
    let answer = post(&replicas[0], "/api/disconnect", KEYS[0], &body.to_string()).await;
    assert_eq!(answer.json(), json!({ "success": true, "data": body }));
    for mut client in ada {
        assert_eq!(client.next_close().await, (4001, "disconnected, get a new token".into()));
    }
    eventually("the user is offline", PATIENCE, async || {
        presence("ada%2F%C3%A9").await
            == json!({ "user_id": "ada/é", "online": false, "connections": 0 })
    })
    .await;
    publish(&replicas[0], &json!({ "user_id": "grace", "id": "still here" })).await;
    assert_eq!(grace.next_json().await["id"], "still here");
    for replica in &replicas {
        let reason = [("reason", "revoked")];
        replica.metric_becomes("campanile_connections_closed_total", &reason, |it| it > 0.5).await;
    }
}

#[tokio::test]
async fn the_description_is_whole_and_what_it_describes_is_there() {
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).start().await;
    let answer = gateway.http("GET", "/openapi.json", &[], b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for field in ["title", "version"] {
        assert!(document["info"][field].is_string(), "{field}");
    }
    assert_references(&document, &document);

    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            operations.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].is_string(), "{name}");
            for requirement in operation["security"].as_array().unwrap() {
                let used = requirement.as_object().unwrap().keys();
                assert!(used.into_iter().all(|used| schemes.contains_key(used)), "{name}");
            }
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses
                    .values()
                    .all(|it| it["$ref"].is_string() || it["description"].is_string())
            );
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_path = parameters.filter(|it| it["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{name}");

            let concrete = path.replace("{id}", "42");
            let bearer = format!("Bearer {}", KEYS[0]);
            let headers: [(&str, &str); 1] = [("Authorization", &bearer)];
            let answer = gateway.http(&method.to_uppercase(), &concrete, &headers, b"").await;
            assert!(!matches!(answer.status, 404 | 405), "{name}: {}", answer.status);
            let described =
                answer.status == 200 || responses.contains_key(&answer.status.to_string());
            assert!(described, "{name} answers {}", answer.status);
        }
    }
    let count = operations.len();
    operations.sort();
    operations.dedup();
    assert_eq!(operations.len(), count, "operation ids are unique");

    let sources = [include_str!("../../src/http/api.rs"), include_str!("../../src/http/inbox.rs")];
    let source = sources.concat();
    let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for route in routes {
        let known = [route.to_owned(), format!("/api{route}")];
        assert!(known.iter().any(|path| document["paths"].get(path).is_some()), "{route}");
    }
}

/// Every `$ref` of `value` leads somewhere in `document`.
fn assert_references(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref") {
                let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|value| assert_references(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| assert_references(document, value)),
        _ => {}
    }
}

#[tokio::test]
async fn what_was_accepted_at_the_limit_arrives() {
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).start().await;
    let mut ada = Client::bare(&gateway, "ada").await;
    let (mut accepted, mut refused) = (0, 0);
    for length in (65_000..65_600).step_by(20) {
        let body = json!({ "user_id": "ada", "message": "x".repeat(length) }).to_string();
        match post(&gateway, "/api/publish", KEYS[0], &body).await {
            answer if answer.status == 200 => {
                accepted += 1;
                assert_eq!(ada.next_json().await["message"].as_str().unwrap().len(), length);
            }
            answer => {
                refused += 1;
                assert_error("too large", &answer, 400, "too_large");
            }
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

#[tokio::test]
async fn a_large_notification_for_10000_users_is_not_held_10000_times() {
    let redis = Redis::start().await;
    let gateway = with_keys(&redis).start().await;
    let users: Vec<u32> = (0..10_000).collect();
    let body = json!({ "user_ids": users, "message": "x".repeat(50_000) }).to_string();
    let bearer = format!("Bearer {}", KEYS[0]);
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    // 500 MB through Redis take a busy machine longer than an answer may take elsewhere.
    let asked =
        http::try_request(gateway.addr(), "POST", "/api/publish", &headers, body.as_bytes());
    let answer = within("half a gigabyte is published", 6 * PATIENCE, asked).await.unwrap();
    assert_eq!(answer.json()["data"]["results"][0]["users"], 10_000, "{}", answer.text());
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 250_000, "{kilobytes} kB at the peak");
}
