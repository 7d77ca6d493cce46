//! Engine.IO 4 on the wire: errors, polls, posts, the move to a WebSocket, heartbeats and ends.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::Client;
use crate::support::engineio::{self, Polling, SUBSCRIBE, connect, event};
use crate::support::gateway::Gateway;
use crate::support::http;
use crate::support::redis::Redis;
use crate::support::token;
use crate::support::wait::{PATIENCE, until};

const CONNECTIONS: &str = "campanile_connections";
const CLOSED: &str = "campanile_connections_closed_total";

fn error(code: u8, message: &str) -> Value {
    json!({"code": code, "message": message})
}

async fn closed_for(gateway: &Gateway, reason: &str) {
    gateway.metric_becomes(CLOSED, &[("reason", reason)], |closed| closed > 0.5).await;
    gateway.metric_is(CONNECTIONS, 0.0).await;
}

/// The next text that is no count: that comes when the log has what was published.
async fn past_counts(socket: &mut Client) -> String {
    loop {
        let text = engineio::next(socket).await;
        if !text.starts_with("42/ws,[\"UNREAD_COUNT\"") {
            return text;
        }
    }
}

#[tokio::test]
async fn requests_are_refused_with_the_numbers_of_the_protocol() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let (zero, one) = (error(0, "Transport unknown"), error(1, "Session ID unknown"));
    let (two, three) = (error(2, "Bad handshake method"), error(3, "Bad request"));
    let five = error(5, "Unsupported protocol version");
    let foreign = "&sid=00000000000040008000000000000000";
    let cases = [
        ("GET", String::new(), &zero),
        ("GET", "EIO=4".into(), &zero),
        ("GET", "EIO=4&transport=carrier-pigeon".into(), &zero),
        ("GET", "EIO=4&transport=polling&sid=nobody".into(), &one),
        ("GET", format!("EIO=4&transport=polling{foreign}"), &one),
        ("POST", format!("EIO=4&transport=polling{foreign}"), &one),
        ("POST", "EIO=4&transport=polling".into(), &two),
        ("GET", "EIO=4&transport=websocket".into(), &three),
        ("GET", "EIO=3&transport=polling".into(), &five),
        ("GET", "transport=polling".into(), &five),
    ];
    for (method, query, expected) in cases {
        for path in ["/socket.io/", "/socket.io"] {
            let response = gateway.http(method, &format!("{path}?{query}"), &[], b"").await;
            assert_eq!((response.status, &response.json()), (400, expected), "{method} {query}");
            assert_eq!(response.header("content-type"), Some("application/json"));
        }
    }
    for (query, expected) in [
        ("EIO=4", &zero),
        ("EIO=4&transport=websocket&sid=nobody", &one),
        ("EIO=4&transport=polling", &three),
        ("EIO=3&transport=websocket", &five),
    ] {
        let refused =
            Client::connect(&gateway, &format!("/socket.io/?{query}")).await.err().unwrap();
        assert_eq!((refused.status, &refused.json()), (400, expected), "{query}");
    }
    let script = gateway.http("GET", "/socket.io/socket.io.js", &[], b"").await;
    assert_eq!(script.status, 404);
    assert!(script.text().contains("socket.io-client"), "{}", script.text());
    gateway.metric_is(CONNECTIONS, 0.0).await;
}

