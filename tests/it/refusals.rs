//! Who is let in, who is not, and what they are told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::gateway::{Builder, Gateway};
use crate::support::handshake::{Connect, TokenIn};
use crate::support::keys::{Endpoint, Pair};
use crate::support::raw::{self, frame};
use crate::support::refusal::{REJECTED, assert_counted, assert_refusal, let_in, refused};
use crate::support::token::{self, seconds_from_now};
use crate::support::wait::{PATIENCE, eventually};

const SECRETS: [&str; 2] =
    ["the-newer-secret-of-thirty-two-bytes", "the-older-secret-of-32-bytes-too"];

const KEY: &str = "a-publish-key-of-the-refusals";

/// Neither these texts nor the signatures of those that are tokens are in the log of a gateway
/// that logs at debug and has [`KEY`].
async fn assert_unlogged(gateway: &Gateway, secrets: &[String]) {
    let key: &[_] = &[("Authorization", &*format!("Bearer {KEY}"))];
    let answer = gateway.http("POST", "/api/publish", key, br#"{"broadcast":true}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The only event at debug so far: all that came before it has been read too.
    let mut log = String::new();
    eventually("the log has caught up", PATIENCE, async || {
        log = gateway.stderr_so_far();
        log.contains("DEBUG")
    })
    .await;
    let secrets = secrets.iter().map(String::as_str).chain([KEY]);
    for secret in secrets {
        let signature = secret.rsplit('.').next().filter(|part| part.len() > 8);
        for text in [Some(secret), signature].into_iter().flatten() {
            assert!(!log.contains(text), "{text} is in the log:\n{log}");
        }
    }
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "ada", "exp": seconds_from_now(3600), "iss": "login", "aud": ["web", "app"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn strict() -> Builder {
    Gateway::builder()
        .env("CAMPANILE_JWT_SECRET", &SECRETS.join(","))
        .env("CAMPANILE_JWT_ISSUER", "login")
        .env("CAMPANILE_JWT_AUDIENCE", "app")
        .env("CAMPANILE_TOKEN_COOKIE", "session")
        .env("CAMPANILE_LOG", "debug")
        .env("CAMPANILE_PUBLISH_KEYS", KEY)
}

/// What is wrong with each of these tokens, and the code of it.
fn bad_tokens() -> [(&'static str, String, &'static str); 13] {
    let good = token::hs256(&claims(&json!({})), SECRETS[0]);
    let bad = |changes: Value| token::hs256(&claims(&changes), SECRETS[0]);
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims(&json!({})).to_string()),
    );
    let (payload, _) = good.rsplit_once('.').unwrap();
    let other_signature = format!("{payload}.{}", none.split('.').next().unwrap());
    let rsa = Pair::rsa().token("ada", None);
    let wrong_secret = token::hs256(&claims(&json!({})), "another-secret-of-another-service");
    [
        ("garbage", "garbage-that-is-no-token".to_owned(), "token_invalid"),
        ("three dots of garbage", "garbage.garbage.garbagegarbage".to_owned(), "token_invalid"),
        ("wrong secret", wrong_secret, "token_invalid"),
        ("wrong signature", other_signature, "token_invalid"),
        ("alg none", none, "token_invalid"),
        ("a key nobody configured", rsa, "token_invalid"),
        ("expired", bad(json!({ "exp": seconds_from_now(-60) })), "token_expired"),
        ("not yet valid", bad(json!({ "nbf": seconds_from_now(60) })), "token_not_yet_valid"),
        ("wrong issuer", bad(json!({ "iss": "elsewhere" })), "token_invalid"),
        ("no issuer", bad(json!({ "iss": null })), "token_invalid"),
        ("wrong audience", bad(json!({ "aud": "other" })), "token_invalid"),
        ("no user", bad(json!({ "sub": null })), "token_invalid"),
        ("a user that is none", bad(json!({ "sub": "a\u{7}b" })), "token_invalid"),
    ]
}

#[tokio::test]
async fn a_handshake_that_may_not_pass_gets_its_status_and_code_and_is_counted() {
    let gateway = strict().start().await;
    let good = token::hs256(&claims(&json!({})), SECRETS[0]);
    let mut counts = BTreeMap::<&str, u32>::new();
    let mut secrets = vec![good.clone(), SECRETS[0].into(), SECRETS[1].into()];
    for (name, token, code) in bad_tokens() {
        for place in [TokenIn::Header, TokenIn::Query] {
            let handshake = Connect::to(&gateway, "/ws/notifications").token(&token);
            let answer = refused(name, handshake.token_in(place), 401, code).await;
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name}");
            *counts.entry(code).or_default() += 1;
        }
        secrets.push(token);
    }
    let to = |path| Connect::to(&gateway, path);
    let own = format!("http://{}", gateway.addr());
    let cookie = || to("/ws").token(&good).token_in(TokenIn::Cookie("session".into()));
    for (name, handshake, status, code) in [
        ("no token", to("/ws"), 401, "token_missing"),
        ("no token, bare", to("/api/ws"), 401, "token_missing"),
        (
            "foreign origin",
            to("/ws").token(&good).header("Origin", "https://evil.example"),
            403,
            "origin_not_allowed",
        ),
        (
            "opaque origin",
            to("/ws").token(&good).header("Origin", "null"),
            403,
            "origin_not_allowed",
        ),
        ("cookie without origin", cookie(), 403, "origin_required"),
        (
            "cookie of a foreign origin",
            cookie().header("Origin", "https://evil.example"),
            403,
            "origin_not_allowed",
        ),
        (
            "other cookie",
            to("/ws").token(&good).token_in(TokenIn::Cookie("other".into())).header("Origin", &own),
            401,
            "token_missing",
        ),
        (
            "bearer as the only protocol",
            to("/ws").token(&good).token_in(TokenIn::Protocol),
            401,
            "token_missing",
        ),
        ("unknown path", to("/nowhere").token(&good), 404, "not_found"),
        (
            "old version",
            to("/ws").token(&good).header("Sec-WebSocket-Version", "8"),
            426,
            "upgrade_required",
        ),
        ("no key", to("/ws").token(&good).header("Sec-WebSocket-Key", ""), 426, "upgrade_required"),
    ] {
        let answer = refused(name, handshake, status, code).await;
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{name}");
        }
        *counts.entry(code).or_default() += 1;
    }
    for path in ["/ws", "/ws/notifications", "/api/ws"] {
        let h2c: &[_] = &[("Connection", "Upgrade"), ("Upgrade", "h2c")];
        for headers in [&[], h2c] {
            let answer = gateway.http("GET", path, headers, b"").await;
            assert_refusal(path, &answer, 426, "upgrade_required");
            assert_eq!(answer.header("upgrade"), Some("websocket"));
            *counts.entry("upgrade_required").or_default() += 1;
        }
    }
    assert_refusal("GET", &gateway.http("GET", "/nowhere", &[], b"").await, 404, "not_found");
    assert_counted(&gateway, &counts).await;
    let_in("the same with nothing wrong", cookie().header("Origin", &own)).await;
    assert_unlogged(&gateway, &secrets).await;
}

