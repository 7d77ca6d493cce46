//! The publisher's function.

use serde_json::Value;

use super::redis::Redis;
use super::wait::{PATIENCE, until};

/// Appends through the function, which a replica registers when it has connected; the cursor.
pub(crate) async fn notify(redis: &Redis, user: &str, payload: &Value) -> String {
    let payload = payload.to_string();
    until("the function is registered", PATIENCE, async || {
        let answer = redis.cli(&["FCALL", "campanile_notify", "1", user, &payload]).await;
        answer.starts_with(|c: char| c.is_ascii_digit()).then_some(answer)
    })
    .await
}