#[tokio::test]
async fn a_connection_opens_as_documented_and_its_sid_is_no_public_name() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::open(&gateway).await;
    let mut opening = polling.opening.clone();
    assert_eq!(opening["sid"].take().as_str().map(str::len), Some(32));
    let expected = json!({"sid": null, "upgrades": ["websocket"], "pingInterval": 25000,
        "pingTimeout": 20000, "maxPayload": 16384});
    assert_eq!(opening, expected);
    polling.send(&format!("{}\u{1e}40\u{1e}40/nowhere,{{}}", connect("/ws", "bad"))).await;
    let mut answers: Vec<String> = Vec::new();
    while answers.len() < 3 {
        answers.extend(polling.receive().await.split('\u{1e}').map(str::to_owned));
    }
    answers.sort();
    assert_eq!(answers[2], r#"44/nowhere,{"message":"Invalid namespace"}"#);
    assert!(answers[0].starts_with("40/ws,") && answers[1].starts_with("40{"), "{answers:?}");
    assert!(!answers.concat().contains(&polling.sid), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_moves_to_a_websocket_and_loses_nothing_on_the_way() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::subscribed(&gateway, "42").await;
    let path = polling.path("polling");
    let address = gateway.addr();
    let parked = tokio::spawn(async move { http::request(address, "GET", &path, &[], b"").await });
    let mut socket = polling.websocket().await.unwrap();
    socket.send_text("2probe").await;
    assert_eq!(engineio::next(&mut socket).await, "3probe");
    // Whichever came first, the poll or the probe, the poll ends.
    assert_eq!(parked.await.unwrap().text(), "6");
    // Until the move, everything goes the old way.
    redis.publish("user:42:notifications", r#"{"id":"polled"}"#).await;
    let polled = loop {
        let text = polling.receive().await;
        if text != "6" {
            break text;
        }
    };
    assert_eq!(event(polled.split('\u{1e}').next().unwrap()).1["id"], "polled");
    gateway.metric_is("campanile_send_queue_bytes", 0.0).await;
    polling.send(r#"42/ws,1["GET_UNREAD_COUNT"]"#).await;
    socket.send_text("5").await;
    assert!(past_counts(&mut socket).await.starts_with(r#"43/ws,1[{"count":"#));
    redis.publish("user:42:notifications", r#"{"id":"pushed"}"#).await;
    assert_eq!(event(&past_counts(&mut socket).await).1["id"], "pushed");

    let late = polling.get().await;
    assert_eq!((late.status, late.json()), (400, error(3, "Bad request")));
    let late = polling.post("3").await;
    assert_eq!((late.status, late.json()), (400, error(3, "Bad request")));
    let mut second = polling.websocket().await.expect("is let in to be told");
    assert_eq!(second.next_close().await.0, 1002);
    socket.send_text("1").await;
    assert_eq!(socket.next_close().await.0, 1000);
    closed_for(&gateway, "normal").await;
}

#[tokio::test]
async fn a_websocket_that_does_not_probe_is_closed_and_polling_goes_on() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::subscribed(&gateway, "42").await;
    for said in [&["5"][..], &["2probe", "42/ws,[\"x\"]"], &["2"], &[SUBSCRIBE]] {
        let mut socket = polling.websocket().await.unwrap();
        for text in said {
            socket.send_text(text).await;
        }
        assert_eq!(socket.next_close().await.0, 1002, "{said:?}");
    }
    redis.publish("user:42:notifications", r#"{"id":"polled"}"#).await;
    let polled = polling.receive().await;
    assert_eq!(event(polled.split('\u{1e}').next().unwrap()).1["id"], "polled");
}

#[tokio::test]
async fn two_polls_or_two_posts_at_a_time_end_the_connection() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::open(&gateway).await;
    let (path, address) = (polling.path("polling"), gateway.addr());
    let poll = || {
        let path = path.clone();
        tokio::spawn(async move { http::request(address, "GET", &path, &[], b"").await })
    };
    let (first, second) = (poll(), poll());
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (ended, refused) = if first.status == 200 { (first, second) } else { (second, first) };
    assert_eq!((ended.status, ended.text(), refused.status), (200, "1", 400));
    assert_eq!(polling.get().await.text(), "6", "told once more");
    assert_eq!(polling.get().await.json(), error(1, "Session ID unknown"));

    let polling = Polling::open(&gateway).await;
    let mut half = TcpStream::connect(gateway.addr()).await.unwrap();
    let head =
        http::head(gateway.addr(), "POST", &polling.path("polling"), &[("Content-Length", "5")]);
    half.write_all(format!("{head}\r\n4").as_bytes()).await.unwrap();
    let refused = until("the first post is under way", PATIENCE, async || {
        let response = polling.post("3").await;
        (response.status != 200).then_some(response)
    })
    .await;
    assert_eq!(refused.json(), error(3, "Bad request"));
    closed_for(&gateway, "bad_packet").await;
}

#[tokio::test]
async fn bodies_that_are_no_packets_end_the_connection_and_large_ones_are_refused() {
    let redis = Redis::start().await;
    let gateway =
        Gateway::builder().redis(&redis).env("CAMPANILE_MAX_FRAME_BYTES", "1000").start().await;
    for body in [
        "",
        "x",
        "4",
        "47",
        "2",
        "0{}",
        "3\u{1e}\u{1e}3",
        "bAAAA",
        "42[\"x\"]",
        "451-[1]",
        "\u{1e}",
    ] {
        let polling = Polling::open(&gateway).await;
        let response = polling.post(body).await;
        assert_eq!((response.status, response.json()), (400, error(3, "Bad request")), "{body:?}");
        assert_eq!(polling.get().await.text(), "1", "{body:?}");
    }
    let polling = Polling::open(&gateway).await;
    assert_eq!(polling.opening["maxPayload"], 1000);
    let binary = [("Content-Type", "application/octet-stream")];
    let response = gateway.http("POST", &polling.path("polling"), &binary, b"3").await;
    assert_eq!(response.status, 400);
    assert_eq!(polling.get().await.text(), "1");

    let polling = Polling::open(&gateway).await;
    let large = polling.post(&"3\u{1e}".repeat(501)).await;
    assert_eq!((large.status, large.text()), (413, ""));
    polling.send(&format!("{}3", "3\u{1e}".repeat(499))).await;
    assert_eq!(polling.post("1").await.status, 200);
    gateway.metric_is(CONNECTIONS, 0.0).await;

    let mut socket = engineio::opened(&gateway).await;
    socket.send_text(&"4".repeat(1001)).await;
    assert_eq!(socket.next_close().await.0, 1009);
    let mut socket = engineio::opened(&gateway).await;
    socket.send(Message::Binary(vec![4, 2].into())).await;
    assert_eq!(socket.next_close().await.0, 1003);
    gateway.metric_is(CONNECTIONS, 0.0).await;
}

#[tokio::test]
async fn a_client_that_closes_ends_its_poll_and_its_sid() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::subscribed(&gateway, "42").await;
    let (path, address) = (polling.path("polling"), gateway.addr());
    let parked = tokio::spawn(async move { http::request(address, "GET", &path, &[], b"").await });
    gateway.metric_is("campanile_users", 1.0).await;
    polling.send("41/ws,").await;
    gateway.metric_is("campanile_users", 0.0).await;
    polling.send("1").await;
    assert_eq!(parked.await.unwrap().text(), "6");
    closed_for(&gateway, "normal").await;
    let post = polling.post("3").await;
    assert_eq!((post.status, post.json()), (400, error(1, "Session ID unknown")));
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_poll_is_noticed_at_once() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::subscribed(&gateway, "42").await;
    let mut poll = TcpStream::connect(gateway.addr()).await.unwrap();
    let head = http::head(gateway.addr(), "GET", &polling.path("polling"), &[]);
    poll.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    // By then it has arrived.
    polling.send("3").await;
    polling.send("3").await;
    drop(poll);
    closed_for(&gateway, "gone").await;
    gateway.metric_is("campanile_users", 0.0).await;
}

#[tokio::test]
async fn a_refused_poller_fetches_every_last_word() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    for (token, text) in [("", "Missing token"), ("nonsense", "Invalid token")] {
        let polling = Polling::open(&gateway).await;
        polling.send(&connect("/ws", token)).await;
        assert!(polling.receive().await.starts_with("40/ws,"));
        polling.send(SUBSCRIBE).await;
        let last = polling.receive().await;
        assert_eq!(last, format!("42/ws,[\"ERROR\",\"{text}\"]\u{1e}41/ws,"));
        // A poll of its own: clients act on the end before what comes with it.
        assert_eq!(polling.receive().await, "1");
    }
    closed_for(&gateway, "token_refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_refused_in_the_middle_of_its_move_is_told_where_it_listens() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let polling = Polling::open(&gateway).await;
    polling.send(&connect("/ws", "nonsense")).await;
    assert!(polling.receive().await.starts_with("40/ws,"));
    let mut socket = polling.websocket().await.unwrap();
    socket.send_text("2probe").await;
    assert_eq!(engineio::next(&mut socket).await, "3probe");
    polling.send(SUBSCRIBE).await;
    socket.send_text("5").await;
    assert_eq!(engineio::next(&mut socket).await, r#"42/ws,["ERROR","Invalid token"]"#);
    assert_eq!(engineio::next(&mut socket).await, "41/ws,");
    assert_eq!(socket.next_close().await.0, 4001);
    drop(socket);
    closed_for(&gateway, "token_refused").await;
}

#[tokio::test]
async fn pings_go_unanswered_only_for_so_long() {
    let redis = Redis::start().await;
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_SOCKETIO_PING_INTERVAL", "500ms")
        .env("CAMPANILE_SOCKETIO_PING_TIMEOUT", "1s")
        .start()
        .await;
    let mut socket = engineio::subscribed(&gateway, "42").await;
    let polling = Polling::subscribed(&gateway, "43").await;
    for _ in 0..4 {
        assert_eq!(socket.next_text().await, "2");
        socket.send_text("3").await;
        assert_eq!(polling.receive_any().await, "2");
        polling.send("3").await;
    }
    // Nothing more is said by either.
    gateway.metric_is(CONNECTIONS, 0.0).await;
    assert_eq!(gateway.metrics().await.count(CLOSED, &[("reason", "pong_timeout")]), 2);
    assert_eq!(socket.next_text().await, "2");
}

#[tokio::test]
async fn both_namespaces_share_a_connection_and_one_user() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let mut client = engineio::subscribed(&gateway, "42").await;
    let (own, other) = (token::for_user("42"), token::for_user("43"));
    client.send_text(&format!(r#"40{{"token":"{own}"}}"#)).await;
    assert!(engineio::next(&mut client).await.starts_with("40{"));
    client.send_text(r#"421["SUBSCRIBE_NOTIFICATIONS"]"#).await;
    assert_eq!(engineio::next(&mut client).await, r#"431[{"ok":true}]"#);
    redis.publish("user:42:notifications", r#"{"id":"both"}"#).await;
    let both = [engineio::next(&mut client).await, engineio::next(&mut client).await];
    let both = both.map(|text| text.get(..5).unwrap().to_owned());
    assert_eq!(both, ["42[\"N", "42/ws"]);
    drop(client);

    let mut client = engineio::subscribed(&gateway, "42").await;
    client.send_text(&format!(r#"40{{"token":"{other}"}}"#)).await;
    assert!(engineio::next(&mut client).await.starts_with("40{"));
    client.send_text(r#"42["SUBSCRIBE_NOTIFICATIONS"]"#).await;
    assert_eq!(engineio::next(&mut client).await, r#"42["ERROR","Invalid token"]"#);
    assert_eq!(client.next_close().await.0, 4001);
}
