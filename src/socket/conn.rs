//! One connection. Lives on its lane's thread; every method runs to its end without awaiting.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_util::time::delay_queue;

use super::Lane;
use super::catching::Catching;
use super::engine::Engine;
use super::frame::Reader;
use super::framing::{self, Framing};
use crate::delivery::Parcel;
use crate::dialect::{Dialect, Form, Message, Namespace};
use crate::hub::{Address, Membership, Outbox};
use crate::notification::Cursor;
use crate::session::{CloseReason, Moment, Session};

/// How long a peer that was told to go has to close too, in milliseconds.
pub(super) const CLOSE_LINGER: u64 = 2_000;

/// A socket and what is known of its peer.
pub struct Conn {
    pub(super) address: Address,
    pub(super) dialect: Dialect,
    /// Set when the request has been answered.
    pub(super) stream: OnceCell<TcpStream>,
    pub(super) timer: RefCell<Option<delay_queue::Key>>,
    pub(super) state: RefCell<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) reader: Reader,
    /// There from the opening on.
    pub(super) session: Option<Session>,
    /// Given back as soon as the connection begins to end.
    pub(super) membership: Option<Membership>,
    pub(super) ending: Option<CloseReason>,
    /// A task waits for the socket to take what is in the outbox.
    pub(super) flushing: bool,
    pub(super) opened: Option<Moment>,
    /// Everything up to here was replayed; 0-0: nothing was.
    pub(super) floor: Cursor,
    /// There until what the client had missed is replayed.
    pub(super) catching: Option<Box<Catching>>,
    /// Only of Socket.IO.
    pub(super) engine: Option<Box<Engine>>,
    /// Commands under way in the inbox.
    pub(super) asking: u8,
    /// Notifications handed over completely.
    pub(super) sent: u32,
}

impl Conn {
    pub(super) fn new(address: Address, dialect: Dialect) -> Self {
        // One of Socket.IO is open before it is anybody's, and hears nothing until then.
        let catching = (dialect != Dialect::SocketIo).then(Box::default);
        Self {
            address,
            dialect,
            stream: OnceCell::new(),
            timer: RefCell::default(),
            state: State { catching, ..State::default() }.into(),
        }
    }

    /// Hands one notification to the peer, in its turn.
    pub(super) fn deliver(self: &Rc<Self>, lane: &Rc<Lane>, parcel: &Arc<Parcel>) {
        let mut state = self.state.borrow_mut();
        if state.catching.is_some() {
            drop(state);
            return self.hold(lane, parcel);
        }
        let known = parcel.cursor().is_some_and(|cursor| state.floor.covers(cursor));
        if parcel.gap().is_some() {
            state.floor = Cursor::default();
        }
        drop(state);
        if known {
            return;
        }
        if let Some((cursor, count)) = parcel.gap().filter(|_| self.dialect.greets()) {
            return self.tell_gap(lane, cursor, count);
        }
        if self.dialect == Dialect::SocketIo {
            return self.deliver_to_namespaces(lane, parcel);
        }
        if let Some(frame) = parcel.frame(self.dialect.form()) {
            self.send(lane, frame, Some(parcel));
        }
    }

    /// As an event in every namespace in which the client has subscribed.
    fn deliver_to_namespaces(self: &Rc<Self>, lane: &Rc<Lane>, parcel: &Arc<Parcel>) {
        let state = self.state.borrow();
        let Some(engine) = &state.engine else { return };
        let subscribed: SmallVec<[Namespace; 2]> = engine.talk.subscribed().collect();
        drop(state);
        // It is one delivery, wherever the page hears it.
        let mut counted = Some(parcel);
        for namespace in subscribed {
            if let Some(frame) = parcel.frame(Form::of_namespace(namespace)) {
                self.send(lane, frame, counted.take());
            }
        }
    }

    /// Says `text`, if the dialect had anything to say.
    pub(super) fn say(self: &Rc<Self>, lane: &Rc<Lane>, text: Option<String>) {
        if let Some(text) = text {
            let frame = self.framing().message(&text);
            self.send(lane, &frame, None);
        }
    }

    /// Ends the connection from this side: the last frame, then a short wait for the peer's.
    pub(super) fn close(self: &Rc<Self>, lane: &Rc<Lane>, reason: CloseReason) {
        let mut state = self.state.borrow_mut();
        if state.ending.is_some() {
            return;
        }
        state.ending = Some(reason);
        let membership = state.membership.take();
        if reason == CloseReason::TooSlow {
            let queued = state.outbox.bytes();
            let dropped = state.outbox.abandon();
            lane.rig.metrics.queued(queued, state.outbox.bytes());
            lane.rig.metrics.dropped(reason.label(), dropped);
        }
        let farewell = state.engine.as_ref().map(|engine| engine.talk.farewell(reason));
        drop(state);
        drop(membership);
        let farewell = farewell.unwrap_or_default();
        for packet in &farewell {
            self.send_last(lane, self.framing().message(packet));
        }
        if self.is_polling() {
            self.close_polling(lane, reason);
        } else if !farewell.is_empty() {
            self.part(lane);
        } else if reason.is_sent() {
            self.send_last(lane, framing::close(self.dialect, reason));
            lane.set_timer(self, lane.now().after(CLOSE_LINGER));
        } else {
            self.cut();
        }
    }

