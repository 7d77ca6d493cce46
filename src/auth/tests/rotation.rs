//! Keys of a JWKS endpoint: how they are chosen, cached, refreshed and survive its absence.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::Verifier;
use super::super::jwks::Pace;
use super::support::{ED, KeyServer, OTHER_RSA, P256, P384, RSA, outcome, sign};
use crate::config;

/// Every unknown key id is worth a fetch.
fn eager(server: &KeyServer) -> Verifier {
    let pace = Pace { between_fetches: Duration::ZERO, ..Pace::default() };
    Verifier::with_pace(&server.auth(), pace).unwrap()
}

fn steady(server: &KeyServer) -> Verifier {
    Verifier::new(&server.auth()).unwrap()
}

#[tokio::test]
async fn keys_are_chosen_by_kid_and_loaded_once() {
    let server =
        KeyServer::start(&[RSA.jwk("r"), P256.jwk("p256"), P384.jwk("p384"), ED.jwk("ed")]);
    let verifier = steady(&server);
    for (pair, kid) in [(&RSA, "r"), (&P256, "p256"), (&P384, "p384"), (&ED, "ed")] {
        assert_eq!(outcome(&verifier, &pair.token(Some(kid))).await, "ada", "{kid}");
        assert_eq!(outcome(&verifier, &pair.token(None)).await, "ada", "{kid} unnamed");
    }
    assert_eq!(outcome(&verifier, &RSA.token(Some("p256"))).await, "token_invalid");
    assert_eq!(outcome(&verifier, &OTHER_RSA.token(Some("r"))).await, "token_invalid");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_key_is_used_only_for_what_it_declares() {
    let mut ps256 = RSA.jwk("ps256");
    ps256["alg"] = json!("PS256");
    let mut any_rsa = RSA.jwk("any");
    any_rsa.as_object_mut().unwrap().remove("alg");
    let mut encryption = P256.jwk("enc");
    encryption["use"] = json!("enc");
    let mut operations = P256.jwk("ops");
    operations["key_ops"] = json!(["deriveKey"]);
    let mut mislabelled = P384.jwk("mislabelled");
    mislabelled["alg"] = json!("ES256");
    let symmetric = json!({"kty": "oct", "kid": "oct", "k": "c2hhcmVk", "alg": "HS256"});
    let unknown = json!({"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AAAA"});
    let nonsense = json!({"kty": 7});
    let server = KeyServer::start(&[
        unknown,
        nonsense,
        symmetric,
        mislabelled,
        operations,
        encryption,
        ps256,
        any_rsa,
    ]);
    let verifier = steady(&server);
    assert_eq!(verifier.preload().await, Ok(2));

    let claims = json!({"sub": "ada"});
    let rsa = |algorithm, kid| sign(&RSA.private, algorithm, Some(kid), &claims);
    let shared = EncodingKey::from_secret(b"shared");
    for (what, token, expected) in [
        ("PS256 with the PS256 key", rsa(Algorithm::PS256, "ps256"), "ada"),
        ("RS256 with the PS256 key", rsa(Algorithm::RS256, "ps256"), "token_invalid"),
        ("RS512 with a key of any alg", rsa(Algorithm::RS512, "any"), "ada"),
        ("an encryption key", P256.token(Some("enc")), "token_invalid"),
        ("a key for other operations", P256.token(Some("ops")), "token_invalid"),
        ("a key whose alg is not its curve's", P384.token(Some("mislabelled")), "token_invalid"),
        ("a symmetric key", sign(&shared, Algorithm::HS256, Some("oct"), &claims), "token_invalid"),
    ] {
        assert_eq!(outcome(&verifier, &token).await, expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_key_ids_cause_one_fetch() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let verifier = steady(&server);
    let mut storm = JoinSet::new();
    for attempt in 0..1000 {
        let verifier = verifier.clone();
        let token = P384.token(Some(&format!("made-up-{attempt}")));
        storm.spawn(async move { outcome(&verifier, &token).await });
    }
    assert!(storm.join_all().await.iter().all(|it| it == "token_invalid"));
    assert_eq!(server.requests(), 1);
    assert_eq!(outcome(&verifier, &P256.token(Some("known"))).await, "ada");
    assert_eq!(server.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_verifications_share_one_fetch() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let verifier = steady(&server);
    let mut first = JoinSet::new();
    for _ in 0..100 {
        let verifier = verifier.clone();
        first.spawn(async move { outcome(&verifier, &P256.token(Some("known"))).await });
    }
    assert!(first.join_all().await.iter().all(|it| it == "ada"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_verification_that_is_given_up_leaves_its_fetch_to_the_next() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let verifier = steady(&server);
    let token = P256.token(Some("known"));
    tokio::select! {
        biased;
        early = verifier.verify(&token) => panic!("no keys were there yet: {early:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(outcome(&verifier, &token).await, "ada");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_rotation_is_picked_up_at_the_first_token_of_the_new_key() {
    let server = KeyServer::start(&[P256.jwk("old")]);
    let verifier = eager(&server);
    assert_eq!(outcome(&verifier, &P256.token(Some("old"))).await, "ada");

    server.serve(&[P384.jwk("new")]);
    assert_eq!(outcome(&verifier, &P256.token(Some("old"))).await, "ada");
    assert_eq!(outcome(&verifier, &P384.token(Some("new"))).await, "ada");
    assert_eq!(outcome(&verifier, &P256.token(Some("old"))).await, "token_invalid");

    server.serve(&[ED.jwk("newer")]);
    assert_eq!(outcome(&verifier, &ED.token(None)).await, "ada");
}

#[tokio::test]
async fn without_any_keys_the_answer_is_to_come_back_later() {
    let server = KeyServer::start(&[]);
    server.answer(503, "hush".into());
    let verifier = eager(&server);
    let token = P256.token(Some("known"));
    assert_eq!(outcome(&verifier, &token).await, "keys_unavailable");
    server.serve(&[P256.jwk("known")]);
    assert_eq!(outcome(&verifier, &token).await, "ada");
}

#[tokio::test]
async fn a_failed_fetch_is_not_repeated_at_once() {
    let server = KeyServer::start(&[]);
    server.answer(503, String::new());
    let verifier = steady(&server);
    for _ in 0..5 {
        assert_eq!(outcome(&verifier, &P256.token(Some("known"))).await, "keys_unavailable");
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_keys() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let verifier = eager(&server);
    assert_eq!(verifier.preload().await, Ok(1));
    for (status, body) in [
        (503, String::new()),
        (200, "<html>".into()),
        (200, r#"{"keys":[]}"#.into()),
        (200, " ".repeat(300 * 1024)),
    ] {
        server.answer(status, body);
        assert_eq!(outcome(&verifier, &P384.token(Some("unknown"))).await, "token_invalid");
        assert_eq!(outcome(&verifier, &P256.token(Some("known"))).await, "ada");
    }
    assert_eq!(server.requests(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_keys_are_refreshed_behind_a_verification() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let pace = Pace { between_fetches: Duration::ZERO, max_age: Duration::ZERO };
    let verifier = Verifier::with_pace(&server.auth(), pace).unwrap();
    assert_eq!(verifier.preload().await, Ok(1));
    server.answer(503, String::new());
    assert_eq!(outcome(&verifier, &P256.token(Some("known"))).await, "ada");
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.requests() < 2 {
        assert!(Instant::now() < deadline, "nothing was fetched");
        tokio::task::yield_now().await;
    }
    assert_eq!(outcome(&verifier, &P256.token(Some("known"))).await, "ada");
}

#[tokio::test]
async fn preload_tells_what_is_wrong_without_the_url() {
    let server = KeyServer::start(&[]);
    let verifier = steady(&server);
    for (status, body, expected) in [
        (404, String::new(), "the JWKS endpoint answered 404"),
        (200, "hush".into(), "did not answer with a JSON Web Key Set"),
        (200, r#"{"keys":{}}"#.into(), "did not answer with a JSON Web Key Set"),
        (200, r#"{"keys":[{"kty":"oct","k":"aHVzaA"}]}"#.into(), "none of the 1 keys"),
        (200, "x".repeat(300 * 1024), "larger than 262144 bytes"),
    ] {
        server.answer(status, body);
        let text = verifier.preload().await.unwrap_err();
        assert!(text.contains(expected) && !text.contains("hush"), "{text}");
    }

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let auth =
        config::Auth { jwks_url: Some(format!("http://{closed}/hush")), ..config::Auth::default() };
    let text = Verifier::new(&auth).unwrap().preload().await.unwrap_err();
    assert!(text.contains("endpoint failed: ") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn https_fails_as_tls_where_the_endpoint_speaks_none() {
    let server = KeyServer::start(&[P256.jwk("known")]);
    let auth = config::Auth {
        jwks_url: Some(server.url.replace("http://", "https://")),
        ..config::Auth::default()
    };
    let text = Verifier::new(&auth).unwrap().preload().await.unwrap_err();
    assert!(text.contains("InvalidContentType") && !text.contains("hush"), "{text}");
}
