//! What the tests of all topologies share: sockets, traffic, and the wait until everyone is reached again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::handshake::Connect;
use crate::support::swarm::Swarm;
use crate::support::wait::until;

pub(crate) const KEY: &str = "a-publish-key-for-the-topologies";

/// How long a failover may take on two busy cores.
const FAILOVER: Duration = Duration::from_mins(1);

pub(crate) fn channel(user: usize) -> String {
    format!("user:{user}:notifications")
}

/// One socket for each user from 0, dealt to the replicas in turn.
pub(crate) async fn sockets(users: usize, replicas: &[&Gateway]) -> Swarm {
    let connect = |user: usize| {
        Connect::to(replicas[user % replicas.len()], "/api/ws").user(&user.to_string())
    };
    Swarm::open(users, connect).await
}

/// `POST /api/publish` of one notification for each of these users; the status.
pub(crate) async fn publish(gateway: &Gateway, users: &[usize], title: &str) -> u16 {
    let bearer = format!("Bearer {KEY}");
    let body: Vec<_> =
        users.iter().map(|user| json!({ "user_id": user.to_string(), "title": title })).collect();
    let body = serde_json::Value::from(body).to_string();
    let headers = [("Authorization", bearer.as_str())];
    gateway.http("POST", "/api/publish", &headers, body.as_bytes()).await.status
}

/// Publishes at each of these replicas until every socket has got something of it; how long that took.
pub(crate) async fn delivers(replicas: &[&Gateway], swarm: &Swarm, title: &str) -> Duration {
    let started = Instant::now();
    for gateway in replicas {
        let before = swarm.counts();
        let everyone: Vec<usize> = (0..before.len()).collect();
        until(title, FAILOVER, async || {
            if publish(gateway, &everyone, title).await != 200 {
                return None;
            }
            let counts = swarm.counts();
            everyone.iter().all(|&user| counts[user] > before[user]).then_some(())
        })
        .await;
    }
    assert_eq!(swarm.open_count(), swarm.counts().len(), "no socket was closed");
    started.elapsed()
}

/// Publishes for these users without a pause while `act` goes on; what that came to, and how many batches were
/// refused.
pub(crate) async fn while_publishing<T>(
    gateway: &Gateway,
    users: &[usize],
    act: impl Future<Output = T>,
) -> (T, usize) {
    let done = AtomicBool::new(false);
    let publishing = async {
        let mut refused = 0;
        while !done.load(Ordering::Relaxed) {
            refused += usize::from(publish(gateway, users, "traffic").await != 200);
        }
        refused
    };
    let acting = async {
        let came_to = act.await;
        done.store(true, Ordering::Relaxed);
        came_to
    };
    tokio::join!(acting, publishing)
}
