//! Reading: one small task per connection that waits for input in the worker's buffer.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use serde_json::value::RawValue;

use super::conn::State;
use super::frame::{self, Inbound, Violation};
use super::{Conn, Framing, Lane};
use crate::auth::{AuthError, Identity};
use crate::session::{CloseReason, Reaction, Then};

/// Reads before other tasks of the worker get their turn.
const TURN: usize = 16;

/// Reads until the connection is over, and cleans up, whatever ends it.
pub(super) struct ReadLoop {
    pub(super) lane: Rc<Lane>,
    pub(super) conn: Rc<Conn>,
}

impl Future for ReadLoop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { lane, conn } = &*self;
        let Some(stream) = conn.stream.get() else { return Poll::Ready(()) };
        for _ in 0..TURN {
            if ready!(stream.poll_read_ready(context)).is_err() {
                return Poll::Ready(());
            }
            let mut buffer = lane.buffer.borrow_mut();
            match stream.try_read(&mut buffer) {
                Ok(0) => return Poll::Ready(()),
                Ok(count) => {
                    if !conn.on_bytes(lane, &mut buffer[..count]) {
                        return Poll::Ready(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(()),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for ReadLoop {
    fn drop(&mut self) {
        self.conn.over(&self.lane, CloseReason::Gone);
    }
}

/// What the frames of one read lead to, once the state is no longer borrowed.
enum Deed {
    React(Reaction),
    /// Of Engine.IO.
    Packet(String),
    Pong(Vec<u8>),
    Leave,
}

impl Conn {
    /// `false`: the connection is over.
    pub(super) fn on_bytes(self: &Rc<Self>, lane: &Rc<Lane>, bytes: &mut [u8]) -> bool {
        if self.framing() == Framing::Chunked {
            // Its request was all that it had to say; what follows waits for an answer in vain.
            return true;
        }
        let rig = &lane.rig;
        let limit = rig.max_frame_bytes(self.dialect);
        let now = lane.now();
        let mut deeds: Vec<Deed> = Vec::new();
        let mut state = self.state.borrow_mut();
        let mut reader = std::mem::take(&mut state.reader);
        let ending = state.ending.is_some();
        let is_socketio = state.engine.is_some();
        let Some(session) = &mut state.session else { return false };
        session.heard(now);
        let result = reader.feed(bytes, limit, |inbound| {
            if ending && !matches!(inbound, Inbound::Close(_)) {
                return true;
            }
            let deed = match inbound {
                Inbound::Text(text) if is_socketio => Deed::Packet(text.to_owned()),
                Inbound::Binary if is_socketio => {
                    Deed::React(Reaction { say: None, then: Then::Close(CloseReason::Binary) })
                }
                Inbound::Text(text) => Deed::React(session.on_text(text, &rig.rules, now)),
                Inbound::Binary => Deed::React(session.on_binary()),
                Inbound::Ping(payload) => Deed::Pong(payload.to_vec()),
                Inbound::Pong => return true,
                Inbound::Close(_) => Deed::Leave,
            };
            let last =
                matches!(deed, Deed::Leave | Deed::React(Reaction { then: Then::Close(_), .. }));
            deeds.push(deed);
            !last
        });
        state.reader = reader;
        drop(state);
        for deed in deeds {
            if !self.act(lane, deed) {
                return false;
            }
        }
        match result {
            Ok(()) => true,
            // Whatever else comes is read and dropped: closing over it would reset the connection, and
            // the peer might never see why.
            Err(_) if ending => true,
            Err(violation) => {
                self.close(lane, violation.reason());
                true
            }
        }
    }

    fn act(self: &Rc<Self>, lane: &Rc<Lane>, deed: Deed) -> bool {
        match deed {
            Deed::React(Reaction { say, then }) => {
                self.say(lane, say);
                match then {
                    Then::Listen => {}
                    Then::Close(reason) => self.close(lane, reason),
                    Then::Ask { command, reference } => self.ask(lane, command, reference),
                    Then::Refresh { token, reference } => {
                        actix_rt::spawn(self.clone().refresh(lane.clone(), token, reference));
                    }
                }
                true
            }
            Deed::Packet(text) => self.on_packet(lane, &text) || self.act(lane, Deed::Leave),
            Deed::Pong(payload) => {
                self.send(lane, &frame::pong(&payload), None);
                true
            }
            Deed::Leave => {
                let ending = self.state.borrow().ending;
                if let Some(reason) = ending.filter(|_| self.parts()) {
                    self.send_last(lane, frame::close(reason.code(), reason.text()));
                } else if ending.is_none() {
                    self.send(lane, &frame::close(CloseReason::Normal.code(), ""), None);
                    self.state.borrow_mut().ending = Some(CloseReason::Normal);
                }
                false
            }
        }
    }

    /// Replaces the token of an open connection. The user stays the same.
    async fn refresh(
        self: Rc<Self>,
        lane: Rc<Lane>,
        token: String,
        reference: Option<Box<RawValue>>,
    ) {
        let verified = lane.rig.verifier.verify(&token).await;
        let say = self.refreshed(&lane, verified, reference.as_deref());
        self.say(&lane, say);
    }

    fn refreshed(
        &self,
        lane: &Lane,
        verified: Result<Identity, AuthError>,
        reference: Option<&RawValue>,
    ) -> Option<String> {
        let mut state = self.state.borrow_mut();
        let State { session: Some(session), membership: Some(membership), .. } = &mut *state else {
            return None;
        };
        match verified {
            Ok(identity) if identity.user == *membership.user() => {
                let say = session.refreshed(lane.rig.expiry(&identity), lane.now(), reference);
                lane.set_timer(self, session.deadline(&lane.rig.rules));
                say
            }
            Ok(_) => session.refuse("forbidden", "the token belongs to another user", reference),
            Err(error) => session.refuse(error.code(), &error.to_string(), reference),
        }
    }
}

impl Violation {
    fn reason(self) -> CloseReason {
        match self {
            Self::TooBig => CloseReason::FrameTooBig,
            Self::Protocol => CloseReason::Protocol,
            Self::Utf8 => CloseReason::Utf8,
        }
    }
}
