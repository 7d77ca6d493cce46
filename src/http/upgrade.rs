//! From an upgrade request to an open socket. The order of the checks is the cheapest first, and the 101
//! is sent last of all: an open socket is a subscribed socket.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_codec::Framed;
use actix_http::{HttpMessage, Request, h1, ws};
use actix_web::http::header::{self, HeaderName};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Gateway, Refusal, first_frame, origin, resume};
use crate::auth::{AuthError, Identity, carrier};
use crate::broker::log::{Ask, Start};
use crate::dialect::{Dialect, SUBPROTOCOL};
use crate::hub::Membership;
use crate::socket::{Greeting, Lane, Seat};
use crate::telemetry::Replay;

/// How long Redis has to confirm a subscription, and the pool to count the user's sockets.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to accept our answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers one upgrade request; the connection goes on in its lane.
pub(super) async fn upgrade(
    gateway: Arc<Gateway>,
    lane: Rc<Lane>,
    request: Request,
    framed: Framed<TcpStream, h1::Codec>,
) {
    let started = Instant::now();
    let parts = framed.into_parts();
    let mut stream = parts.io;
    let mut early = parts.read_buf;
    let admitted = admit(&gateway, &lane, &request, &mut stream, &mut early).await;
    match admitted {
        Ok(Some(Admitted { seat, membership, identity, answered, greeting })) => {
            if !answered {
                let head = switching(&request);
                if !matches!(
                    timeout(ANSWER_TIMEOUT, stream.write_all(head.as_bytes())).await,
                    Ok(Ok(()))
                ) {
                    return;
                }
            }
            gateway.metrics.handshake_seconds.observe(started.elapsed().as_secs_f64());
            let expires = lane.rig().expiry(&identity);
            seat.open(stream, &mut early, membership, expires, greeting);
        }
        // The client went away, or was told over the WebSocket.
        Ok(None) => {}
        Err(refusal) => {
            gateway.refused(&refusal, request.uri(), request.peer_addr());
            // Whether the client hears it is its own affair.
            timeout(ANSWER_TIMEOUT, answer(&mut stream, &refusal)).await.ok();
        }
    }
}

struct Admitted {
    seat: Seat,
    membership: Membership,
    identity: Identity,
    /// The 101 was sent before the first frame could be read.
    answered: bool,
    greeting: Greeting,
}

