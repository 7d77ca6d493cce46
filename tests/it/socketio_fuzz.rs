//! A thousand packets and bodies that no client sends: each ends its own connection at most.

use std::time::Instant;

use fastrand::Rng;

use crate::support::engineio::{self, Polling, SUBSCRIBE, connect, event};
use crate::support::garbage::{mutate, value};
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::{seed, token};

const PACKETS: usize = 1_000;
/// A thousand connections of a few kilobytes, and what the allocator keeps.
const GROWTH: u64 = 48 * 1024 * 1024;

/// Something like a packet, or like none.
fn packet(rng: &mut Rng, token: &str) -> Vec<u8> {
    let json = value(rng, 3).to_string();
    let namespaces = ["", "/ws,", "/ws", "/other,", "/,", "/ws?token=x,", "//"];
    let namespace = *rng.choice(namespaces).as_ref().unwrap();
    let digits = "1".repeat(rng.usize(..24));
    let text = match rng.u8(..14) {
        0 | 12 => connect("/ws", token),
        1 => SUBSCRIBE.into(),
        13 => "3".into(),
        2 => format!("40{namespace}{json}"),
        3 => format!("42{namespace}{digits}[\"MARK_READ\",{json}]"),
        4 => format!("42{namespace}{digits}{json}"),
        5 => format!("4{}{namespace}{digits}{json}", rng.u8(..10)),
        6 => format!("{}{json}", rng.u8(..10)),
        7 => format!("b{json}"),
        8 => format!("45{}-{namespace}{json}", rng.u8(..12)),
        9 => format!("41{namespace}{json}\u{1e}42"),
        10 => format!("42/ws,[\"x\",{}{}]", "[".repeat(2_000), "]".repeat(2_000)),
        _ => (0..rng.usize(..40)).map(|_| rng.char(..)).collect(),
    };
    if rng.bool() { text.into_bytes() } else { mutate(rng, text.into_bytes()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_malformed_packets_harm_nobody() {
    let mut rng = seed::rng();
    let redis = Redis::start().await;
    let gateway =
        Gateway::builder().redis(&redis).env("CAMPANILE_SOCKETIO_AUTH_TIMEOUT", "3s").start().await;
    let token = token::for_user("fuzz");
    let mut witness = engineio::subscribed(&gateway, "witness").await;
    // So that what the first connections bring into being does not count as growth.
    drop((Polling::open(&gateway).await, engineio::opened(&gateway).await));
    let (before, began) = (gateway.resident_bytes(), Instant::now());
    let (mut refused, mut heeded) = (0, 0);
    for number in 0..PACKETS {
        let bytes = packet(&mut rng, &token);
        if number % 2 == 0 {
            let polling = Polling::open(&gateway).await;
            let mut body = bytes;
            for _ in 0..rng.usize(..3) {
                body.push(0x1e);
                body.extend(packet(&mut rng, &token));
            }
            let answer = gateway.http("POST", &polling.path("polling"), &[], &body).await;
            match answer.status {
                200 => heeded += 1,
                400 | 413 => refused += 1,
                other => panic!("{other} for {body:?}"),
            }
            polling.post("1").await;
        } else {
            let mut socket = engineio::websocket(&gateway).raw().await.ok().unwrap();
            let opcode = if rng.u8(..8) == 0 { 2 } else { 1 };
            let mut frames = crate::support::raw::frame(opcode, &bytes);
            frames.extend(crate::support::raw::frame(1, b"1"));
            // Whether it is closed before it has read all is its own affair.
            socket.write(&frames).await.ok();
            let (code, _) = socket.next_close().await;
            if code == 1000 {
                heeded += 1;
            } else {
                assert!([1002, 1003, 1007, 1009, 4001].contains(&code), "{code} for {bytes:?}");
                refused += 1;
            }
        }
    }
    println!("{PACKETS} in {:?}: {refused} refused, {heeded} heeded", began.elapsed());
    assert!(refused > PACKETS / 5 && heeded > PACKETS / 20, "the mix is worth it");
    let grown = gateway.resident_bytes().saturating_sub(before);
    println!("{} KiB more resident", grown / 1024);
    assert!(grown < GROWTH, "{grown}");
    redis.publish("user:witness:notifications", r#"{"id":"still here"}"#).await;
    assert_eq!(event(&engineio::next(&mut witness).await).1["id"], "still here");
    gateway.metric_is("campanile_connections", 1.0).await;
    gateway.metric_is("campanile_socketio_unauthenticated", 0.0).await;
    gateway.metric_is("campanile_users", 1.0).await;
    gateway.metric_is("campanile_send_queue_bytes", 0.0).await;
    let log = gateway.stderr_so_far();
    assert!(!log.contains("panicked") && !log.contains(&token), "{log}");
}
