//! What a refused handshake must look like, to the client and in the metrics.

use std::collections::BTreeMap;

use serde_json::json;

use super::client::Client;
use super::gateway::Gateway;
use super::handshake::{Connect, Refused};

pub(crate) const REJECTED: &str = "campanile_connections_rejected_total";

/// Status, code and the documented body: nothing more and nothing less.
pub(crate) fn assert_refusal(name: &str, refused: &Refused, status: u16, code: &str) {
    let body = refused.json();
    let message = &body["error"]["message"];
    assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{name}: {body}");
    let shape = json!({ "success": false, "error": { "code": code, "message": message } });
    assert_eq!((refused.status, &body), (status, &shape), "{name}");
    assert_eq!(refused.header("content-type"), Some("application/json"), "{name}");
    let later = refused.header("retry-after").map(|seconds| seconds.parse::<u32>().unwrap());
    assert_eq!(later.is_some(), matches!(status, 429 | 503), "{name}: Retry-After {later:?}");
}

/// Panics unless the handshake is refused like this.
pub(crate) async fn refused(name: &str, handshake: Connect, status: u16, code: &str) -> Refused {
    match handshake.await {
        Ok(_) => panic!("{name} was let in"),
        Err(refused) => {
            assert_refusal(name, &refused, status, code);
            refused
        }
    }
}

/// Panics unless the handshake succeeds.
pub(crate) async fn let_in(name: &str, handshake: Connect) -> Client {
    handshake.await.unwrap_or_else(|it| panic!("{name}: {} {}", it.status, it.text()))
}

/// These reasons have been counted, as often as said, and no others.
pub(crate) async fn assert_counted(gateway: &Gateway, expected: &BTreeMap<&str, u32>) {
    let metrics = gateway.metrics().await;
    let mut counted = BTreeMap::new();
    for reason in metrics.label_values(REJECTED, "reason") {
        counted.insert(reason, metrics.value(REJECTED, &[("reason", reason)]));
    }
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(&reason, &count)| (reason, f64::from(count))).collect();
    assert_eq!(counted, expected);
}
