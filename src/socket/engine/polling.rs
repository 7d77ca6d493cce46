//! A connection without a stream: what is queued waits for a poll, and a poll for something to be queued.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Call, Moving, Polled, Posted};
use crate::delivery::Parcel;
use crate::dialect::engineio::{self, SEPARATOR};
use crate::session::CloseReason;
use crate::socket::conn::CLOSE_LINGER;
use crate::socket::{Conn, Lane, frame};

/// How long a client that is sent away has to fetch its last packets, in milliseconds.
const LAST_POLL: u64 = 10_000;

impl Lane {
    /// Answers requests for connections of this worker.
    pub(in crate::socket) async fn take_calls(self: Rc<Self>, mut calls: mpsc::Receiver<Call>) {
        while let Some(call) = calls.recv().await {
            match call {
                Call::Poll(address, answer) => match self.at(address) {
                    Some(conn) => conn.poll(&self, answer),
                    None => drop(answer),
                },
                Call::Abandoned(address) => {
                    if let Some(conn) = self.at(address) {
                        conn.abandoned(&self);
                    }
                }
                Call::Post(address, body, token, answer) => {
                    let posted = match self.at(address) {
                        Some(conn) => conn.post(&self, &body, token),
                        None => Posted::Gone,
                    };
                    answer.send(posted).ok();
                }
                Call::Offence(address) => {
                    if let Some(conn) = self.at(address) {
                        conn.close(&self, CloseReason::BadPacket);
                    }
                }
                Call::Probe(address, stream, early) => self.probe(address, stream, early),
            }
        }
    }
}

impl Conn {
    fn poll(self: &Rc<Self>, lane: &Rc<Lane>, answer: oneshot::Sender<Polled>) {
        if self.stream.get().is_some() {
            answer.send(Polled::Moved).ok();
            return;
        }
        let mut state = self.state.borrow_mut();
        if let Some(session) = &mut state.session {
            session.heard(lane.now());
        }
        let Some(engine) = &mut state.engine else { return };
        if engine.parked.as_ref().is_some_and(|parked| !parked.is_closed()) {
            drop(state);
            answer.send(Polled::Overlap).ok();
            return self.close(lane, CloseReason::BadPacket);
        }
        engine.parked = Some(answer);
        drop(state);
        self.answer_poll(lane);
    }

    /// The client of a poll has left before it was answered: so it is with the connection, for what it was given
    /// meanwhile is lost.
    fn abandoned(self: &Rc<Self>, lane: &Rc<Lane>) {
        if self.is_polling() {
            self.over(lane, CloseReason::Gone);
        }
    }

    fn post(self: &Rc<Self>, lane: &Rc<Lane>, body: &str, token: Option<String>) -> Posted {
        if self.stream.get().is_some() {
            return Posted::Moved;
        }
        let mut state = self.state.borrow_mut();
        if let Some(session) = &mut state.session {
            session.heard(lane.now());
        }
        let Some(engine) = &mut state.engine else { return Posted::Gone };
        if let Some(token) = token {
            engine.carried = Some(token.into());
        }
        drop(state);
        for packet in engineio::packets(body) {
            if !self.on_packet(lane, packet) {
                self.over(lane, CloseReason::Normal);
                return Posted::Done;
            }
        }
        match self.state.borrow().ending {
            Some(CloseReason::BadPacket | CloseReason::Binary) => Posted::Bad,
            _ => Posted::Done,
        }
    }

    /// Gives the poll that waits what there is, if there is anything. The last poll of a connection gets its end.
    pub(in crate::socket) fn answer_poll(self: &Rc<Self>, lane: &Rc<Lane>) {
        let mut state = self.state.borrow_mut();
        let (ending, empty) = (state.ending, state.outbox.is_empty());
        let Some(engine) = &mut state.engine else { return };
        if empty && ending.is_none() && engine.moving != Moving::Works {
            return;
        }
        let Some(answer) = engine.parked.take() else { return };
        if answer.is_closed() {
            drop(state);
            return self.over(lane, CloseReason::Gone);
        }
        let before = state.outbox.bytes();
        let limit = lane.rig.max_frame_bytes(self.dialect).max(lane.rig.quota.bytes);
        let mut payload = Payload::default();
        while let Some(frame) = state.outbox.first()
            && payload.has_room(frame.len(), limit)
            && let Some((frame, parcel)) = state.outbox.pop()
        {
            payload.push_frame(&frame);
            payload.parcels.extend(parcel);
        }
        // In a poll of its own: clients act on the end before they have acted on what came with it.
        let last = ending.filter(|_| payload.text.is_empty());
        if let Some(reason) = last.filter(|reason| reason.reconnect()) {
            drop(state);
            // python-socketio takes the packet for a wish that it stays away; after an error it comes back.
            answer.send(Polled::Gone).ok();
            return self.over(lane, reason);
        }
        if last.is_some() {
            payload.push(engineio::CLOSE.as_bytes());
        } else if payload.text.is_empty() {
            payload.push(engineio::NOOP.as_bytes());
        }
        let metrics = &lane.rig.metrics;
        metrics.queued(before, state.outbox.bytes());
        let Payload { text, parcels } = payload;
        let sent = u32::try_from(parcels.len()).unwrap_or(u32::MAX);
        if answer.send(Polled::Payload(text)).is_err() {
            drop(state);
            metrics.dropped(CloseReason::Gone.label(), parcels.len());
            return self.over(lane, CloseReason::Gone);
        }
        state.sent = state.sent.wrapping_add(sent);
        drop(state);
        for parcel in &parcels {
            lane.delivered(self.dialect, parcel);
        }
        if let Some(reason) = last {
            self.over(lane, reason);
        }
    }

    /// The end of a connection that polls: what is queued and the end itself go to its next poll, if one
    /// comes in time.
    pub(in crate::socket) fn close_polling(self: &Rc<Self>, lane: &Rc<Lane>, reason: CloseReason) {
        self.answer_poll(lane);
        let state = self.state.borrow();
        let Some(engine) = &state.engine else { return };
        let limbo = engine.talk.limbo();
        drop(state);
        if !reason.is_sent() {
            return self.over(lane, reason);
        }
        let linger = lane.now().after(if reason.is_verdict() { LAST_POLL } else { CLOSE_LINGER });
        // Nobody gains time by being sent away.
        let least = lane.now().after(CLOSE_LINGER);
        lane.set_timer(self, limbo.map_or(linger, |limbo| linger.min(limbo.max(least))));
    }
}

/// Packets for one poll.
#[derive(Default)]
struct Payload {
    text: Vec<u8>,
    parcels: Vec<Arc<Parcel>>,
}

impl Payload {
    /// One frame always fits.
    fn has_room(&self, frame: usize, limit: usize) -> bool {
        self.text.is_empty() || self.text.len() + frame <= limit
    }

    /// What is queued are WebSocket frames, which all transports share.
    fn push_frame(&mut self, frame: &[u8]) {
        for packet in frame::payloads(frame) {
            self.push(packet);
        }
    }

    fn push(&mut self, packet: &[u8]) {
        if !self.text.is_empty() {
            self.text.push(SEPARATOR);
        }
        self.text.extend_from_slice(packet);
    }
}
