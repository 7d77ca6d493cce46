//! What a client has missed comes before what is new: until then, what is heard is held.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::{Conn, Lane};
use crate::delivery::Parcel;
use crate::dialect::Message;
use crate::hub::{Held, Quota};
use crate::notification::{Count, Cursor, UserId};
use crate::recovery::{Ask, Since, Start};
use crate::session::CloseReason;
use crate::telemetry::{Metrics, Replay};

/// Pause after Redis did not answer in the middle of a replay.
const PAUSE: Duration = Duration::from_millis(500);
/// While a client catches up, what is sent has bounds of its own: one part, and what it asks for.
pub(super) const CATCHING_UP: Quota = Quota { frames: usize::MAX, bytes: usize::MAX };

/// What a connection begins with.
#[derive(Debug, Default)]
pub struct Greeting {
    /// From where the client wants to go on, if it does.
    pub resume: Option<Start>,
    /// The first part of the log from there, read after the subscription; without a wish to go on, only
    /// where the log stands.
    pub since: Option<Since>,
}

/// Of a connection that is not up to date yet.
#[derive(Default)]
pub(super) struct Catching {
    held: Held,
    /// The outbox is empty, or the connection is over.
    pub(super) drained: Rc<Notify>,
}

/// One that was written, or is about to be.
#[derive(Default)]
struct Part {
    end: Cursor,
    ids: Vec<Box<str>>,
    has_more: bool,
}

impl Catching {
    /// The connection is over.
    pub(super) fn end(self, metrics: &Metrics, reason: CloseReason) {
        metrics.queued(self.held.bytes(), 0);
        metrics.dropped(reason.label(), self.held.notifications());
        self.drained.notify_one();
    }
}

impl Conn {
    /// Keeps what is heard until its turn comes.
    pub(super) fn hold(self: &Rc<Self>, lane: &Rc<Lane>, parcel: &Arc<Parcel>) {
        let mut state = self.state.borrow_mut();
        let Some(catching) = state.catching.as_mut() else { return };
        let before = catching.held.bytes();
        let held = catching.held.hold(parcel.clone(), lane.rig.quota);
        lane.rig.metrics.queued(before, catching.held.bytes());
        drop(state);
        if held.is_err() {
            lane.rig.metrics.dropped(CloseReason::TooSlow.label(), 1);
            self.close(lane, CloseReason::TooSlow);
        }
    }

    /// Greets, replays and goes live; `user` is whose log it is.
    pub(super) fn begin(self: &Rc<Self>, lane: &Rc<Lane>, user: &UserId, greeting: Greeting) {
        let Greeting { resume, since } = greeting;
        let recovered = resume.map(|_| since.as_ref().is_some_and(|since| since.whole));
        let hello = Message::Connected {
            connection_id: &self.id(lane),
            user,
            ping_interval: lane.ping_interval(self.dialect),
            inbox: since.as_ref().map(|since| (started(resume, since), since.summary.count)),
            recovered,
            replayed: since.as_ref().map_or(0, |since| since.total),
        };
        self.say(lane, self.dialect.write(&hello));
        let (Some(start), Some(since)) = (resume, since) else {
            return self.go_live_at_once(lane);
        };
        let result = if since.whole { Replay::Recovered } else { Replay::Lost };
        lane.rig.metrics.replayed(result);
        let part = self.replay(lane, user, &since);
        if part.has_more || self.to_drain().is_some() || self.go_live(lane, &part) {
            let rest = self.clone().replay_rest(lane.clone(), user.clone(), start, part);
            actix_rt::spawn(rest);
        }
    }

    /// Of a client that has nothing to catch up with.
    fn go_live_at_once(self: &Rc<Self>, lane: &Rc<Lane>) {
        let nothing = Part::default();
        if self.go_live(lane, &nothing) {
            // More was heard within the handshake than may wait.
            self.close(lane, CloseReason::TooSlow);
        }
    }

