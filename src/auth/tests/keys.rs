//! What verifies: every family of algorithms, from secrets and from PEM files.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::super::{SetupError, Verifier, mint};
use super::support::{ED, P256, P384, RSA, in_an_hour, outcome, pem_verifier, sign};
use crate::config::{self, Secret};
use crate::notification::UserId;

fn secrets(secrets: &[&str]) -> config::Auth {
    config::Auth {
        secrets: secrets.iter().copied().map(Secret::new).collect(),
        ..config::Auth::default()
    }
}

#[tokio::test]
async fn every_secret_of_a_rotation_verifies_every_hmac_algorithm() {
    let verifier = Verifier::new(&secrets(&["new-secret", "old-secret"])).unwrap();
    for secret in ["new-secret", "old-secret"] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token = sign(&key, algorithm, Some("any"), &json!({"sub": "ada"}));
            assert_eq!(outcome(&verifier, &token).await, "ada", "{secret} {algorithm:?}");
        }
    }
    let gone = EncodingKey::from_secret(b"older-secret");
    let token = sign(&gone, Algorithm::HS256, None, &json!({"sub": "ada"}));
    assert_eq!(outcome(&verifier, &token).await, "token_invalid");
}

#[tokio::test]
async fn one_pem_file_holds_keys_of_every_family() {
    let pems = [&RSA, &P256, &P384, &ED].map(|pair| pair.public_pem.as_str());
    let verifier = pem_verifier(&pems);
    let claims = json!({"userId": 42, "exp": in_an_hour()});
    for (pair, algorithms) in [
        (
            &RSA,
            &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ][..],
        ),
        (&P256, &[Algorithm::ES256]),
        (&P384, &[Algorithm::ES384]),
        (&ED, &[Algorithm::EdDSA]),
    ] {
        for algorithm in algorithms {
            let token = sign(&pair.private, *algorithm, None, &claims);
            assert_eq!(outcome(&verifier, &token).await, "42", "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_minted_token_verifies_under_its_own_configuration() {
    let user = UserId::new("ada").unwrap();
    let plain = secrets(&["first", "second"]);
    let strict = config::Auth {
        issuer: Some("https://id.example".into()),
        audience: Some("bell".into()),
        user_claim: Some("uid".into()),
        ..secrets(&["first"])
    };
    for auth in [&plain, &strict] {
        let token = mint(auth, &user, Duration::from_hours(1)).unwrap();
        let identity = Verifier::new(auth).unwrap().verify(&token).await.unwrap();
        assert_eq!(identity.user, user);
        assert!(identity.expires_at.is_some());
    }
    let token = mint(&plain, &user, Duration::ZERO).unwrap();
    assert_eq!(outcome(&Verifier::new(&plain).unwrap(), &token).await, "token_expired");
    assert!(mint(&config::Auth::default(), &user, Duration::from_secs(1)).is_err());
}

const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC1S6rLo0LFWIO7SxxGMOvaaXU2
NjRZg+QM2/3MvcQzHBLIJSQ/DoIdybcRAjUlQRSJu1bMoTUgj3PnYmPaS1Ro2NkI
4k4hQQR135U6WDzdEINSjg6+Fm1H3CY4/wug7Hs/YMexQeLXlNdTtxi6jzHLQscH
cqVbp7JwDHhj0aNO3wIDAQAB
-----END PUBLIC KEY-----
";

const SECP256K1: &str = "-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEZvFfh9536sqc7XVukc5/sK4GmlTUW/37
qP5UA8+BNXioHO7K2id3qLfE4qIPr2SRuBVoLC9uY7T0DWTkIazyUg==
-----END PUBLIC KEY-----
";

#[test]
fn an_unusable_key_file_is_refused_with_the_reason_and_without_its_content() {
    let body = |pem: &str| pem.lines().nth(1).unwrap_or_default().to_owned();
    let certificate = RSA.public_pem.replace("PUBLIC KEY", "CERTIFICATE");
    let second = format!("{}{}", P256.public_pem, RSA.private_pem);
    let broken = P256.public_pem.replace("MFkw", "AAAA");
    for (content, expected) in [
        ("", "holds no PEM section"),
        ("just text", "holds no PEM section"),
        (&RSA.private_pem, "section 1: it is a private key"),
        (&second, "section 2: it is a private key"),
        (&certificate, "it is a certificate"),
        (RSA_1024, "2048 to 8192 bits"),
        (SECP256K1, "neither P-256 nor P-384"),
        (&broken, "not the public key of"),
        ("-----BEGIN PUBLIC KEY-----\n", "not the public key of"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let auth =
            config::Auth { public_key_file: Some(file.path().into()), ..config::Auth::default() };
        let text = Verifier::new(&auth).err().unwrap().to_string();
        assert!(text.contains(expected), "{text}");
        let secret = body(content);
        assert!(secret.is_empty() || !text.contains(&secret), "{text}");
    }
}

#[test]
fn a_configuration_that_cannot_verify_is_refused() {
    let missing =
        config::Auth { public_key_file: Some("/nowhere/key.pem".into()), ..Default::default() };
    let url = |url: &str| config::Auth { jwks_url: Some(url.into()), ..Default::default() };
    for (auth, expected) in [
        (config::Auth::default(), "no JWT key"),
        (secrets(&["fine", ""]), "a JWT secret is empty"),
        (missing, "cannot read the JWT public key file /nowhere/key.pem"),
        (url("ftp://id.example/hush"), "must begin with https:// or http://"),
        (url("id.example/hush"), "JWKS URL"),
        (url("https://"), "JWKS URL"),
    ] {
        let error: SetupError = Verifier::new(&auth).err().unwrap();
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains("hush"), "{text}");
    }
}
