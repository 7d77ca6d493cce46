//! Who mails, and when: one leader at a time, in the order of what is due.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Setup;
use super::policy::{Pace, Policy};
use super::post::Post;
use crate::broker::mail::{Due, Look, Peek};
use crate::broker::{Away, Broker};
use crate::config::MailSender;
use crate::telemetry::Metrics;

/// Mails that are handed over at a time; what more is due waits in the broker.
const AT_ONCE: usize = 8;
/// How long the lead outlives its holder.
const LASTS: Duration = Duration::from_secs(6);
/// How often it is renewed; and how often the others look whether it is free.
const BEAT: Duration = Duration::from_secs(2);
/// Dues that are looked at together, before those to be mailed are taken one by one.
const LOOK: usize = 256;
/// Pause before more is looked for, if there is more.
const BREATH: Duration = Duration::from_millis(20);
/// After so many failures in a row somebody else may lead: the server may be out of reach from here only.
const HOPELESS: u32 = 3;
/// Trouble is logged when it begins, and then this often.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// What all mails share.
pub(super) struct Mailer {
    pub(super) broker: Broker,
    pub(super) sender: MailSender,
    pub(super) policy: Policy,
    pub(super) post: Post,
    pub(super) outage: Outage,
    pub(super) metrics: Arc<Metrics>,
    replica: String,
    pace: Mutex<Pace>,
    /// Those at which this process is. The broker may offer one that it could not be told the end of.
    busy: Mutex<HashSet<Due>>,
}

/// Whether the server takes mail.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    until: Option<Instant>,
    complained: Option<Instant>,
}

impl Outage {
    /// The server takes nothing; leaves it alone for a while.
    pub(super) fn begin(&self, policy: &Policy, reason: &str) {
        let mut trouble = self.lock();
        let now = Instant::now();
        // What was under way together fails together, and counts once.
        if trouble.until.is_some_and(|until| now < until) {
            return;
        }
        trouble.failures += 1;
        let pause = policy.outage(trouble.failures, fastrand::f64());
        trouble.until = Some(now + pause);
        if trouble.complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            trouble.complained = Some(now);
            tracing::warn!(reason, again_in = ?pause, "the mail server takes no mail");
        }
    }

    /// It has taken one.
    pub(super) fn over(&self) {
        let trouble = std::mem::take(&mut *self.lock());
        if trouble.failures > 0 {
            tracing::info!(failures = trouble.failures, "the mail server takes mail again");
        }
    }

    fn lasts(&self) -> bool {
        self.lock().until.is_some_and(|until| Instant::now() < until)
    }

    fn is_hopeless(&self) -> bool {
        self.lasts() && self.lock().failures >= HOPELESS
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lead of this process, as far as it knows.
#[derive(Default)]
struct Lead {
    /// When it was asked for, if it was given.
    since: Option<Instant>,
    asked: Option<Instant>,
}

/// What keeps the leader from going on with what it has looked at.
enum Break {
    /// Another one leads, the server is left alone, or it is time to stop.
    Off,
    Away(Away),
}

impl From<Away> for Break {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

impl Mailer {
    pub(super) fn new(setup: Setup) -> Self {
        let Setup { broker, replica, sender, after, metrics } = setup;
        Self {
            broker,
            policy: Policy { after, give_up: sender.give_up },
            post: Post::new(&sender),
            outage: Outage::default(),
            pace: Mutex::new(Pace::new(sender.per_second)),
            busy: Mutex::default(),
            sender,
            metrics,
            replica,
        }
    }

    /// Until it is told to stop; then until what is under way has ended.
    pub(super) async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let (mut lead, mut errands) = (Lead::default(), JoinSet::new());
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut complained: Option<Instant> = None;
        while !stopping.is_cancelled() {
            let has_more = self.round(&mut lead, &mut errands, &room, &stopping).await;
            while errands.try_join_next().is_some() {}
            self.post.tidy();
            let pause = match has_more {
                Ok(true) => BREATH,
                Ok(false) => self.policy.sweep(),
                Err(Break::Off) => self.policy.sweep().min(BEAT),
                Err(Break::Away(away)) => {
                    if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                        complained = Some(Instant::now());
                        tracing::warn!(%away, "not looking for what is to be mailed; trying again");
                    }
                    BEAT / 4
                }
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
        while errands.join_next().await.is_some() {}
        if lead.since.is_some() {
            self.broker.lead_mail(&self.replica, Duration::ZERO).await.ok();
        }
    }

    /// Has somebody else try who may reach the server. Nobody else there, this one leads again afterwards.
    async fn step_back(&self, lead: &mut Lead) -> Result<(), Away> {
        if lead.since.take().is_some() {
            self.metrics.mails_due.set(0);
            self.broker.lead_mail(&self.replica, Duration::ZERO).await?;
            tracing::info!(replica = self.replica, "another one may mail");
        }
        Ok(())
    }

    /// Looks what is due and sees to it; whether there is more.
    async fn round(
        self: &Arc<Self>,
        lead: &mut Lead,
        errands: &mut JoinSet<()>,
        room: &Arc<Semaphore>,
        stopping: &CancellationToken,
    ) -> Result<bool, Break> {
        if self.outage.is_hopeless() {
            self.step_back(lead).await?;
            return Err(Break::Off);
        }
        self.keep(lead).await?;
        let Peek { count, first, away } = self.broker.peek_mail().await?;
        self.metrics.mails_due.set(i64::try_from(count).unwrap_or(i64::MAX));
        for dues in first.chunks(LOOK) {
            let dues: Vec<Due> =
                dues.iter().filter(|due| !self.busy().contains(due)).cloned().collect();
            if dues.is_empty() {
                continue;
            }
            self.keep(lead).await?;
            let looks = self.broker.look_at_mail(&dues).await?;
            for (due, look) in dues.into_iter().zip(looks) {
                if look != Look::Unread {
                    self.looked(look);
                    continue;
                }
                let permit = tokio::select! {
                    permit = room.clone().acquire_owned() => permit.map_err(|_| Break::Off)?,
                    () = stopping.cancelled() => return Err(Break::Off),
                };
                let turn =
                    self.pace.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
                tokio::select! {
                    () = sleep_until(turn) => {}
                    () = stopping.cancelled() => return Err(Break::Off),
                }
                if self.outage.lasts() {
                    return Err(Break::Off);
                }
                self.keep(lead).await?;
                let mailer = self.clone();
                mailer.busy().insert(due.clone());
                errands.spawn(async move {
                    mailer.mail(&due).await;
                    mailer.busy().remove(&due);
                    drop(permit);
                });
            }
        }
        match away {
            Some(away) => Err(away.into()),
            None => Ok(count > first.len() as u64),
        }
    }

    /// Goes on only while this process leads.
    async fn keep(&self, lead: &mut Lead) -> Result<(), Break> {
        let fresh = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < BEAT);
        if fresh(lead.asked) {
            return if lead.since.is_some() { Ok(()) } else { Err(Break::Off) };
        }
        let asked = Instant::now();
        let leads = self.broker.lead_mail(&self.replica, LASTS).await?;
        lead.asked = Some(asked);
        let replica = &self.replica;
        match (lead.since, leads) {
            (None, true) => tracing::info!(replica, "mailing what stays unread"),
            (Some(_), false) => tracing::info!(replica, "another one mails now"),
            _ => {}
        }
        lead.since = leads.then_some(asked);
        if leads {
            return Ok(());
        }
        self.metrics.mails_due.set(0);
        Err(Break::Off)
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<Due>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
