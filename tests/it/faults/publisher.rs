//! Backends as they should be: they repeat under the same id until a publication is accepted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::notification::Cursor;
use fastrand::Rng;
use redis::RedisResult;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::lock;
use crate::support::http;

/// For `POST /api/publish`.
pub(super) const KEY: &str = "a-key-of-the-tests";
/// Pause between two publications of one lane.
const PAUSE: Duration = Duration::from_millis(5);
/// An answer that takes longer does not come.
const ANSWER: Duration = Duration::from_secs(5);

/// A publication that the gateway or Redis has promised to keep.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(super) user: String,
    pub(super) id: String,
    pub(super) cursor: Cursor,
    /// An earlier try may have been heard, and its entry lost with a master: its place is another now.
    pub(super) was_repeated: bool,
}

/// How a backend publishes.
#[derive(Clone)]
pub(crate) enum Lane {
    /// `FCALL` on a connection to this URL, made anew after every error.
    Function(String),
    /// `POST /api/publish` at any replica.
    Http,
    /// `FCALL` on whichever of these servers takes it, and `WAIT` until one that copies it has it too.
    Copied(Vec<String>),
}

impl Lane {
    /// Until `stop`; how often something had to be repeated.
    pub(super) async fn publish(
        self,
        lane: usize,
        users: usize,
        addresses: Arc<Mutex<Vec<SocketAddr>>>,
        mut random: Rng,
        accepted: Arc<Mutex<Vec<Accepted>>>,
        stop: Arc<AtomicBool>,
    ) -> usize {
        let mut connection = None;
        let mut connections = HashMap::new();
        let (mut retries, mut number) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let user = random.usize(0..users).to_string();
            let id = format!("{lane}-{number}");
            number += 1;
            let before = retries;
            let cursor = loop {
                let published = match &self {
                    Self::Function(url) => function(url, &mut connection, &user, &id).await,
                    Self::Http => over_http(&addresses, &mut random, &user, &id).await,
                    Self::Copied(urls) => copied(urls, &mut connections, &user, &id).await,
                };
                if let Some(cursor) = published {
                    break cursor;
                }
                retries += 1;
                connection = None;
                sleep(Duration::from_millis(20)).await;
            };
            let was_repeated = retries > before;
            lock(&accepted).push(Accepted { user, id, cursor, was_repeated });
            sleep(PAUSE).await;
        }
        retries
    }
}

type Connection = redis::aio::MultiplexedConnection;

async fn function(
    url: &str,
    connection: &mut Option<Connection>,
    user: &str,
    id: &str,
) -> Option<Cursor> {
    let call = async {
        if connection.is_none() {
            let client = redis::Client::open(url)?;
            *connection = Some(client.get_multiplexed_async_connection().await?);
        }
        let mut call = redis::cmd("FCALL");
        call.arg("campanile_notify").arg(1).arg(user).arg(json!({ "id": id }).to_string());
        match connection {
            Some(connection) => call.query_async(connection).await,
            None => Err((redis::ErrorKind::Io, "no connection").into()),
        }
    };
    let cursor: RedisResult<String> = timeout(ANSWER, call).await.ok()?;
    cursor.ok()?.parse().ok()
}

/// Asks one server after another: those that are replicas, gone, or have other slots refuse.
async fn copied(
    urls: &[String],
    connections: &mut HashMap<String, Connection>,
    user: &str,
    id: &str,
) -> Option<Cursor> {
    for url in urls {
        let mut connection = connections.remove(url);
        let cursor = function(url, &mut connection, user, id).await;
        let Some(mut connection) = connection else { continue };
        if let Some(cursor) = cursor {
            let mut wait = redis::cmd("WAIT");
            wait.arg(1).arg(400);
            let copies: usize =
                timeout(ANSWER, wait.query_async(&mut connection)).await.ok()?.ok()?;
            connections.insert(url.clone(), connection);
            return (copies > 0).then_some(cursor);
        }
        connections.insert(url.clone(), connection);
    }
    // Some of the connections may be broken.
    connections.clear();
    None
}

async fn over_http(
    addresses: &Mutex<Vec<SocketAddr>>,
    random: &mut Rng,
    user: &str,
    id: &str,
) -> Option<Cursor> {
    let address = random.choice(lock(addresses).iter().copied())?;
    let bearer = format!("Bearer {KEY}");
    let body = json!({ "user_id": user, "id": id }).to_string();
    let headers = [("Authorization", bearer.as_str())];
    let request = http::try_request(address, "POST", "/api/publish", &headers, body.as_bytes());
    let answer = timeout(ANSWER, request).await.ok()?.ok()?;
    let answer: Value = serde_json::from_str(answer.text()).ok()?;
    answer["data"]["results"][0]["cursor"].as_str()?.parse().ok()
}
