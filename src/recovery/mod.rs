//! Reading logs so that nothing is missed: for a client that comes back (`Recovery::read`), and for the
//! sockets that were open while something could not be heard (`repair`).
//!
//! A crowd that comes back at once, or everyone after the link to Redis was lost, is read in pipelines.

mod discard;
mod reader;
mod repair;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

pub use crate::broker::log::{Ask, Since, Start};
use crate::broker::{Away, Broker};
pub use discard::{Discarded, Discarder, discarding};

use crate::hub::Hub;
use crate::telemetry::Metrics;

/// Clients that may wait for their log at a time; the next is told that the log cannot be read.
const MAX_WAITING: usize = 65_536;

/// Reads parts of logs.
pub struct Recovery {
    requests: Option<mpsc::Sender<Request>>,
    discarder: Discarder,
}

/// Somebody waits for a part.
struct Request {
    ask: Ask,
    answer: oneshot::Sender<Result<Since, Away>>,
}

impl Recovery {
    /// Starts reading and repairing on the current runtime; without an inbox there is nothing to do.
    pub fn start(
        broker: &Broker,
        enabled: bool,
        hub: &Arc<Hub>,
        metrics: &Arc<Metrics>,
        (discarder, invalid): (Discarder, Discarded),
    ) -> Self {
        if !enabled {
            return Self { requests: None, discarder };
        }
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(reader::read_for_all(broker.clone(), waiting));
        tokio::spawn(discard::discard(broker.clone(), invalid));
        // While Redis reads for the one, the other delivers.
        for _ in 0..2 {
            let (hub, metrics) = (hub.clone(), metrics.clone());
            tokio::spawn(repair::repair(broker.clone(), hub, metrics, discarder.clone()));
        }
        Self { requests: Some(requests), discarder }
    }

    /// For entries that turn out to be no notifications.
    pub fn discarder(&self) -> &Discarder {
        &self.discarder
    }

    /// Whether there are logs to read.
    pub fn is_enabled(&self) -> bool {
        self.requests.is_some()
    }

    /// One part of one log.
    ///
    /// # Errors
    /// Redis does not answer, or too many wait already.
    pub async fn read(&self, ask: Ask) -> Result<Since, Away> {
        let away = |why: &str| Away(why.to_owned());
        let Some(requests) = &self.requests else { return Err(away("there is no inbox")) };
        let (answer, answered) = oneshot::channel();
        let request = Request { ask, answer };
        requests.try_send(request).map_err(|_| away("too many wait for their log"))?;
        answered.await.map_err(|_| away("the reader has ended"))?
    }
}
