//! A client as it should be: it remembers the newest cursor, comes back with it, and drops what it has by id.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::lock;
use crate::support::client::Client;
use crate::support::handshake::Connect;

/// Reads until it is dropped.
pub(super) struct Reader {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What one client got.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Of every notification, in the order they came, doubles included.
    ids: Vec<String>,
    distinct: HashSet<String>,
    cursor: Option<String>,
    pub(super) reconnects: usize,
    pub(super) told_lost: usize,
}

impl Seen {
    pub(super) fn first_of_each(&self) -> Vec<&str> {
        let mut known = HashSet::new();
        self.ids.iter().map(String::as_str).filter(|id| known.insert(*id)).collect()
    }

    pub(super) fn doubles(&self) -> usize {
        self.ids.len() - self.distinct.len()
    }

    fn take(&mut self, frame: &Value) {
        let data = &frame["data"];
        match frame["type"].as_str() {
            Some("notification") => {
                let id = data["notification_id"].as_str().expect("has an id").to_owned();
                self.distinct.insert(id.clone());
                self.ids.push(id);
            }
            Some("connected") => {
                self.told_lost += usize::from(data["recovered"] == false);
                if self.cursor.is_some() && data["recovered"] != false {
                    return;
                }
            }
            Some("unread_count") => {}
            _ => return,
        }
        if let Some(cursor) = data["cursor"].as_str() {
            self.cursor = Some(cursor.to_owned());
        }
    }
}

impl Reader {
    /// A patient one leaves only when the socket ends; the others about every second.
    pub(super) fn start(
        user: String,
        addresses: Arc<Mutex<Vec<SocketAddr>>>,
        patient: bool,
        random: Rng,
    ) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(read(user, addresses, patient, random, seen.clone()));
        Self { seen, task }
    }

    pub(super) fn distinct(&self) -> usize {
        lock(&self.seen).distinct.len()
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    user: String,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    patient: bool,
    mut random: Rng,
    seen: Arc<Mutex<Seen>>,
) {
    loop {
        // A client that has nothing yet begins at the beginning of the log.
        let cursor = lock(&seen).cursor.clone().unwrap_or_else(|| "0-0".to_owned());
        let address = random.choice(lock(&addresses).iter().copied());
        let opened = match address {
            Some(address) => {
                let path = format!("/ws/notifications?cursor={cursor}");
                let connect = Connect::to_address(address, &path).user(&user);
                connect.protocol("campanile.v1").attempt().await.ok()
            }
            None => None,
        };
        let Some(client) = opened else {
            sleep(Duration::from_millis(random.u64(20..200))).await;
            continue;
        };
        let stay = if patient { 3_600_000 } else { random.u64(200..1800) };
        listen(client, Instant::now() + Duration::from_millis(stay), &seen).await;
        lock(&seen).reconnects += 1;
    }
}

/// Until `end`, or until the socket ends; then without a word, as a phone in a tunnel.
async fn listen(mut client: Client, end: Instant, seen: &Mutex<Seen>) {
    while let Ok(Some(message)) = timeout_at(end, client.read()).await {
        match message {
            Message::Text(text) => {
                let frame = serde_json::from_str(&text).expect("frames are JSON");
                lock(seen).take(&frame);
            }
            Message::Close(_) => return,
            _ => {}
        }
    }
}