#[tokio::test]
async fn every_carrier_of_a_token_is_accepted_where_it_belongs_and_never_logged() {
    let gateway = strict().start().await;
    let origin = format!("http://{}", gateway.addr());
    let mut secrets = SECRETS.map(str::to_owned).to_vec();
    let cookie = TokenIn::Cookie("session".into());
    for path in ["/ws", "/ws/notifications", "/api/ws"] {
        for place in [TokenIn::Header, TokenIn::Query, TokenIn::Protocol, cookie.clone()] {
            for secret in SECRETS {
                let token = token::hs256(&claims(&json!({})), secret);
                let handshake = Connect::to(&gateway, path).token(&token).token_in(place.clone());
                let handshake = match place {
                    TokenIn::Protocol => handshake.protocol("campanile.v1"),
                    TokenIn::Cookie(_) => handshake.header("Origin", &origin),
                    _ => handshake,
                };
                let client = let_in(&format!("{path} {place:?}"), handshake).await;
                let protocol = (place == TokenIn::Protocol).then_some("campanile.v1");
                assert_eq!(client.protocol(), protocol, "{path} {place:?}");
                client.close().await;
                secrets.push(token);
            }
        }
    }
    for path in ["/ws", "/ws/notifications"] {
        let token = token::hs256(&claims(&json!({})), SECRETS[1]);
        let handshake = Connect::to(&gateway, path).token(&token).protocol("campanile.v1");
        let mut client = let_in(path, handshake.token_in(TokenIn::FirstFrame)).await;
        assert_eq!(client.next_of("connected").await["data"]["user_id"], "ada");
        client.close().await;
        secrets.push(token);
    }
    assert_counted(&gateway, &BTreeMap::new()).await;
    assert_unlogged(&gateway, &secrets).await;
}

#[tokio::test]
async fn a_query_token_that_is_switched_off_is_no_token() {
    let gateway = Gateway::builder().env("CAMPANILE_QUERY_TOKEN", "false").start().await;
    let to = || Connect::to(&gateway, "/ws").user("ada");
    refused("query", to().token_in(TokenIn::Query), 401, "token_missing").await;
    let_in("header", to()).await;
}