    /// Writes one part.
    fn replay(self: &Rc<Self>, lane: &Rc<Lane>, user: &UserId, since: &Since) -> Part {
        let received = Instant::now();
        let mut ids: Vec<Box<str>> = Vec::with_capacity(since.entries.len());
        for entry in &since.entries {
            let Some(notification) = entry.notification(user.as_str()) else {
                let (metrics, discarder) = (&lane.rig.metrics, lane.rig.recovery.discarder());
                discarder.found(metrics, user.as_str(), &entry.id);
                continue;
            };
            ids.push(notification.id_text().into());
            let parcel = Parcel::replay(notification, entry.cursor, !entry.unread, received);
            if let Some(frame) = parcel.frame(self.dialect.form()).cloned() {
                self.send(lane, &frame, Some(&Arc::new(parcel)));
            }
        }
        self.state.borrow_mut().floor = since.end();
        Part { end: since.end(), ids, has_more: since.has_more() }
    }

    /// Delivers what was held; whether some of it has to be read in the log. What was held was heard since
    /// before the part was read, so nothing is between the two.
    fn go_live(self: &Rc<Self>, lane: &Rc<Lane>, part: &Part) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(catching) = state.catching.as_mut() else { return false };
        let held = std::mem::take(&mut catching.held);
        lane.rig.metrics.queued(held.bytes(), 0);
        let release = held.release(part.end, &part.ids);
        if !release.read_again {
            state.catching = None;
        }
        drop(state);
        for parcel in &release.parcels {
            self.deliver(lane, parcel);
        }
        release.read_again
    }

    /// The parts after the first, each when the one before is written; then what was held.
    async fn replay_rest(self: Rc<Self>, lane: Rc<Lane>, user: UserId, start: Start, first: Part) {
        let mut part = first;
        while self.drained().await {
            if !part.has_more && !self.go_live(&lane, &part) {
                return;
            }
            let start = match start {
                Start::Unread(_) => Start::Unread(part.end.position),
                Start::After(_) | Start::Newest => Start::After(part.end),
            };
            match lane.rig.recovery.read(Ask { user: user.clone(), start }).await {
                Ok(since) => {
                    if !since.whole {
                        lane.rig.metrics.replayed(Replay::Lost);
                        self.tell_gap(&lane, since.begin(part.end), since.summary.count);
                    }
                    part = self.replay(&lane, &user, &since);
                }
                Err(away) => {
                    tracing::debug!(%away, "a replay goes on later");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Waits until what was sent is written; `false`: the connection is over.
    async fn drained(&self) -> bool {
        while let Some(drained) = self.to_drain() {
            drained.notified().await;
        }
        let state = self.state.borrow();
        state.catching.is_some() && state.ending.is_none()
    }

    /// Told when the outbox is empty or the connection over; `None`: it is.
    fn to_drain(&self) -> Option<Rc<Notify>> {
        let state = self.state.borrow();
        let waits = state.ending.is_none() && !state.outbox.is_empty();
        state.catching.as_ref().filter(|_| waits).map(|catching| catching.drained.clone())
    }

    /// Tells that something is missing, and how the log stands now.
    pub(super) fn tell_gap(self: &Rc<Self>, lane: &Rc<Lane>, cursor: Cursor, count: Count) {
        let state = self.state.borrow();
        let Some(user) = state.membership.as_ref().map(|member| member.user().clone()) else {
            return;
        };
        drop(state);
        let text = self.dialect.write(&Message::Connected {
            connection_id: &self.id(lane),
            user: &user,
            ping_interval: lane.ping_interval(self.dialect),
            inbox: Some((cursor, count)),
            recovered: Some(false),
            replayed: 0,
        });
        self.say(lane, text);
    }
}

/// The cursor after which everything is on this socket. That of a client which resumes is its own until the
/// replayed notifications bring theirs: it might be cut off before the last.
fn started(resume: Option<Start>, since: &Since) -> Cursor {
    match resume {
        Some(Start::After(cursor)) => since.begin(cursor),
        _ => since.summary.cursor,
    }
}
