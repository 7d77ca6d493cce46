use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::Header;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::AuthError;
use super::claims::Claims;
use super::endpoint::{self, Endpoint};
use super::key::{self, Key, Refusal};

/// A fetch may also queue for a blocking thread.
const WAIT: Duration = endpoint::TIMEOUT.saturating_add(Duration::from_secs(1));

/// How often the endpoint is asked.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// From the start of one fetch to the start of the next, whatever became of the first.
    pub(super) between_fetches: Duration,
    /// Older keys keep working while new ones are fetched.
    pub(super) max_age: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { between_fetches: Duration::from_secs(30), max_age: Duration::from_mins(10) }
    }
}

/// The keys of a JWKS endpoint. One fetch at a time, and never more often than its [`Pace`]:
/// tokens with made-up key ids cannot turn into load on the endpoint.
pub(super) struct Jwks {
    endpoint: Endpoint,
    pace: Pace,
    loaded: RwLock<Option<Arc<Loaded>>>,
    /// When the last fetch began. Locked for as long as one is under way.
    last_fetch: Arc<Mutex<Option<Instant>>>,
}

struct Loaded {
    keys: Vec<Key>,
    at: Instant,
}

impl Jwks {
    pub(super) fn new(endpoint: Endpoint, pace: Pace) -> Self {
        Self { endpoint, pace, loaded: RwLock::default(), last_fetch: Arc::default() }
    }

    /// The payload of `token` if a key of the set signed it. Waits only when no cached key can tell
    /// and a fetch is due or under way.
    pub(super) async fn open(
        self: &Arc<Self>,
        token: &str,
        header: &Header,
    ) -> Result<Claims, AuthError> {
        if let Some(loaded) = self.loaded() {
            if loaded.at.elapsed() >= self.pace.max_age {
                self.refresh_in_background();
            }
            match key::open(&loaded.keys, token, header) {
                Err(refusal) if loaded.may_be_outdated(refusal, header) => {}
                told => return Ok(told?),
            }
        }
        self.refresh().await;
        let loaded = self.loaded().ok_or(AuthError::KeysUnavailable)?;
        Ok(key::open(&loaded.keys, token, header)?)
    }

    /// Fetches now, after a fetch that is under way. Returns how many keys can be used.
    pub(super) async fn preload(self: &Arc<Self>) -> Result<usize, String> {
        let fetch = async {
            let turn = Arc::clone(&self.last_fetch).lock_owned().await;
            self.fetch(turn).await
        };
        match timeout(2 * WAIT, fetch).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the JWKS fetch was interrupted".into()),
            Err(_) => Err("the JWKS fetch did not end in time".into()),
        }
    }

    /// Fetches if that is due, or waits for the fetch that is under way. How it went shows in
    /// `loaded`.
    async fn refresh(self: &Arc<Self>) {
        let refresh = async {
            let turn = Arc::clone(&self.last_fetch).lock_owned().await;
            if self.is_due(*turn) {
                let _logged = self.fetch(turn).await;
            }
        };
        // After a failure the caller goes on with the keys there are.
        let _in_time = timeout(WAIT, refresh).await;
    }

    fn refresh_in_background(self: &Arc<Self>) {
        if let Ok(turn) = Arc::clone(&self.last_fetch).try_lock_owned()
            && self.is_due(*turn)
        {
            drop(self.fetch(turn)); // a dropped handle lets the task run on
        }
    }

    fn is_due(&self, last_fetch: Option<Instant>) -> bool {
        last_fetch.is_none_or(|at| at.elapsed() >= self.pace.between_fetches)
    }

    /// A task of its own that holds the turn: a caller that gives up does not take the fetch with it.
    fn fetch(
        self: &Arc<Self>,
        mut turn: OwnedMutexGuard<Option<Instant>>,
    ) -> JoinHandle<Result<usize, String>> {
        let jwks = Arc::clone(self);
        *turn = Some(Instant::now());
        tokio::spawn(async move {
            let endpoint = jwks.endpoint.clone();
            let outcome = spawn_blocking(move || endpoint.fetch())
                .await
                .unwrap_or_else(|_| Err("the JWKS fetch was interrupted".into()))
                .map(|keys| jwks.store(keys));
            if let Err(reason) = &outcome {
                tracing::warn!(%reason, "JWKS not refreshed; keys loaded before stay in use");
            }
            drop(turn);
            outcome
        })
    }

    fn store(&self, keys: Vec<Key>) -> usize {
        let count = keys.len();
        let loaded = Loaded { keys, at: Instant::now() };
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(loaded));
        tracing::debug!(keys = count, "JWKS loaded");
        count
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Loaded {
    /// Whether newer keys could open a token that these refused.
    fn may_be_outdated(&self, refusal: Refusal, header: &Header) -> bool {
        let known =
            header.kid.as_ref().is_some_and(|kid| self.keys.iter().any(|key| key.has_kid(kid)));
        refusal != Refusal::Malformed && !known
    }
}
