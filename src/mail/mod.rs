//! Mail for what stays unread. Appending schedules (see [`crate::broker::mail`]); of all replicas with a mail server
//! one at a time leads, looks what is due, and hands over each mail that it could take:
//!
//! ```text
//! lead ─► peek ─► look (what was read is due no more) ─► pace ─► take ─► letter ─► post ─► done | due again | failed
//! ```
//!
//! Never zero times: what was taken is due again unless somebody says how it ended. Twice only when the process, Redis
//! or the connection dies between the server's acceptance and that word; the `Message-ID` is the same then.

mod errand;
mod grip;
mod html;
mod letter;
mod mailer;
mod policy;
mod post;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::config::MailSender;
use crate::telemetry::Metrics;
use mailer::Mailer;
use post::Post;

/// What [`start`] needs to know.
pub struct Setup {
    /// With the schedule and the logs.
    pub broker: Broker,
    /// Unique to this run of this process.
    pub replica: String,
    /// How mail is sent.
    pub sender: MailSender,
    /// How long after it was appended an entry was scheduled; the same as the broker's retention says.
    pub after: Duration,
    /// Gets the `campanile_mail*` family.
    pub metrics: Arc<Metrics>,
}

/// Ends the mailing in good order.
pub struct Handle {
    stopping: CancellationToken,
    ended: CancellationToken,
}

/// Starts on the current runtime, for ever or until it is stopped.
pub fn start(setup: Setup) -> Handle {
    let stopping = CancellationToken::new();
    let mailer = Arc::new(Mailer::new(setup));
    let ended = CancellationToken::new();
    let (running, last) = (mailer.run(stopping.clone()), ended.clone().drop_guard());
    tokio::spawn(async move {
        running.await;
        drop(last);
    });
    Handle { stopping, ended }
}

impl Handle {
    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        !self.ended.is_cancelled()
    }

    /// Takes nothing new from now on; returns when what is being handed over is, and somebody else may lead.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.ended.cancelled().await;
    }
}

/// Tries the mail server as far as it goes without a mail; a line for people, which has no secret.
pub async fn probe(sender: &MailSender) -> Result<String, String> {
    Post::new(sender).probe().await
}
