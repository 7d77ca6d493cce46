use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use uuid::Uuid;

use super::{Engine, Stranger};
use crate::dialect::Dialect;
use crate::dialect::engineio::Open;
use crate::session::{Session, Talk};
use crate::socket::reading::ReadLoop;
use crate::socket::{Conn, Lane};

/// What a connection of Socket.IO begins with.
pub struct Welcome {
    /// The token that the request carried, not verified.
    pub token: Option<String>,
    /// Counts it until it has shown a valid one.
    pub stranger: Stranger,
}

impl Lane {
    /// Opens a connection whose first request is a poll; what that is answered with.
    pub fn open_polling(self: &Rc<Self>, welcome: Welcome) -> String {
        let conn = self.open_engine(welcome, "polling");
        let registered = self.rig.sessions.register(self.calls.clone(), conn.address);
        let sid = registered.sid();
        if let Some(engine) = &mut conn.state.borrow_mut().engine {
            engine.registered = Some(registered);
        }
        self.opening(&sid, true)
    }

    /// Opens a connection on a WebSocket whose handshake is answered; `early` are bytes that came with it.
    pub fn open_websocket(self: &Rc<Self>, welcome: Welcome, stream: TcpStream, early: &mut [u8]) {
        let conn = self.open_engine(welcome, "websocket");
        let reading = ReadLoop { lane: self.clone(), conn: conn.clone() };
        if conn.stream.set(stream).is_err() {
            return;
        }
        // Nobody can take it over, so nobody has to find it.
        let sid = Uuid::new_v4().simple().to_string();
        conn.say(self, Some(self.opening(&sid, false)));
        if early.is_empty() || conn.on_bytes(self, early) {
            actix_rt::spawn(reading);
        }
    }

    fn open_engine(self: &Rc<Self>, welcome: Welcome, transport: &str) -> Rc<Conn> {
        let conn = self.slot(Dialect::SocketIo);
        let (rig, now) = (&self.rig, self.now());
        let talk = Talk::new(now.after(rig.auth_timeout));
        let session = Session::new(Dialect::SocketIo, &rig.rules, None, now, fastrand::f64());
        let mut state = conn.state.borrow_mut();
        state.engine = Some(Box::new(Engine::new(talk, welcome)));
        state.session = Some(session);
        state.opened = Some(now);
        drop(state);
        conn.keep_deadlines(self);
        rig.metrics.opened(Dialect::SocketIo);
        let dialect = Dialect::SocketIo.label();
        tracing::info!(connection = conn.id(self), dialect, transport, "connection opened");
        conn
    }

    fn opening(&self, sid: &str, upgrades: bool) -> String {
        let rhythm = self.rig.rules.socketio;
        let ping_interval = Duration::from_millis(rhythm.ping_interval);
        let open = Open {
            sid,
            upgrades,
            ping_interval,
            ping_timeout: Duration::from_millis(rhythm.pong_timeout).saturating_sub(ping_interval),
            max_payload: self.rig.max_frame_bytes(Dialect::SocketIo),
        };
        open.write()
    }
}
