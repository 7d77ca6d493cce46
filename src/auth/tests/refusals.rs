//! What never verifies, however it is made.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::super::Verifier;
use super::support::{ED, OTHER_RSA, P256, P384, RSA, in_an_hour, outcome, sign, unsigned};
use crate::config::{self, Secret};

/// Accepts one secret and one key of each public family.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let file = tempfile::NamedTempFile::new().unwrap();
    let pems = [&RSA, &P256, &P384, &ED].map(|pair| pair.public_pem.as_str());
    std::fs::write(file.path(), pems.concat()).unwrap();
    let auth = config::Auth {
        secrets: vec![Secret::new("shared-secret")],
        public_key_file: Some(file.path().into()),
        ..config::Auth::default()
    };
    Verifier::new(&auth).unwrap()
});

fn hmac_token(secret: &[u8]) -> String {
    let claims = json!({"sub": "ada", "exp": in_an_hour()});
    sign(&EncodingKey::from_secret(secret), Algorithm::HS256, None, &claims)
}

#[tokio::test]
async fn forged_and_malformed_tokens_are_refused() {
    let good = hmac_token(b"shared-secret");
    assert_eq!(outcome(&VERIFIER, &good).await, "ada");

    let claims = r#"{"sub":"ada"}"#;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let rsa_signature = RSA.token(None).rsplit_once('.').unwrap().1.to_owned();
    let critical = Header { crit: Some(vec!["b64".into()]), ..Header::default() };
    let secret = EncodingKey::from_secret(b"shared-secret");
    let critical = jsonwebtoken::encode(&critical, &json!({"sub": "ada"}), &secret).unwrap();

    for (what, token) in [
        ("an HS256 token keyed with the RSA PEM", hmac_token(RSA.public_pem.as_bytes())),
        ("the same without the last newline", hmac_token(RSA.public_pem.trim().as_bytes())),
        ("an HS256 token keyed with the EC PEM", hmac_token(P256.public_pem.as_bytes())),
        ("an HS256 token with an empty key", hmac_token(b"")),
        ("alg none, unsigned", unsigned(r#"{"alg":"none"}"#, claims, "")),
        ("alg none, with a signature", unsigned(r#"{"alg":"none"}"#, claims, signature)),
        ("alg NoNe", unsigned(r#"{"alg":"NoNe"}"#, claims, "")),
        ("no alg", unsigned("{}", claims, signature)),
        ("an unknown alg", unsigned(r#"{"alg":"XS256"}"#, claims, signature)),
        ("ES256K", unsigned(r#"{"alg":"ES256K"}"#, claims, signature)),
        ("two algs", unsigned(r#"{"alg":"none","alg":"HS256"}"#, claims, signature)),
        ("an RSA signature under HS256", format!("{signed}.{rsa_signature}")),
        ("another RSA key", OTHER_RSA.token(None)),
        ("an unsigned HS256 token", format!("{signed}.")),
        ("no signature part", signed.to_owned()),
        ("two signatures", format!("{good}.{signature}")),
        ("padding", format!("{good}=")),
        ("a space", format!("{good} ")),
        ("swapped parts", format!("{payload}.{header}.{signature}")),
        ("a critical extension", critical),
        ("an array as payload", sign(&secret, Algorithm::HS256, None, &json!(["ada"]))),
        ("no user", sign(&secret, Algorithm::HS256, None, &json!({"name": "ada"}))),
        ("only dots", "..".to_owned()),
        ("no JSON", "a.b.c".to_owned()),
    ] {
        assert_eq!(outcome(&VERIFIER, &token).await, "token_invalid", "{what}");
    }
    assert_eq!(outcome(&VERIFIER, "").await, "token_missing");
}

#[tokio::test]
async fn a_token_longer_than_8_kib_is_refused_before_it_is_decoded() {
    let secret = EncodingKey::from_secret(b"shared-secret");
    let token = |bytes: usize| {
        sign(&secret, Algorithm::HS256, None, &json!({"sub": "ada", "pad": "x".repeat(bytes)}))
    };
    let (fits, long) = (token(6000), token(6200));
    assert!(fits.len() <= 8192 && long.len() > 8192, "{} {}", fits.len(), long.len());
    assert_eq!(outcome(&VERIFIER, &fits).await, "ada");
    assert_eq!(outcome(&VERIFIER, &long).await, "token_invalid");
    let text = VERIFIER.verify(&long).await.unwrap_err().to_string();
    assert!(text.contains("8 KiB"), "{text}");
}

#[tokio::test]
async fn a_refusal_never_repeats_the_token() {
    for token in ["hush.hush.hush", &hmac_token(b"wrong"), &unsigned("hush", "hush", "hush")] {
        let error = VERIFIER.verify(token).await.unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
        }
    }
}

static TOKENS: LazyLock<[String; 5]> = LazyLock::new(|| {
    let [rsa, p256, p384, ed] = [&RSA, &P256, &P384, &ED].map(|pair| pair.token(None));
    [hmac_token(b"shared-secret"), rsa, p256, p384, ed]
});

fn verifies(token: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(VERIFIER.verify(token)).is_ok()
}

proptest! {
    #[test]
    fn random_text_never_verifies(token in "\\PC{0,200}") {
        prop_assert!(!verifies(&token));
    }

    #[test]
    fn random_parts_never_verify(
        header in r#"\{"alg":"(HS256|RS256|PS512|ES256|ES384|EdDSA|none)"(,"kid":"\w{0,4}")?\}"#,
        claims in r#"\{"sub":"\w{1,8}"\}"#,
        signature in "[A-Za-z0-9_-]{0,100}",
    ) {
        prop_assert!(!verifies(&unsigned(&header, &claims, &signature)));
    }

    #[test]
    fn a_token_with_one_changed_byte_never_verifies(
        which in 0..5_usize,
        at in any::<prop::sample::Index>(),
        byte in 0x20_u8..0x7f,
    ) {
        let mut token = TOKENS[which].clone().into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != byte);
        token[at] = byte;
        prop_assert!(!verifies(&String::from_utf8(token).unwrap()));
    }

    #[test]
    fn a_token_cut_or_spliced_never_verifies(
        (a, b) in (0..5_usize, 0..5_usize),
        at in any::<prop::sample::Index>(),
    ) {
        let (a, b) = (&TOKENS[a], &TOKENS[b]);
        let at = at.index(a.len().min(b.len()));
        let (start, end) = (a.get(..at).unwrap(), b.get(at..).unwrap());
        let spliced = format!("{start}{end}");
        prop_assume!(!TOKENS.contains(&spliced));
        prop_assert!(!verifies(start));
        prop_assert!(!verifies(&spliced));
    }
}
