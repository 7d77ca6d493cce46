//! From polling to a WebSocket: `2probe`, `3probe`, `5`.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Moving;
use crate::dialect::engineio::{PROBE, PROBED, Packet};
use crate::hub::Address;
use crate::session::CloseReason;
use crate::socket::frame::{self, Inbound, Reader};
use crate::socket::reading::ReadLoop;
use crate::socket::{Conn, Lane};

/// How long a client may take to move, as at the reference server.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest frame before the move; packets are longer only after it.
const MAX_FRAME: usize = 125;
/// How long a WebSocket that is not moved to has to close.
const LINGER: Duration = Duration::from_secs(2);

impl Lane {
    /// Tries a WebSocket that the connection at `address` may move to.
    pub(super) fn probe(
        self: &Rc<Self>,
        address: Address,
        stream: std::net::TcpStream,
        early: BytesMut,
    ) {
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let conn = self.at(address).filter(|conn| conn.begins_to_move());
        let lane = self.clone();
        actix_rt::spawn(async move {
            let mut socket = Candidate { stream, early, reader: Reader::default() };
            if let Some(conn) = conn {
                let moved = timeout(UPGRADE_TIMEOUT, socket.moves(&conn, &lane)).await;
                if matches!(moved, Ok(Ok(()))) {
                    return conn.moved(&lane, socket);
                }
                conn.stays();
            }
            socket.turn_away().await;
        });
    }
}

/// A WebSocket that is no connection yet.
struct Candidate {
    stream: TcpStream,
    early: BytesMut,
    reader: Reader,
}

impl Candidate {
    /// Follows the client as far as its last word before the move.
    async fn moves(&mut self, conn: &Rc<Conn>, lane: &Rc<Lane>) -> Result<(), ()> {
        if Packet::read(&self.text().await?) != Ok(Packet::Ping(PROBE)) {
            return Err(());
        }
        self.stream.write_all(&frame::message(PROBED)).await.map_err(|_| ())?;
        // The client moves when its poll has ended.
        conn.is_moving(lane);
        if Packet::read(&self.text().await?) == Ok(Packet::Upgrade) { Ok(()) } else { Err(()) }
    }

    /// The next text; what came behind it stays in `early`.
    async fn text(&mut self) -> Result<String, ()> {
        loop {
            while let Some(length) = frame::first_length(&self.early, MAX_FRAME).map_err(|_| ())? {
                let mut heard = None;
                let mut first = self.early.split_to(length);
                self.reader
                    .feed(&mut first, MAX_FRAME, |inbound| {
                        match inbound {
                            Inbound::Text(text) => heard = Some(Ok(text.to_owned())),
                            Inbound::Close(_) | Inbound::Binary => heard = Some(Err(())),
                            Inbound::Ping(_) | Inbound::Pong => {}
                        }
                        true
                    })
                    .map_err(|_| ())?;
                if let Some(heard) = heard {
                    return heard;
                }
            }
            if self.stream.read_buf(&mut self.early).await.map_err(|_| ())? == 0 {
                return Err(());
            }
        }
    }

    async fn turn_away(mut self) {
        let farewell = async {
            let reason = CloseReason::BadPacket;
            self.stream.write_all(&frame::close(reason.code(), reason.text())).await?;
            self.stream.shutdown().await?;
            tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await
        };
        // Whether the peer hears it is its own affair.
        timeout(LINGER, farewell).await.ok();
    }
}

impl Conn {
    /// `false`: it has a stream, or is about to have one, or ends.
    fn begins_to_move(&self) -> bool {
        let mut state = self.state.borrow_mut();
        if self.stream.get().is_some() || state.ending.is_some() {
            return false;
        }
        let Some(engine) = &mut state.engine else { return false };
        let moves = engine.moving == Moving::No;
        if moves {
            engine.moving = Moving::Probed;
        }
        moves
    }

    /// From now on polls end at once.
    fn is_moving(self: &Rc<Self>, lane: &Rc<Lane>) {
        if let Some(engine) = &mut self.state.borrow_mut().engine {
            engine.moving = Moving::Works;
        }
        self.answer_poll(lane);
    }

    fn stays(&self) {
        if let Some(engine) = &mut self.state.borrow_mut().engine {
            engine.moving = Moving::No;
        }
    }

    /// The WebSocket is the connection from here on, and takes what is still queued.
    fn moved(self: &Rc<Self>, lane: &Rc<Lane>, socket: Candidate) {
        let Candidate { stream, mut early, reader } = socket;
        // A poll that came in between.
        self.answer_poll(lane);
        let mut state = self.state.borrow_mut();
        let ending = state.ending;
        let Some(engine) = &mut state.engine else {
            drop(state);
            let candidate = Candidate { stream, early, reader };
            actix_rt::spawn(candidate.turn_away());
            return;
        };
        engine.moving = Moving::No;
        state.reader = reader;
        drop(state);
        // The loop cleans up from here on, also when it is never polled.
        let reading = ReadLoop { lane: lane.clone(), conn: self.clone() };
        if self.stream.set(stream).is_err() {
            return;
        }
        tracing::debug!(connection = self.id(lane), "moved to a WebSocket");
        match ending {
            // Told to go in the middle of the move.
            Some(reason) if reason.is_verdict() => {
                self.send_waiting(lane);
                self.part(lane);
            }
            Some(reason) => self.send_last(lane, frame::close(reason.code(), reason.text())),
            None => self.send_waiting(lane),
        }
        if early.is_empty() || self.on_bytes(lane, &mut early) {
            actix_rt::spawn(reading);
        }
    }
}
