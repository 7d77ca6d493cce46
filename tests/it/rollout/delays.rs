//! How long the machine lets somebody wait who should not have to, so that its slowness is not taken for the gateway's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::http::try_request;

const PAUSE: Duration = Duration::from_millis(50);

/// Watches until it is dropped.
pub(super) struct Delays {
    longest: Arc<Mutex<Duration>>,
    _tasks: JoinSet<()>,
}

impl Delays {
    /// Asks private listeners for a sign of life, and the balancer for a page, again and again.
    pub(super) fn watch(private: Vec<SocketAddr>, balancer: SocketAddr) -> Self {
        let longest = Arc::<Mutex<Duration>>::default();
        let mut tasks = JoinSet::new();
        let asked = private.into_iter().map(|address| (address, "/livez"));
        for (address, path) in asked.chain([(balancer, "/openapi.json")]) {
            let longest = longest.clone();
            tasks.spawn(async move {
                loop {
                    let before = Instant::now();
                    sleep(PAUSE).await;
                    // Who has left answers nothing, which is not slow.
                    drop(try_request(address, "GET", path, &[], &[]).await);
                    let delay = before.elapsed().saturating_sub(PAUSE);
                    let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                    *longest = delay.max(*longest);
                }
            });
        }
        Self { longest, _tasks: tasks }
    }

    /// The longest time by which an answer, or the pause before, took longer than on an idle machine.
    pub(super) fn longest(&self) -> Duration {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
