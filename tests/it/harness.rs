//! The harness itself: what the other tests rely on without looking.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redis::{AsyncCommands, RedisResult};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::gateway::Gateway;
use crate::support::handshake::{Connect, TokenIn};
use crate::support::metrics::Metrics;
use crate::support::process::Process;
use crate::support::proxy::Proxy;
use crate::support::rabbit::Rabbit;
use crate::support::raw::{self, Frame};
use crate::support::redis::Redis;
use crate::support::swarm::Swarm;
use crate::support::wait::{PATIENCE, eventually};
use crate::support::{http, seed};

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_redis_answers_until_its_owner_is_dropped() {
    let redis = Redis::start().await;
    assert_eq!(redis.cli(&["PING"]).await, "PONG");
    assert_eq!(redis.publish("user:42:notifications", "{}").await, 0);
    let pid = redis.pid();
    assert!(runs(pid));
    drop(redis);
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_panicking_test_leaves_no_redis_behind() {
    let (sender, pid) = std::sync::mpsc::channel();
    let test = tokio::spawn(async move {
        let redis = Redis::start().await;
        redis.pause();
        sender.send(redis.pid()).unwrap();
        panic!("as a failing assertion would");
    });
    assert!(test.await.unwrap_err().is_panic());
    assert!(!runs(pid.recv().unwrap()));
}

#[tokio::test]
async fn a_killed_redis_with_aof_comes_back_on_its_port_with_its_data() {
    let redis = Redis::builder().aof().start().await;
    let address = redis.address();
    let _: () = redis.connection().await.set("kept", "yes").await.unwrap();
    redis.kill();
    assert!(TcpStream::connect(address).await.is_err());
    redis.restart().await;
    assert_eq!(redis.address(), address);
    assert_eq!(redis.cli(&["GET", "kept"]).await, "yes");
    redis.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    redis.restart().await;
    assert_eq!(redis.cli(&["GET", "kept"]).await, "yes");
}

#[tokio::test]
async fn a_killed_rabbitmq_comes_back_with_what_is_durable_and_leaves_nothing_behind() {
    let rabbit = Rabbit::start().await;
    let publisher = rabbit.publisher().await;
    publisher.declare("kept", lapin::types::FieldTable::default()).await;
    publisher.publish("kept", "yes").await;
    let address = rabbit.address();
    rabbit.kill();
    assert!(TcpStream::connect(address).await.is_err());
    rabbit.restart().await;
    assert_eq!(rabbit.publisher().await.take("kept").await.data, b"yes");
    let pids = [rabbit.pid(), rabbit.mapper_pid()];
    assert!(pids.iter().all(|pid| runs(*pid)));
    drop(rabbit);
    assert!(!pids.iter().any(|pid| runs(*pid)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_tls_redis_is_reached_with_its_authority_only() {
    for (redis, client_certificate) in [
        (Redis::builder().tls().start().await, false),
        (Redis::builder().mutual_tls().start().await, true),
    ] {
        assert!(redis.url().starts_with("rediss://127.0.0.1:"), "{}", redis.url());
        assert_eq!(redis.wants_client_certificate(), client_certificate);
        assert_eq!(redis.cli(&["PING"]).await, "PONG");
        let strangers = redis::Client::open(redis.url()).unwrap();
        assert!(strangers.get_multiplexed_async_connection().await.is_err());
    }
}

#[tokio::test]
async fn a_redis_with_users_gives_clients_their_rules_and_the_harness_all() {
    let redis = Redis::builder().user("bell", "ding", "~campanile:* &* +@all").start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let allowed: RedisResult<()> = connection.set("campanile:a", 1).await;
    assert!(allowed.is_ok(), "{allowed:?}");
    let denied: RedisResult<()> = connection.set("other", 1).await;
    assert!(denied.unwrap_err().to_string().contains("permission"));
    assert_eq!(redis.cli(&["SET", "other", "1"]).await, "OK");

    let nobody = redis::Client::open(format!("redis://{}", redis.address())).unwrap();
    let mut connection = nobody.get_multiplexed_async_connection().await.unwrap();
    let denied: RedisResult<()> = redis::cmd("PING").query_async(&mut connection).await;
    assert!(denied.is_err());
}

#[tokio::test]
async fn a_redis_with_a_password_wants_it_from_clients() {
    let redis = Redis::builder().password("ding").start().await;
    assert_eq!(redis.url(), format!("redis://default:ding@{}/0", redis.address()));
    let client = redis::Client::open(redis.url()).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_ok());
    assert_eq!(redis.cli(&["PING"]).await, "PONG");
}

#[tokio::test]
async fn a_paused_redis_answers_once_it_is_resumed() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    redis.pause();
    let waiting =
        tokio::spawn(
            async move { redis::cmd("PING").query_async::<String>(&mut connection).await },
        );
    let mut probe = TcpStream::connect(redis.address()).await.unwrap();
    probe.write_all(b"PING\r\n").await.unwrap();
    let silence = timeout(Duration::from_millis(200), probe.read_u8()).await;
    assert!(silence.is_err() && !waiting.is_finished());
    redis.resume();
    assert_eq!(waiting.await.unwrap().unwrap(), "PONG");
}

#[tokio::test]
async fn subscribers_can_be_seen_and_killed() {
    let redis = Redis::start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut subscriber = client.get_async_pubsub().await.unwrap();
    subscriber.subscribe(&["user:b:notifications", "user:a:notifications"]).await.unwrap();
    let channels = redis.pubsub_channels("user:*").await;
    assert_eq!(channels, ["user:a:notifications", "user:b:notifications"]);
    assert_eq!(redis.publish("user:a:notifications", "hello").await, 1);
    assert_eq!(redis.client_kill_pubsub().await, 1);
    eventually("the subscriptions are gone", PATIENCE, async || {
        redis.pubsub_channels("*").await.is_empty()
    })
    .await;
}

/// Inline commands are the shortest way to see what a proxy lets through.
async fn ping(stream: &mut TcpStream) -> std::io::Result<[u8; 7]> {
    let mut answer = [0; 7];
    stream.write_all(b"PING\r\n").await?;
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_cut_proxy_closes_and_refuses_until_it_is_restored() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(&ping(&mut stream).await.unwrap(), b"+PONG\r\n");
    proxy.cut().await;
    assert!(timeout(PATIENCE, ping(&mut stream)).await.unwrap().is_err());
    assert!(TcpStream::connect(proxy.address()).await.is_err());
    proxy.restore().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(&ping(&mut stream).await.unwrap(), b"+PONG\r\n");
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_stalled_proxy_swallows_and_what_it_stalled_stays_dead() {
    let silence = Duration::from_millis(200);
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let mut before = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(&ping(&mut before).await.unwrap(), b"+PONG\r\n");
    proxy.stall();
    let mut during = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(timeout(silence, ping(&mut before)).await.is_err());
    assert!(timeout(silence, ping(&mut during)).await.is_err());
    redis.kill();
    redis.restart().await;
    proxy.restore().await;
    assert!(timeout(silence, ping(&mut before)).await.is_err());
    assert!(timeout(silence, ping(&mut during)).await.is_err());
    let mut after = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(&ping(&mut after).await.unwrap(), b"+PONG\r\n");
}

#[tokio::test]
async fn a_delaying_proxy_delays_each_direction() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    proxy.delay(Duration::from_millis(100));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(&ping(&mut stream).await.unwrap(), b"+PONG\r\n");
    assert!(asked.elapsed() >= Duration::from_millis(200), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_gateway_that_ends_at_once_is_an_answer_and_not_a_wait() {
    let asked = std::time::Instant::now();
    let started = Gateway::builder().args(&["serve", "--no-such-flag"]).try_start().await;
    assert!(started.is_err());
    assert!(asked.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_process_that_ended_left_its_status_and_both_outputs() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo said; echo complained >&2; exit 3"]);
    let output = Process::run(&mut command, PATIENCE).await;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("said\n", "complained\n"));
}

/// A WebSocket server that echoes text, and closes with 4008 on `bye`.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message == Message::text("bye") {
                        let frame = CloseFrame { code: 4008.into(), reason: "too slow".into() };
                        socket.close(Some(frame)).await.unwrap();
                    } else if message.is_text() {
                        socket.send(Message::Ping("".into())).await.unwrap();
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_reads_past_pings_and_tells_how_it_was_closed() {
    let mut client = Connect::to_address(echo().await, "/ws").await.unwrap();
    client.send_json(&json!({ "type": "noise" })).await;
    client.send_json(&json!({ "type": "pong", "ref": 7 })).await;
    assert_eq!(client.next_of("pong").await, json!({ "type": "pong", "ref": 7 }));
    assert_eq!(client.pings(), 2);
    client.expect_silence(Duration::from_millis(50)).await;
    client.send_text("bye").await;
    assert_eq!(client.next_close().await, (4008, "too slow".to_owned()));
}

#[tokio::test]
async fn a_raw_client_sends_and_reads_frames_of_every_length() {
    let mut client = Connect::to_address(echo().await, "/ws").raw().await.unwrap();
    for length in [0, 125, 126, 65_535, 65_536] {
        let payload = vec![b'x'; length];
        client.write(&raw::frame(raw::TEXT, &payload)).await.unwrap();
        assert_eq!(client.next_frame().await.unwrap().opcode, raw::PING);
        let echoed = Frame { opcode: raw::TEXT, fin: true, payload };
        assert_eq!(client.next_frame().await.unwrap(), echoed);
    }
    client.write(&raw::frame(raw::TEXT, b"bye")).await.unwrap();
    assert_eq!(client.next_close().await, (4008, "too slow".to_owned()));
    assert_eq!(raw::frame_header(raw::TEXT, 1 << 40)[1..10], [0xFF, 0, 0, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_swarm_knows_what_each_socket_got_and_how_it_ended() {
    let address = echo().await;
    let swarm = Swarm::open(50, |_| Connect::to_address(address, "/ws")).await;
    assert_eq!((swarm.len(), swarm.open_count()), (50, 50));
    assert_eq!(swarm.counts(), vec![0; 50]);
    swarm.every_socket_has(0, PATIENCE).await;
    swarm.send_each("one");
    swarm.every_socket_has(1, PATIENCE).await;
    assert_eq!(swarm.frames(49)[0].text.as_str(), "one");
    swarm.send_each("bye");
    swarm.every_socket_is_closed(PATIENCE).await;
    assert_eq!(swarm.closes(), vec![(4008, "too slow".to_owned()); 50]);
}

/// A server that keeps the request it got and gives this answer.
async fn answering(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut request).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, request)
}

#[tokio::test]
async fn a_refused_handshake_shows_where_the_token_was_and_the_whole_answer() {
    const ANSWER: &str =
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\n{}";
    let cookie = TokenIn::Cookie("session".into());
    for (place, expected) in [
        (TokenIn::Header, "Authorization: Bearer T\r\n"),
        (TokenIn::Query, "GET /ws?a=1&token=T HTTP/1.1\r\n"),
        (TokenIn::Protocol, "Sec-WebSocket-Protocol: campanile.v1, bearer.T\r\n"),
        (cookie, "Cookie: session=T\r\n"),
        (TokenIn::Nowhere, "GET /ws?a=1 HTTP/1.1\r\n"),
    ] {
        let (address, request) = answering(ANSWER).await;
        let handshake = Connect::to_address(address, "/ws?a=1").protocol("campanile.v1");
        let refused = handshake.token("T").token_in(place).await.err().unwrap();
        let request = request.await.unwrap();
        assert!(request.contains(expected), "{expected} in {request}");
        assert_eq!((refused.status, refused.json()), (401, json!({})));
        assert_eq!(refused.header("retry-after"), Some("3"));
    }
}

#[tokio::test]
async fn the_http_client_reads_bodies_of_every_framing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let (address, _) = answering(answer).await;
        let response = http::request(address, "GET", "/", &[("X-A", "b")], b"").await;
        assert_eq!((response.status, response.text()), (200, "hello"));
    }
}

#[test]
fn a_scrape_sums_the_samples_that_carry_the_labels() {
    let metrics = Metrics::parse(
        "# HELP closed Sockets closed.\nclosed{dialect=\"bare\",reason=\"slow, very\"} 2\n\
         closed{dialect=\"bare\",reason=\"normal\"} 3\nup 1\n",
    );
    for (name, labels, value) in [
        ("closed", &[][..], 5.0),
        ("closed", &[("reason", "slow, very")], 2.0),
        ("closed", &[("dialect", "bare"), ("reason", "normal")], 3.0),
        ("closed", &[("reason", "idle")], 0.0),
        ("up", &[], 1.0),
    ] {
        let found = metrics.value(name, labels);
        assert!((found - value).abs() < f64::EPSILON, "{name}{labels:?} is {found}");
    }
    assert_eq!(metrics.names(), ["closed", "up"]);
    assert!(!metrics.has("down", &[]));
}

#[test]
fn a_seed_from_the_environment_replays_the_same_numbers() {
    let replayed = || seed::with(Some("7".as_ref())).u64(..);
    assert_eq!(replayed(), replayed());
    assert_ne!(seed::with(None).u64(..), seed::with(None).u64(..));
}
