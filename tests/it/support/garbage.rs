//! Payloads that no backend should send.

use fastrand::Rng;
use serde_json::{Value, json};

/// Any JSON value.
pub(crate) fn value(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e9),
        4 => json!((0..rng.usize(..12)).map(|_| rng.char(..)).collect::<String>()),
        5 => (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect(),
        _ => object(rng, depth - 1),
    }
}

/// Something like a notification, for the user `fuzz` if for any.
pub(crate) fn object(rng: &mut Rng, depth: u8) -> Value {
    const NAMES: [&str; 16] = [
        "id",
        "type",
        "title",
        "message",
        "data",
        "timestamp",
        "user_id",
        "user_email",
        "userId",
        "notificationId",
        "notification_id",
        "notification_type",
        "eventType",
        "sentAt",
        "x",
        "",
    ];
    let users = [json!("fuzz"), json!("grace"), json!(null), json!("")];
    let fields = (0..rng.usize(..8)).map(|_| {
        let name = *rng.choice(NAMES.iter()).unwrap();
        let is_user = name == "user_id" || name == "userId";
        let value = if is_user && rng.u8(..4) > 0 {
            rng.choice(&users).unwrap().clone()
        } else {
            value(rng, depth)
        };
        (name.to_owned(), value)
    });
    Value::Object(fields.collect())
}

/// Flips, cuts, doubles or inserts bytes, or none.
pub(crate) fn mutate(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.usize(..4) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..4) {
            0 if at < bytes.len() => bytes[at] = rng.u8(..),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, *rng.choice(br#"{}[]":,\u0"#).unwrap()),
            _ => {
                let tail = bytes.split_off(at);
                bytes.extend_from_slice(&tail);
                bytes.extend_from_slice(&tail);
            }
        }
    }
    bytes
}