    /// Whether it is one that has no stream, but polls.
    pub(super) fn is_polling(&self) -> bool {
        self.stream.get().is_none() && self.state.borrow().engine.is_some()
    }

    /// Sets the timer for what is due next.
    pub(super) fn keep_deadlines(&self, lane: &Lane) {
        let state = self.state.borrow();
        let Some(session) = state.session.as_ref().filter(|_| state.ending.is_none()) else {
            return;
        };
        let due = session.deadline(&lane.rig.rules);
        let limbo = state.engine.as_ref().and_then(|engine| engine.talk.limbo());
        drop(state);
        lane.set_timer(self, limbo.map_or(due, |limbo| limbo.min(due)));
    }

    /// Advises a client that knows how to listen, then closes for a restart.
    pub(super) fn release(self: &Rc<Self>, lane: &Rc<Lane>, after: Duration) {
        let reason = CloseReason::Restarting;
        let advice = self.dialect.write(&Message::Reconnect { after, reason: reason.label() });
        self.say(lane, advice);
        self.close(lane, reason);
    }

    /// Takes the socket from a peer that does not listen; the reading task sees its end and cleans up.
    pub(super) fn cut(&self) {
        let Some(stream) = self.stream.get() else { return };
        let socket = SockRef::from(stream);
        if !self.state.borrow().outbox.is_empty() {
            // Reset instead of FIN: the kernel would keep up to 4 MB for a peer that stopped reading.
            socket.set_linger(Some(Duration::ZERO)).ok();
        }
        // Fails only on a socket that the peer has closed already.
        socket.shutdown(std::net::Shutdown::Both).ok();
    }

    pub(super) fn on_deadline(self: &Rc<Self>, lane: &Rc<Lane>) {
        // The timer that has just expired is no longer in the queue.
        *self.timer.borrow_mut() = None;
        let mut state = self.state.borrow_mut();
        if let Some(reason) = state.ending {
            drop(state);
            return if self.is_polling() {
                self.over(lane, reason);
            } else if self.parts() {
                self.send_last(lane, framing::close(self.dialect, reason));
                lane.set_timer(self, lane.now().after(CLOSE_LINGER));
            } else {
                self.cut();
            };
        }
        let now = lane.now();
        let limbo = state.engine.as_ref().and_then(|engine| engine.talk.limbo());
        if limbo.is_some_and(|limbo| now >= limbo) {
            drop(state);
            return self.close(lane, CloseReason::Unauthenticated);
        }
        let Some(session) = &mut state.session else { return };
        let due = session.on_deadline(&lane.rig.rules, now);
        drop(state);
        if let Some(reason) = due.close {
            return self.close(lane, reason);
        }
        lane.set_timer(self, limbo.map_or(due.next, |limbo| limbo.min(due.next)));
        if due.ping {
            self.send(lane, &framing::ping(self.dialect), None);
        }
        self.say(lane, due.say);
    }

    /// What is left to do when the socket is gone.
    pub(super) fn over(&self, lane: &Lane, reason: CloseReason) {
        let mut state = self.state.borrow_mut();
        let reason = *state.ending.get_or_insert(reason);
        let (queued, unsent) = (state.outbox.bytes(), state.outbox.clear());
        let metrics = &lane.rig.metrics;
        metrics.queued(queued, 0);
        metrics.dropped(reason.label(), unsent);
        if let Some(catching) = state.catching.take() {
            catching.end(metrics, reason);
        }
        let (membership, engine) = (state.membership.take(), state.engine.take());
        let (opened, sent) = (state.opened.take(), state.sent);
        drop(state);
        drop(membership);
        if let Some(engine) = engine {
            engine.end();
        }
        if let Some(key) = self.timer.borrow_mut().take() {
            lane.forget_timer(key);
        }
        if let Some(opened) = opened {
            metrics.closed(self.dialect, reason);
            let lasted = Duration::from_millis(lane.now().since(opened));
            tracing::info!(
                connection = self.id(lane),
                reason = reason.label(),
                code = reason.code(),
                lasted = %humantime::format_duration(lasted),
                sent,
                "connection closed"
            );
        }
        lane.remove(self);
    }

    pub(super) fn framing(&self) -> Framing {
        Framing::of(self.dialect.form())
    }

    /// Unique among all connections of all replicas.
    pub(super) fn id(&self, lane: &Lane) -> String {
        let Address { lane: number, slot, generation, .. } = self.address;
        format!("{}.{number}.{slot}.{generation}", lane.rig.replica)
    }
}
