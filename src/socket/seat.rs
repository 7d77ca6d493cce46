use std::rc::Rc;

use tokio::net::TcpStream;

use super::reading::ReadLoop;
use super::{Conn, Greeting, Lane};
use crate::hub::{Address, Membership};
use crate::session::{CloseReason, Moment, Session};

/// A slot in a lane, taken before the request is answered, so that what is published meanwhile has
/// somewhere to wait. Dropping it gives the slot back.
pub struct Seat {
    lane: Rc<Lane>,
    conn: Option<Rc<Conn>>,
    address: Address,
}

impl Seat {
    pub(super) fn new(lane: Rc<Lane>, conn: Rc<Conn>) -> Self {
        let address = conn.address;
        Self { lane, conn: Some(conn), address }
    }

    /// What [`Hub::join`](crate::hub::Hub::join) needs to deliver here, before the seat is opened.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Begins to serve: the request has been answered on `stream`. `early` are bytes that came with it.
    pub fn open(
        mut self,
        stream: TcpStream,
        early: &mut [u8],
        membership: Membership,
        expires: Option<Moment>,
        greeting: Greeting,
    ) {
        let Some(conn) = self.conn.take() else { return };
        let (lane, now) = (&self.lane, self.lane.now());
        let rig = &lane.rig;
        let session = Session::new(conn.dialect, &rig.rules, expires, now, fastrand::f64());
        rig.metrics.opened(conn.dialect);
        tracing::info!(
            connection = conn.id(lane),
            user = %membership.user(),
            dialect = conn.dialect.label(),
            "connection opened"
        );
        let user = membership.user().clone();
        {
            let mut state = conn.state.borrow_mut();
            // Told to close before it was open: its close frame waits, and its time is running.
            if state.ending.is_none() {
                lane.set_timer(&conn, session.deadline(&rig.rules));
                state.membership = Some(membership);
            }
            state.session = Some(session);
            state.opened = Some(now);
        }
        // The loop cleans up from here on, also when it is never polled.
        let reading = ReadLoop { lane: lane.clone(), conn: conn.clone() };
        if conn.stream.set(stream).is_err() {
            return;
        }
        // A close frame may wait, of one that was told to go before it was open.
        conn.send_waiting(lane);
        conn.begin(lane, &user, greeting);
        if !early.is_empty() && !conn.on_bytes(lane, early) {
            return;
        }
        actix_rt::spawn(reading);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            conn.over(&self.lane, CloseReason::Gone);
        }
    }
}