async fn admit(
    gateway: &Gateway,
    lane: &Rc<Lane>,
    request: &Request,
    stream: &mut TcpStream,
    early: &mut bytes::BytesMut,
) -> Result<Option<Admitted>, Refusal> {
    let offered = header_list(request, header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = carrier::choose_protocol(&offered, &[SUBPROTOCOL]);
    let dialect = match (request.path(), protocol) {
        ("/api/ws", _) => Dialect::Bare,
        ("/ws" | "/ws/notifications", Some(SUBPROTOCOL)) => Dialect::Campanile,
        ("/ws" | "/ws/notifications", _) => Dialect::Envelope,
        _ => return Err(Refusal::not_found()),
    };
    gateway.admit(request)?;
    ws::verify_handshake(request.head()).map_err(|_| Refusal::upgrade_required())?;
    let resume = resume::start(request.uri().query(), None)?;

    let origin = text(request, header::ORIGIN);
    let cookies = header_list_by(request, header::COOKIE, "; ");
    let carried = carrier::find(
        &carrier::Request {
            authorization: text(request, header::AUTHORIZATION),
            protocols: Some(&offered),
            query: request.uri().query(),
            cookies: Some(&cookies),
        },
        gateway.auth.query_token,
        gateway.auth.token_cookie.as_deref(),
    );
    let mut answered = false;
    let identity = match carried {
        Some(found) => {
            if found.carrier == carrier::Carrier::Cookie && origin.is_none() {
                return Err(Refusal::cookie_without_origin());
            }
            gateway.verifier.verify(&found.token).await?
        }
        None if dialect == Dialect::Campanile => {
            let head = switching(request);
            let written = timeout(ANSWER_TIMEOUT, stream.write_all(head.as_bytes())).await;
            if !matches!(written, Ok(Ok(()))) {
                return Ok(None);
            }
            answered = true;
            match first_frame::identify(stream, early, &gateway.verifier).await {
                Ok(identity) => identity,
                Err(refusal) => {
                    gateway.refused(&refusal, request.uri(), request.peer_addr());
                    return Ok(None);
                }
            }
        }
        None => return Err(AuthError::MissingToken.into()),
    };
    let seat = lane.seat(dialect);
    let membership = gateway.hub.join(&identity.user, seat.address());
    let entered = async {
        let membership = enter(gateway, membership).await?;
        let greeting = gateway.greeting(dialect, &membership, resume).await?;
        Ok((membership, greeting))
    };
    match entered.await {
        Ok((membership, greeting)) => {
            Ok(Some(Admitted { seat, membership, identity, answered, greeting }))
        }
        Err(refusal) if answered => {
            gateway.refused(&refusal, request.uri(), request.peer_addr());
            first_frame::turn_away(stream, &refusal).await;
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Waits until the user's channel is heard, and until all replicas have counted the socket.
async fn enter(gateway: &Gateway, mut membership: Membership) -> Result<Membership, Refusal> {
    // Checked again, now that it is counted: others may have joined since, and a drain may have begun,
    // which closes whoever has joined before it looks.
    if gateway.drain.is_closing() {
        return Err(Refusal::draining());
    }
    if gateway.limits.max_connections.is_some_and(|limit| gateway.hub.connections() > limit) {
        return Err(Refusal::full());
    }
    let user = membership.user().clone();
    let limit = gateway.limits.max_connections_per_user;
    let claim = async {
        match limit {
            Some(_) => Some(gateway.broker.claim(&user).await),
            None => None,
        }
    };
    let both = async { tokio::join!(membership.subscribed(), claim).1 };
    let claim = timeout(SUBSCRIBE_TIMEOUT, both).await.map_err(|_| Refusal::redis_away())?;
    if let (Some(limit), Some(claim)) = (limit, claim)
        && claim.elsewhere + u64::from(membership.rank()) > u64::from(limit)
    {
        return Err(Refusal::user_limit(limit));
    }
    Ok(membership)
}

impl Gateway {
    /// Reads the log for a client that wants to go on, or is told how its inbox stands, or is the first of
    /// its user here: from now on it is known what the user's sockets have heard.
    async fn greeting(
        &self,
        dialect: Dialect,
        membership: &Membership,
        resume: Option<Start>,
    ) -> Result<Greeting, Refusal> {
        let is_told = resume.is_some() || dialect == Dialect::Campanile;
        if !self.recovery.is_enabled() || (!is_told && membership.is_placed()) {
            return Ok(Greeting { resume, since: None });
        }
        let ask = Ask { user: membership.user().clone(), start: resume.unwrap_or(Start::Newest) };
        let read = timeout(SUBSCRIBE_TIMEOUT, self.recovery.read(ask)).await;
        let since = read.ok().and_then(Result::ok).ok_or_else(|| {
            self.metrics.replayed(Replay::Away);
            Refusal::redis_away()
        })?;
        membership.stands(&since.summary);
        Ok(Greeting { resume, since: Some(since) })
    }

    /// The checks that need no token.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        if self.drain.is_closing() {
            return Err(Refusal::draining());
        }
        let (from, host) = (text(request, header::ORIGIN), text(request, header::HOST));
        if !origin::is_allowed(from, host, &self.origins) {
            return Err(Refusal::origin());
        }
        if let Some(ip) = self.client_ip(request)
            && !self.throttle.admit(ip, Instant::now())
        {
            return Err(Refusal::ip_rate());
        }
        if self.limits.max_connections.is_some_and(|limit| self.hub.connections() >= limit) {
            return Err(Refusal::full());
        }
        if !self.broker.link().is_up() {
            return Err(Refusal::redis_away());
        }
        Ok(())
    }
}

fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

pub(super) fn header_list(request: &Request, name: HeaderName) -> String {
    header_list_by(request, name, ",")
}

/// All lines of a header as one.
fn header_list_by(request: &Request, name: HeaderName, separator: &str) -> String {
    let lines: Vec<&str> =
        request.headers().get_all(name).filter_map(|line| line.to_str().ok()).collect();
    lines.join(separator)
}

/// The 101 (RFC 6455 §4.2.2).
fn switching(request: &Request) -> String {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = ws::hash_key(key.map_or(&[][..], |key| key.as_bytes()));
    let offered = header_list(request, header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = carrier::choose_protocol(&offered, &[SUBPROTOCOL])
        .map(|name| format!("sec-websocket-protocol: {name}\r\n"))
        .unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n{protocol}\r\n",
        String::from_utf8_lossy(&accept)
    )
}

async fn answer(stream: &mut TcpStream, refusal: &Refusal) -> std::io::Result<()> {
    let response = actix_web::ResponseError::error_response(refusal);
    let body = refusal.body();
    let mut head = format!(
        "HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n",
        refusal.status,
        body.len()
    );
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap_or_default();
        head.extend([name.as_str(), ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.push_str(&body);
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await?;
    // Until the peer has closed too: closing over unread input would reset what it should read.
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| ())
}
