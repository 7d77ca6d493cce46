//! One mail, from its turn to its end.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::grip::Grip;
use super::letter::{self, Letter, NoLetter};
use super::mailer::Mailer;
use super::post::{Blame, Failure};
use crate::broker::Away;
use crate::broker::mail::{Due, Look, Taken, Ticket};
use crate::telemetry::Mailed;

/// How long a mail that was taken stays so unless it is kept; then somebody else may send it.
pub(super) const HOLD: Duration = Duration::from_secs(15);
/// How often it is kept while it is handed over.
const KEEP: Duration = Duration::from_secs(4);
/// No word that cannot be taken back is said later, as clocks do not run alike.
const GRIP: Duration = Duration::from_secs(13);
/// Pause before the broker is told again how it ended.
const TELL_AGAIN: Duration = Duration::from_millis(500);
/// How long that is tried. What the broker never learns is mailed again, under the same `Message-ID`.
const TELL_FOR: Duration = Duration::from_mins(10);

impl Mailer {
    /// Takes the mail and hands it over.
    pub(super) async fn mail(&self, due: &Due) {
        let asked = Instant::now();
        let ticket = match self.broker.take_mail(due, HOLD).await {
            Ok(Taken::Yours(ticket)) => ticket,
            Ok(Taken::Not(look)) => return self.looked(look),
            // It is still due, or will be again.
            Err(away) => return tracing::debug!(%away, "a mail could not be taken"),
        };
        let letter = match letter::write(&self.sender, due, &ticket) {
            Ok(letter) => letter,
            Err(NoLetter::NoAddress) => return self.done(due).await,
            Err(NoLetter::Unusable(why)) => {
                return self.fail(due, Mailed::Failed, None, &why).await;
            }
        };
        let grip = Grip::new(asked, GRIP);
        let (result, token) = self.hand_over(due, &ticket, &letter, &grip).await;
        self.end(due, &ticket, token, result).await;
    }

    /// Keeps it as long as it takes; what came of it, and the newest token.
    async fn hand_over(
        &self,
        due: &Due,
        ticket: &Ticket,
        letter: &Letter,
        grip: &Grip,
    ) -> (Result<(), Failure>, u64) {
        let mut token = ticket.token;
        let mut beat = interval(KEEP);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        let sending = self.post.send(letter, grip);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                result = &mut sending => return (result, token),
                _ = beat.tick() => {
                    let asked = Instant::now();
                    match self.broker.hold_mail(due, token, HOLD).await {
                        Ok(Some(kept)) => {
                            token = kept;
                            grip.renew(asked, GRIP);
                        }
                        // Perhaps Redis is back in time.
                        Err(_) if grip.holds() => {}
                        Ok(None) | Err(_) => return (Err(Failure::lost()), token),
                    }
                }
            }
        }
    }

    async fn end(&self, due: &Due, ticket: &Ticket, token: u64, result: Result<(), Failure>) {
        // By the broker's clock, which gave the ticket its times.
        let waited = ticket.token.saturating_sub(ticket.at);
        let overdue = Duration::from_millis(waited).saturating_sub(HOLD + self.policy.after);
        let failure = match result {
            Ok(()) => {
                self.outage.over();
                self.done(due).await;
                self.metrics.mailed(Mailed::Sent);
                return self.metrics.mail_delay_seconds.observe(overdue.as_secs_f64());
            }
            Err(failure) => failure,
        };
        let Failure { blame, code, text, .. } = &failure;
        match blame {
            Blame::Lost => return self.metrics.mailed(Mailed::Lost),
            Blame::Mail => return self.fail(due, Mailed::Failed, *code, text).await,
            Blame::Server => self.outage.begin(&self.policy, text),
            Blame::Moment => {}
        }
        let Some(pause) = self.policy.again_in(overdue, fastrand::f64()) else {
            return self.fail(due, Mailed::Expired, *code, text).await;
        };
        self.metrics.mailed(Mailed::Retried);
        let Due { user, id } = due;
        tracing::info!(%user, id, code, again_in = ?pause, "a mail was not taken");
        tracing::debug!(%user, id, reason = text, "a mail was not taken");
        // If this fails it is due when the hold ends.
        self.broker.hold_mail(due, token, pause).await.ok();
    }

    /// Remembers for people what will never be sent.
    async fn fail(&self, due: &Due, result: Mailed, code: Option<u16>, reason: &str) {
        let Due { user, id } = due;
        tracing::warn!(%user, id, code, result = result.label(), "a mail is given up");
        tracing::debug!(%user, id, reason, "a mail is given up");
        let record = json!({
            "user_id": user.as_str(),
            "id": id,
            "at": Timestamp::now().to_string(),
            "result": result.label(),
            "reason": reason,
        })
        .to_string();
        told(|| self.broker.failed_mail(&record)).await;
        self.done(due).await;
        self.metrics.mailed(result);
    }

    async fn done(&self, due: &Due) {
        if !told(|| self.broker.done_mail(due)).await {
            let Due { user, id } = due;
            tracing::warn!(%user, id, "Redis could not be told how a mail ended; it may be sent again");
        }
    }

    /// Counts what is due no more without having been mailed.
    pub(super) fn looked(&self, look: Look) {
        match look {
            Look::Read => self.metrics.mailed(Mailed::Read),
            Look::Gone => self.metrics.mailed(Mailed::Gone),
            Look::Other | Look::Unread => {}
        }
    }
}

/// Tells the broker until it has heard, or for too long.
async fn told<F: Future<Output = Result<(), Away>>>(tell: impl Fn() -> F) -> bool {
    let started = Instant::now();
    while let Err(away) = tell().await {
        if started.elapsed() > TELL_FOR {
            return false;
        }
        tracing::debug!(%away, "telling the broker how a mail ended, again");
        sleep(TELL_AGAIN).await;
    }
    true
}