#[tokio::test]
async fn a_first_frame_authenticates_or_is_told_why_not() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_LOG", "debug")
        .env("CAMPANILE_PUBLISH_KEYS", KEY)
        .start()
        .await;
    let open = || async {
        let handshake = Connect::to(&gateway, "/ws").protocol("campanile.v1");
        handshake.raw().await.unwrap_or_else(|it| panic!("{}", it.text()))
    };
    let json_of = |frame: raw::Frame| serde_json::from_slice::<Value>(&frame.payload).unwrap();
    let auth = |token: &str| {
        frame(raw::TEXT, json!({ "type": "auth", "token": token }).to_string().as_bytes())
    };
    let mut silent = open().await;
    let asked = Instant::now();

    let good = token::for_user("ada");
    let mut eager = open().await;
    let early = [
        frame(raw::PING, b"early"),
        auth(&good),
        frame(raw::TEXT, br#"{"type":"ping","ref":1}"#),
        frame(raw::TEXT, br#"{"type":"ping","ref":2}"#),
    ];
    // In two pieces, the first of which ends within the first frame.
    let early = early.concat();
    eager.write(&early[..20]).await.unwrap();
    eager.write(&early[20..]).await.unwrap();
    assert_eq!(json_of(eager.next_frame().await.unwrap())["type"], "connected");
    for reference in [1, 2] {
        let pong = json_of(eager.next_frame().await.unwrap());
        assert_eq!(pong, json!({ "type": "pong", "ref": reference }));
    }

    let expired = token::hs256(&json!({ "sub": "ada", "exp": 1 }), token::SECRET);
    let mut counts = BTreeMap::<&str, u32>::new();
    for (name, first, code) in [
        ("bad token", auth("x.y.zzzzzzzzzzzz"), "token_invalid"),
        ("expired token", auth(&expired), "token_expired"),
        ("another command", frame(raw::TEXT, br#"{"type":"ping"}"#), "token_missing"),
        ("garbage", frame(raw::TEXT, b"garbage"), "token_missing"),
    ] {
        let mut client = open().await;
        client.write(&first).await.unwrap();
        let error = json_of(client.next_frame().await.unwrap());
        assert_eq!(
            (&error["type"], &error["data"]["code"]),
            (&json!("error"), &json!(code)),
            "{name}"
        );
        assert_eq!(client.next_close().await, (4001, code.to_owned()), "{name}");
        *counts.entry(code).or_default() += 1;
    }
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &raw::frame_header(raw::TEXT, 1 << 40)] {
        let mut client = open().await;
        client.write(bytes).await.unwrap();
        client.read_to_end().await;
        *counts.entry("token_missing").or_default() += 1;
    }

    let error = json_of(silent.next_frame().await.unwrap());
    assert_eq!(error["data"]["code"], "token_missing");
    assert_eq!(silent.next_close().await.0, 4001);
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_secs(5), "closed after {waited:?}");
    *counts.entry("token_missing").or_default() += 1;
    eventually("the silent one is counted", PATIENCE, async || {
        let metrics = gateway.metrics().await;
        (metrics.value(REJECTED, &[]) - f64::from(counts.values().sum::<u32>())).abs() < 0.5
    })
    .await;
    assert_counted(&gateway, &counts).await;
    let log = gateway.stderr_so_far();
    let lines = log.lines().filter(|line| line.contains("connection refused")).count();
    assert_eq!(lines, counts.values().sum::<u32>() as usize, "{log}");
    assert_unlogged(&gateway, &[good, expired, "x.y.zzzzzzzzzzzz".into(), token::SECRET.into()])
        .await;
}

#[tokio::test]
async fn public_keys_verify_their_own_algorithms_and_are_no_secrets() {
    let pairs = [Pair::rsa(), Pair::p256(), Pair::ed25519()];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.pem");
    std::fs::write(&file, pairs.each_ref().map(|pair| pair.public_pem.clone()).concat()).unwrap();
    let gateway = Gateway::builder()
        .without("CAMPANILE_JWT_SECRET")
        .env("CAMPANILE_JWT_PUBLIC_KEY_FILE", &file.to_string_lossy())
        .start()
        .await;
    let to = |token: String| Connect::to(&gateway, "/ws").token(token);
    for pair in &pairs {
        let name = format!("{:?}", pair.algorithm);
        let_in(&name, to(pair.token("ada", None))).await;
        let_in(&name, to(pair.token("ada", Some("unknown to a file")))).await;
        let confused =
            token::hs256(&json!({ "sub": "ada", "exp": seconds_from_now(3600) }), &pair.public_pem);
        refused(&name, to(confused), 401, "token_invalid").await;
    }
    refused("a stranger's key", to(Pair::p256().token("ada", None)), 401, "token_invalid").await;
}

#[tokio::test]
async fn keys_of_an_endpoint_verify_tokens_and_are_fetched_once() {
    let pairs = [("r", Pair::rsa()), ("e", Pair::p256()), ("d", Pair::ed25519())];
    let keys: Vec<_> = pairs.iter().map(|(kid, pair)| pair.jwk(kid)).collect();
    let endpoint = Endpoint::start(&keys).await;
    let gateway = Gateway::builder()
        .without("CAMPANILE_JWT_SECRET")
        .env("CAMPANILE_JWKS_URL", &endpoint.url)
        .start()
        .await;
    let to = |token: String| Connect::to(&gateway, "/ws").token(token);
    for (kid, pair) in &pairs {
        let_in(kid, to(pair.token("ada", Some(kid)))).await;
    }
    refused("another's key id", to(pairs[0].1.token("ada", Some("e"))), 401, "token_invalid").await;
    for _ in 0..3 {
        let stranger = Pair::p256().token("ada", Some("unknown"));
        refused("an unknown key id", to(stranger), 401, "token_invalid").await;
    }
    assert!(endpoint.requests() <= 2, "{} requests", endpoint.requests());
}
