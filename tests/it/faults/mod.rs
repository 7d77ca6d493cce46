//! Faults of every kind under traffic. A checker knows every publication that was accepted and every frame that
//! was received, and proves for each user: nothing lost, nothing doubled after `id`, in the order of the log,
//! the count equal to the truth.

mod publisher;
mod reader;
mod replicated;
mod single;

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::gateway::{Builder, Gateway};
use crate::support::wait::eventually;
use publisher::{Accepted, Lane};
use reader::Reader;

/// How long everything may take to arrive once the faults are over.
const SETTLED: Duration = Duration::from_mins(1);

/// Who publishes, who reads, and the replicas in between.
pub(crate) struct World {
    /// How replicas are started.
    builder: Builder,
    replicas: Mutex<Vec<Gateway>>,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    users: usize,
}

/// What came of a run.
#[derive(Default)]
pub(crate) struct Verdict {
    accepted: usize,
    retries: usize,
    reconnects: usize,
    /// Frames that were dropped because of their id.
    doubles: usize,
    /// How often a client was told `recovered:false`.
    pub(crate) told_lost: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, retries, reconnects, doubles, told_lost } = self;
        write!(
            f,
            "{accepted} accepted after {retries} retries, each once and in order for both clients of its \
             user over {reconnects} reconnects; {doubles} doubles by id, {told_lost} gaps told"
        )
    }
}

impl World {
    pub(crate) async fn new(builder: Builder, replicas: usize, users: usize) -> Self {
        // Nothing may be trimmed: the count has to be the number of all.
        let builder = builder.env("CAMPANILE_INBOX_SIZE", "10000");
        let builder = builder.env("CAMPANILE_PUBLISH_KEYS", publisher::KEY);
        let world = Self { builder, replicas: Mutex::default(), addresses: Arc::default(), users };
        for _ in 0..replicas {
            world.start_replica().await;
        }
        world
    }

    pub(crate) async fn start_replica(&self) {
        let gateway = self.builder.clone().start().await;
        self.add(gateway);
    }

    pub(crate) fn add(&self, gateway: Gateway) {
        lock(&self.addresses).push(gateway.addr());
        lock(&self.replicas).push(gateway);
    }

    /// Ends one at once, as the kernel would.
    pub(crate) fn kill_replica(&self, number: usize) {
        let gateway = lock(&self.replicas).remove(number);
        lock(&self.addresses).retain(|address| *address != gateway.addr());
        gateway.kill();
    }

    /// Publishes and reads while `faults` happen, and then until everything has arrived.
    pub(crate) async fn run(
        &self,
        seed: u64,
        lanes: Vec<Lane>,
        faults: impl AsyncFnOnce(),
    ) -> Verdict {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::<Mutex<Vec<Accepted>>>::default();
        let mut readers = Vec::new();
        for number in 0..2 * self.users {
            // Of each user one stays as long as it is let, and one comes and goes.
            let patient = number % 2 == 0;
            let user = (number / 2).to_string();
            let random = fastrand::Rng::with_seed(seed ^ number as u64);
            readers.push(Reader::start(user, self.addresses.clone(), patient, random));
        }
        let copies = lanes.iter().any(|lane| matches!(lane, Lane::Copied(_)));
        let mut publishers = JoinSet::new();
        for (number, lane) in lanes.into_iter().enumerate() {
            let random = fastrand::Rng::with_seed(seed ^ (1 << 32) ^ number as u64);
            let (accepted, stop) = (accepted.clone(), stop.clone());
            let addresses = self.addresses.clone();
            publishers.spawn(lane.publish(number, self.users, addresses, random, accepted, stop));
        }
        faults().await;
        stop.store(true, Ordering::Relaxed);
        let retries = publishers.join_all().await.into_iter().sum();
        let accepted = std::mem::take(&mut *lock(&accepted));
        let started = Instant::now();
        let mut verdict = Verdict { accepted: accepted.len(), retries, ..Verdict::default() };
        for user in 0..self.users {
            let name = user.to_string();
            let mut of_user: Vec<&Accepted> = accepted.iter().filter(|a| a.user == name).collect();
            of_user.sort_by_key(|accepted| accepted.cursor.position);
            let expected: Vec<&str> = of_user.iter().map(|accepted| &*accepted.id).collect();
            let repeated: HashSet<&str> =
                of_user.iter().filter(|a| a.was_repeated).map(|a| &*a.id).collect();
            for reader in &readers[2 * user..2 * user + 2] {
                let what = format!("user {name} has all of {} notifications", expected.len());
                let within = SETTLED.saturating_sub(started.elapsed());
                eventually(&what, within, async || reader.distinct() >= expected.len()).await;
                let got = reader.seen();
                let first = got.first_of_each();
                let all: HashSet<&str> = first.iter().copied().collect();
                assert_eq!(all, expected.iter().copied().collect(), "user {name} has all");
                let kept_its_place = |id: &&str| !repeated.contains(*id) || !copies;
                let [first, expected] =
                    [&first, &expected].map(|ids| ids.iter().filter(|id| kept_its_place(id)));
                assert!(first.eq(expected), "user {name}, in the order of the log");
                verdict.reconnects += got.reconnects;
                verdict.doubles += got.doubles();
                verdict.told_lost += got.told_lost;
            }
            let unread = self.unread(&name).await;
            assert_eq!(unread, expected.len() as u64, "the count of user {name}");
        }
        let ids: HashSet<&str> = accepted.iter().map(|accepted| &*accepted.id).collect();
        assert_eq!(ids.len(), accepted.len());
        verdict
    }

    async fn unread(&self, user: &str) -> u64 {
        let path = "/api/notifications/unread_count";
        let address = lock(&self.addresses)[0];
        let bearer = format!("Bearer {}", crate::support::token::for_user(user));
        let headers = [("Authorization", bearer.as_str())];
        let answer = crate::support::http::request(address, "GET", path, &headers, b"").await;
        answer.json()["data"]["count"].as_u64().unwrap_or_else(|| panic!("{}", answer.text()))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
