//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long a test waits for what should happen at once. Long, because a passing test never
/// spends it and two busy cores are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);

/// Returns as soon as `condition` holds; panics with `what` when it does not within `within`.
pub(crate) async fn eventually(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) {
    until(what, within, async || condition().await.then_some(())).await;
}

/// Returns the first `Some`; panics with `what` when there is none within `within`.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    let poll = async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            sleep(POLL).await;
        }
    };
    match timeout_at(deadline, poll).await {
        Ok(value) => value,
        Err(_) => panic!("not within {within:?}: {what}"),
    }
}

/// The future's value; panics with `what` when it takes longer than `within`.
pub(crate) async fn within<T>(what: &str, within: Duration, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(within, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {within:?}: {what}"),
    }
}
