//! What tool and worker say to each other.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::{Cuts, Dialect};
use crate::record::{Expectation, Tally};
use crate::target::user;

/// One server of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Server {
    /// For the Host header.
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
}

/// What a client does when its connection ends without having been told so.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ComeBack {
    /// How long it stays away, unless the server advised something else.
    pub(crate) away: Duration,
    /// Between two attempts, 0.5 to 1.5 times; `Retry-After` overrides it.
    pub(crate) retry: Duration,
}

/// Who connects where. The first line that a worker gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Clients alternate between them.
    pub(crate) servers: Vec<Server>,
    pub(crate) dialect: Dialect,
    /// With `{token}` where the token goes, if not into a header or a message.
    pub(crate) path: String,
    /// Of a user, `{user_id}` being replaced.
    pub(crate) channel: String,
    /// What tokens are signed with; `None`: no handshake at all.
    pub(crate) secret: Option<String>,
    /// Client `i` is of user `i` modulo this.
    pub(crate) users: usize,
    pub(crate) clients: usize,
    /// `None`: a connection that ends stays ended.
    pub(crate) come_back: Option<ComeBack>,
    /// Bytes that the kernel keeps for a client that does not read.
    pub(crate) receive_buffer: Option<u32>,
    /// Which of how many workers this is: it has the clients `worker`, `worker + workers`, ….
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    /// Zero of the tool's clock.
    pub(crate) clock: u64,
}

impl Plan {
    /// Which client is at this place of the worker.
    pub(crate) fn index(&self, place: usize) -> usize {
        place * self.workers + self.worker
    }

    /// How many of the first `clients` are this worker's.
    pub(crate) fn share(&self, clients: usize) -> usize {
        clients.saturating_sub(self.worker).div_ceil(self.workers)
    }

    pub(crate) fn channel_of(&self, index: usize) -> String {
        self.channel.replace("{user_id}", &user(index % self.users))
    }

    pub(crate) fn path(&self, token: &str, cursor: &str) -> String {
        let path = self.path.replace("{token}", token);
        match (cursor, path.contains('?')) {
            ("", _) => path,
            (cursor, false) => format!("{path}?cursor={cursor}"),
            (cursor, true) => format!("{path}&cursor={cursor}"),
        }
    }
}

/// A line to a worker; each is answered by one line other than [`Answer::Count`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Open sockets until all workers have so many, `together` handshakes at a time.
    Open { until: usize, together: usize },
    /// Count afresh.
    Record(Expectation),
    /// From now on clients lose their connections.
    Roam(Cuts),
    /// From now on no client loses its connection; those that have come back as planned.
    Stay,
    /// So many of the open clients, evenly spread, stop reading; the others go on.
    Stall(usize),
    /// What was counted?
    Tally,
}

/// A line of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Failed(String),
    Tally(Box<Tally>),
    /// Unasked, when it has changed: sockets open now, messages of the run so far.
    Count {
        open: usize,
        received: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn plan(worker: usize, workers: usize) -> Plan {
        Plan {
            servers: Vec::new(),
            dialect: Dialect::Bare,
            path: "/ws?t={token}".into(),
            channel: "user:{user_id}:notifications".into(),
            secret: None,
            users: 2,
            clients: 10,
            come_back: None,
            receive_buffer: None,
            worker,
            workers,
            clock: 0,
        }
    }

    #[test]
    fn every_client_is_of_one_worker() {
        for workers in 1..=4 {
            let mut all: Vec<usize> = (0..workers)
                .map(|worker| plan(worker, workers))
                .flat_map(|plan| (0..plan.share(10)).map(move |place| plan.index(place)))
                .collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..10), "{workers} workers");
        }
    }

    #[test]
    fn a_path_takes_the_token_and_the_cursor() {
        let mut plan = plan(0, 1);
        assert_eq!(plan.path("a.b", ""), "/ws?t=a.b");
        assert_eq!(plan.path("a.b", "7-8"), "/ws?t=a.b&cursor=7-8");
        plan.path = "/ws".into();
        assert_eq!(plan.path("a.b", "7-8"), "/ws?cursor=7-8");
        assert_eq!(plan.channel_of(3), "user:load-000001:notifications");
    }
}
