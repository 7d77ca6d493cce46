//! What an open socket may do, and what happens to those that misbehave.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::raw::{self, RawClient, frame, frame_header};
use crate::support::redis::Redis;
use crate::support::token::{self, seconds_from_now};
use crate::support::wait::{PATIENCE, within};

const CLOSED: &str = "campanile_connections_closed_total";
const BINARY: u8 = 0x2;

async fn raw(gateway: &Gateway, path: &str) -> RawClient {
    let handshake = Connect::to(gateway, path).user("ada").raw();
    handshake.await.unwrap_or_else(|it| panic!("{path}: {}", it.text()))
}

async fn closed(gateway: &Gateway, reason: &str, count: f64) {
    gateway.metric_becomes(CLOSED, &[("reason", reason)], |value| value >= count).await;
}

/// A frame without the FIN bit, or with other bits of the first byte changed.
fn with_first_byte(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(raw::TEXT, payload);
    bytes[0] = first;
    bytes
}

#[tokio::test]
async fn a_frame_is_refused_by_its_header_before_its_payload_takes_memory() {
    let gateway = Gateway::builder().start().await;
    let override_ = Gateway::builder().env("CAMPANILE_MAX_FRAME_BYTES", "1KiB").start().await;
    for (gateway, path, limit) in [
        (&gateway, "/api/ws", 512),
        (&gateway, "/ws", 4096),
        (&gateway, "/ws/notifications", 4096),
        (&override_, "/api/ws", 1024),
        (&override_, "/ws", 1024),
    ] {
        let fitting = format!(r#"{{"type":"ping","pad":"{}"}}"#, "x".repeat(limit - 24));
        assert_eq!(fitting.len(), limit);
        let mut client = raw(gateway, path).await;
        client.write(&frame(raw::TEXT, fitting.as_bytes())).await.unwrap();
        client.write(&frame(raw::PING, b"still here")).await.unwrap();
        loop {
            let answer = client.next_frame().await.unwrap();
            if answer.opcode == raw::PONG {
                break;
            }
            assert_eq!(
                (answer.payload.as_slice(), path == "/api/ws"),
                (&br#"{"type":"pong"}"#[..], false)
            );
        }
        client.write(&frame_header(raw::TEXT, limit as u64 + 1)).await.unwrap();
        assert_eq!(client.next_close().await.0, 1009, "{path}");

        let mut pieces = raw(gateway, path).await;
        pieces.write(&with_first_byte(0x01, &vec![b'x'; limit - 1])).await.unwrap();
        pieces.write(&with_first_byte(0x80, b"xx")).await.unwrap();
        assert_eq!(pieces.next_close().await.0, 1009, "{path}, in pieces");
    }
    let before = gateway.resident_bytes();
    for _ in 0..50 {
        let mut client = raw(&gateway, "/ws").await;
        client.write(&frame_header(raw::TEXT, 1 << 40)).await.unwrap();
        // Fails as soon as the gateway has had enough.
        while client.write(&[b'x'; 16]).await.is_ok() {
            if client.next_close().await.0 == 1009 {
                break;
            }
        }
    }
    let grown = gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "grown by {grown} bytes");
    closed(&gateway, "frame_too_big", 56.0).await;
}

#[tokio::test]
async fn bytes_that_break_the_standard_close_with_their_code() {
    let gateway = Gateway::builder().start().await;
    let unmasked = vec![0x81, 2, b'h', b'i'];
    let cases: [(&str, Vec<u8>, u16); 12] = [
        ("unmasked", unmasked, 1002),
        ("reserved bit 1", with_first_byte(0xC1, b"{}"), 1002),
        ("reserved bit 3", with_first_byte(0x91, b"{}"), 1002),
        ("reserved opcode", with_first_byte(0x83, b"{}"), 1002),
        ("reserved control opcode", with_first_byte(0x8B, b""), 1002),
        ("fragmented ping", with_first_byte(0x09, b""), 1002),
        ("long ping", frame(raw::PING, &[b'x'; 126]), 1002),
        ("continuation of nothing", with_first_byte(0x80, b"x"), 1002),
        (
            "text within a message",
            [with_first_byte(0x01, b"x"), frame(raw::TEXT, b"x")].concat(),
            1002,
        ),
        ("close of one byte", frame(raw::CLOSE, b"x"), 1002),
        ("invalid UTF-8", frame(raw::TEXT, b"{\"type\":\"\xff\"}"), 1007),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
    ];
    for (name, bytes, code) in cases {
        for path in ["/ws", "/api/ws"] {
            let mut client = raw(&gateway, path).await;
            client.write(&bytes).await.unwrap();
            assert_eq!(client.next_close().await.0, code, "{name} on {path}");
        }
    }
    closed(&gateway, "protocol", 22.0).await;
    closed(&gateway, "utf8", 2.0).await;
}

#[tokio::test]
async fn fragments_pings_and_closes_are_answered_as_the_standard_says() {
    let gateway = Gateway::builder().start().await;
    let mut client = raw(&gateway, "/ws").await;
    client.write(&with_first_byte(0x01, b"{\"type\":")).await.unwrap();
    client.write(&frame(raw::PING, b"in between")).await.unwrap();
    client.write(&with_first_byte(0x00, b"\"ping\",")).await.unwrap();
    client.write(&with_first_byte(0x80, b"\"ref\":[1]}")).await.unwrap();
    let pong = client.next_frame().await.unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (raw::PONG, &b"in between"[..]));
    let answer = client.next_frame().await.unwrap();
    assert_eq!(answer.payload, br#"{"type":"pong","ref":[1]}"#);
    for payload in [&[0xFF; 125][..], b""] {
        client.write(&frame(raw::PING, payload)).await.unwrap();
        assert_eq!(client.next_frame().await.unwrap().payload, payload);
    }
    // One byte at a time.
    for byte in frame(raw::TEXT, br#"{"type":"ping"}"#) {
        client.write(&[byte]).await.unwrap();
    }
    assert_eq!(client.next_frame().await.unwrap().payload, br#"{"type":"pong"}"#);
    client.write(&frame(raw::PONG, b"nobody asked")).await.unwrap();
    client
        .write(&frame(raw::CLOSE, &[&1001u16.to_be_bytes()[..], b"leaving"].concat()))
        .await
        .unwrap();
    assert_eq!(client.next_close().await.0, 1000);
    assert!(client.read_to_end().await.is_empty());
    let mut silent = raw(&gateway, "/api/ws").await;
    silent.write(&frame(raw::TEXT, b"ignored")).await.unwrap();
    silent.write(&frame(BINARY, b"\xff")).await.unwrap();
    silent.write(&frame(raw::CLOSE, b"")).await.unwrap();
    let answer = silent.next_frame().await.unwrap();
    assert_eq!(answer.opcode, raw::CLOSE, "{answer:?}");
    closed(&gateway, "normal", 2.0).await;
}

#[tokio::test]
async fn ten_bad_frames_in_a_row_close_and_a_good_one_forgives() {
    let gateway = Gateway::builder().start().await;
    let bad = [
        (Message::text("not json"), "bad_json"),
        (Message::text("[]"), "bad_fields"),
        (Message::text(r#"{"type":7}"#), "bad_fields"),
        (Message::text(r#"{"type":"fly"}"#), "unknown_type"),
        (Message::text(r#"{"type":"mark_read"}"#), "bad_fields"),
        (Message::binary(vec![0xFF]), "bad_frame"),
    ];
    let mut client = Client::user(&gateway, "ada").await;
    for round in 0..2 {
        for n in 0..9 {
            let (message, code) = &bad[n % bad.len()];
            client.send(message.clone()).await;
            let error = client.next_of("error").await;
            assert_eq!(error["data"]["code"], *code, "{round}.{n}: {message:?}");
            assert!(error["data"]["message"].is_string());
        }
        client.send_json(&json!({ "type": "ping" })).await;
        client.next_of("pong").await;
    }
    client.send_json(&json!({ "type": "fly", "ref": { "a": 1 } })).await;
    assert_eq!(client.next_of("error").await["ref"], json!({ "a": 1 }));
    for _ in 0..9 {
        client.send_text("{").await;
    }
    assert_eq!(client.next_close().await.0, 4000);
    closed(&gateway, "protocol_errors", 1.0).await;
}

#[tokio::test]
async fn commands_over_the_rate_get_errors_and_then_the_end() {
    let gateway = Gateway::builder().env("CAMPANILE_COMMANDS_PER_SECOND", "5").start().await;
    let mut client = Client::user(&gateway, "ada").await;
    for n in 0..40 {
        client.send_json(&json!({ "type": "ping", "ref": n })).await;
    }
    let (mut pongs, mut errors) = (0, 0);
    let code = loop {
        match client.next_message().await {
            Some(Message::Text(text)) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "pong" {
                    pongs += 1;
                } else {
                    assert_eq!(frame["data"]["code"], "rate_limited", "{text}");
                    errors += 1;
                }
            }
            Some(Message::Close(Some(close))) => break u16::from(close.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4029);
    assert!((5..30).contains(&pongs) && errors >= 10, "{pongs} pongs, {errors} errors");
    closed(&gateway, "rate_limit", 1.0).await;
}

#[tokio::test]
async fn commands_of_an_inbox_that_is_not_there_are_answered_and_cost_nothing() {
    let gateway = Gateway::builder().env("CAMPANILE_INBOX_SIZE", "0").start().await;
    let (mut client, connected) = Client::v1(&gateway, "ada", "").await;
    assert_eq!(connected["data"]["user_id"], "ada");
    for (n, command) in [
        json!({ "type": "get_unread_count" }),
        json!({ "type": "mark_read", "notification_id": "a" }),
        json!({ "type": "mark_read", "notification_id": 7 }),
        json!({ "type": "mark_all_read" }),
        json!({ "type": "delete", "notification_id": "a" }),
        json!({ "type": "list", "limit": 10 }),
    ]
    .into_iter()
    .cycle()
    .take(12)
    .enumerate()
    {
        let mut command = command;
        command["ref"] = json!(n);
        client.send_json(&command).await;
        let error = client.next_of("error").await;
        assert_eq!((&error["data"]["code"], &error["ref"]), (&json!("inbox_disabled"), &json!(n)));
    }
    client.close().await;
}

#[tokio::test]
async fn a_peer_that_never_pongs_is_dropped_and_one_that_does_stays() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_PING_INTERVAL", "300ms")
        .env("CAMPANILE_PONG_TIMEOUT", "1s")
        .start()
        .await;
    let mut alive = Client::user(&gateway, "ada").await;
    // Before the handshake: the gateway's clock for this socket begins within it.
    let opened = Instant::now();
    let mut mute = raw(&gateway, "/api/ws").await;
    let reading = async {
        let mut pings = 0;
        while let Some(frame) = mute.next_frame().await {
            assert_eq!(frame.opcode, raw::PING, "{frame:?}");
            pings += 1;
        }
        (pings, opened.elapsed())
    };
    let answering = async {
        while alive.pings() < 6 {
            alive.next_ping(Duration::from_secs(2)).await;
        }
    };
    let ((pings, lasted), ()) = tokio::join!(reading, answering);
    assert!((1..=5).contains(&pings), "{pings} pings");
    assert!(lasted >= Duration::from_secs(1), "{lasted:?}");
    closed(&gateway, "pong_timeout", 1.0).await;
    alive.send_json(&json!({ "type": "ping" })).await;
    alive.next_of("pong").await;
}

#[tokio::test]
async fn a_token_ends_its_socket_and_another_one_of_the_same_user_extends_it() {
    let gateway = Gateway::builder().env("CAMPANILE_JWT_LEEWAY", "0s").start().await;
    let token = |user: &str, left: i64| {
        token::hs256(&json!({ "sub": user, "exp": seconds_from_now(left) }), token::SECRET)
    };
    let open = async |left: i64, v1: bool| {
        let handshake = Connect::to(&gateway, "/ws").token(token("ada", left));
        let handshake = if v1 { handshake.protocol("campanile.v1") } else { handshake };
        handshake.await.unwrap_or_else(|it| panic!("{}", it.text()))
    };
    let (mut plain, mut refreshed) = (open(3, false).await, open(3, true).await);
    let mut warned = open(20, true).await;
    assert_eq!(warned.next_json().await["type"], "connected");
    let warning = warned.next_json_within(Duration::from_secs(2)).await;
    assert_eq!(warning["type"], "token_expiring");
    assert!((18..=20).contains(&warning["data"]["in_s"].as_i64().unwrap()), "{warning}");

    for (token, code) in [
        (token("grace", 3600), "forbidden"),
        (token("ada", -10), "token_expired"),
        ("garbage".to_owned(), "token_invalid"),
    ] {
        refreshed.send_json(&json!({ "type": "refresh", "token": token, "ref": code })).await;
        let error = refreshed.next_of("error").await;
        assert_eq!((&error["data"]["code"], &error["ref"]), (&json!(code), &json!(code)));
    }
    let longer = token("ada", 3600);
    refreshed.send_json(&json!({ "type": "refresh", "token": longer, "ref": 1 })).await;
    let answer = refreshed.next_of("refreshed").await;
    assert!(answer["data"]["expires_in_s"].as_u64().is_some_and(|left| left > 3500), "{answer}");

    assert_eq!(plain.next_close().await, (4001, "token expired, get a new one".into()));
    closed(&gateway, "token_expired", 1.0).await;
    refreshed.send_json(&json!({ "type": "ping" })).await;
    refreshed.next_of("pong").await;
    refreshed.send_json(&json!({ "type": "refresh", "token": token("ada", 1) })).await;
    assert_eq!(refreshed.next_close().await.0, 4001);
}

#[tokio::test]
async fn a_peer_that_read_too_little_is_told_so_when_it_reads_again() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let handshake = Connect::to(&gateway, "/api/ws").user("ada").receive_buffer(65_536);
    let mut client = handshake.raw().await.unwrap_or_else(|it| panic!("{}", it.text()));
    let payload = json!({ "message": "x".repeat(60_000) }).to_string();
    let dropped = &[("reason", "too_slow")];
    within("the outbox overflows", PATIENCE, async {
        while gateway.metrics().await.value("campanile_deliveries_dropped_total", dropped) < 0.5 {
            redis.publish("user:ada:notifications", &payload).await;
        }
    })
    .await;
    assert_eq!(client.next_close().await, (4008, "too slow, reconnect and resume".into()));
    closed(&gateway, "too_slow", 1.0).await;
    gateway.metric_becomes("campanile_send_queue_bytes", &[], |bytes| bytes.abs() < 0.5).await;
}

#[tokio::test]
async fn the_reason_reaches_a_client_that_is_still_sending_its_too_big_frame() {
    let gateway = Gateway::builder().start().await;
    let mut client = raw(&gateway, "/ws").await;
    client.write(&frame(raw::TEXT, &vec![b'x'; 30_000_000])).await.unwrap();
    assert_eq!(client.next_close().await.0, 1009);
}

#[tokio::test]
async fn the_bytes_queued_for_a_client_that_closes_are_counted_off_once() {
    const QUEUED: &str = "campanile_send_queue_bytes";
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut client = raw(&gateway, "/api/ws").await;
    let payload = format!(r#"{{"message":"{}"}}"#, "x".repeat(40_000));
    while gateway.metrics().await.value(QUEUED, &[]) == 0.0 {
        redis.publish("user:ada:notifications", &payload).await;
    }
    client.write(&frame(raw::CLOSE, &[])).await.unwrap();
    closed(&gateway, "normal", 1.0).await;
    client.read_to_end().await;
    gateway.metric_is(QUEUED, 0.0).await;
}
