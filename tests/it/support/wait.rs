//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{sleep, timeout};

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
    let poll = async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            sleep(POLL).await;
        }
    };
    self::within(what, within, poll).await
}

/// As [`until`], for what can be seen without awaiting. Unlike a future around an async closure,
/// this one can be spawned.
pub(crate) async fn seen<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let poll = async {
        loop {
            if let Some(value) = look() {
                return value;
            }
            sleep(POLL).await;
        }
    };
    self::within(what, within, poll).await
}

/// The future's value; panics with `what` when it takes longer than `within`.
pub(crate) async fn within<T>(what: &str, within: Duration, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(within, future).await else {
        panic!("not within {within:?}: {what}");
    };
    value
}
