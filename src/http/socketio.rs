//! `/socket.io/`: what a request asks for, and how it is refused in words that Engine.IO clients know.

use std::rc::Rc;
use std::sync::Arc;

use actix_http::{Request, RequestHead, ws};
use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};

use super::upgrade::Caller;
use super::{Gateway, Refusal};
use crate::dialect::engineio::Fault;
use crate::socket::{Found, Lane, Ticket, Welcome};

/// Where Socket.IO is; the reference server knows only the first.
pub(super) const PATHS: [&str; 2] = ["/socket.io/", "/socket.io"];

/// Longest token that is kept until a namespace wants it, in bytes; a longer one would be refused.
const MAX_CARRIED: usize = 8 * 1024;

/// A refusal, and its number among those of Engine.IO.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) fault: Fault,
    pub(super) refusal: Refusal,
}

impl From<Fault> for Denial {
    fn from(fault: Fault) -> Self {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, fault.label(), fault.text());
        Self { fault, refusal }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self { fault: Fault::Forbidden, refusal }
    }
}

impl Denial {
    /// The answer to a poll.
    pub(super) fn response(&self) -> HttpResponse {
        let refused = actix_web::ResponseError::error_response(&self.refusal);
        refused.set_body(self.fault.body(&self.refusal.message)).map_into_boxed_body()
    }
}

/// How a client wants to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Polling,
    WebSocket,
}

/// What a request is about.
pub(super) enum About {
    /// A new connection.
    New,
    /// This one.
    Known(Ticket),
    /// One that ended a moment ago.
    JustGone,
}

/// Reads a request, in the order in which the reference server does: transport, sid, method, version.
pub(super) fn read(
    gateway: &Gateway,
    head: &RequestHead,
    is_upgrade: bool,
) -> Result<(Transport, About), Fault> {
    let query = head.uri.query().unwrap_or_default();
    let transport = match parameter(query, "transport") {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(Fault::Transport),
    };
    let about = match parameter(query, "sid").filter(|sid| !sid.is_empty()) {
        Some(sid) => match gateway.sessions.find(sid) {
            Found::Open(ticket) => About::Known(ticket),
            Found::JustGone => About::JustGone,
            Found::Nothing => return Err(Fault::Session),
        },
        None if head.method != Method::GET => return Err(Fault::Method),
        None => About::New,
    };
    if is_upgrade != (transport == Transport::WebSocket) {
        return Err(Fault::Request);
    }
    if matches!(about, About::New) && parameter(query, "EIO") != Some("4") {
        return Err(Fault::Version);
    }
    Ok((transport, about))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|p| p.1)
}

impl Gateway {
    /// The checks for a new connection; it shows whose it is later.
    pub(super) fn welcome(
        &self,
        head: &RequestHead,
        protocols: Option<&str>,
    ) -> Result<Welcome, Refusal> {
        self.admit(head)?;
        let token = self.carried_token(head, protocols);
        let stranger = self.sessions.stranger().ok_or_else(Refusal::unauthenticated)?;
        Ok(Welcome { token, stranger })
    }

    /// The token of a request, if it has one that counts. Browsers leave `Origin` out when a page polls its own
    /// host, so a cookie is not refused then, only not believed: it comes again with the first packet.
    pub(super) fn carried_token(
        &self,
        head: &RequestHead,
        protocols: Option<&str>,
    ) -> Option<String> {
        self.token(head, protocols).ok().flatten().filter(|token| token.len() <= MAX_CARRIED)
    }
}

/// Answers the upgrade request of a Socket.IO client; the connection goes on in its lane.
pub(super) async fn upgrade(
    gateway: Arc<Gateway>,
    lane: Rc<Lane>,
    mut caller: Caller,
    asked: Result<Asked, Denial>,
) {
    let asked = match asked {
        Ok(asked) => asked,
        Err(denial) => {
            let (response, body) = (denial.response(), denial.fault.body(&denial.refusal.message));
            return Box::pin(caller.refuse(&gateway, &denial.refusal, &response, &body)).await;
        }
    };
    if !caller.switch().await {
        return;
    }
    let Caller { stream, mut early, started, .. } = caller;
    match asked {
        Asked::Open(welcome) => {
            gateway.metrics.handshake_seconds.observe(started.elapsed().as_secs_f64());
            lane.open_websocket(welcome, stream, &mut early);
        }
        // It may live on another worker, so the stream leaves this one's reactor.
        Asked::Move(ticket) => {
            if let Ok(stream) = stream.into_std() {
                ticket.probe(stream, early).await;
            }
        }
    }
}

/// What an upgrade request is granted.
pub(super) enum Asked {
    Open(Welcome),
    Move(Ticket),
}

pub(super) fn asked(gateway: &Gateway, request: &Request) -> Result<Asked, Denial> {
    let head = request.head();
    let (_, about) = read(gateway, head, true)?;
    ws::verify_handshake(head).map_err(|_| Fault::Request)?;
    match about {
        About::New => {
            let offered = super::head::list(head, header::SEC_WEBSOCKET_PROTOCOL);
            Ok(Asked::Open(gateway.welcome(head, Some(&offered))?))
        }
        About::Known(ticket) => {
            gateway.check_origin(head)?;
            Ok(Asked::Move(ticket))
        }
        About::JustGone => Err(Fault::Session.into()),
    }
}
