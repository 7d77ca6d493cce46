//! From an upgrade request to an open WebSocket; the 101 is sent last of all.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_codec::Framed;
use actix_http::{HttpMessage, Request, h1, ws};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{StatusCode, Uri};
use actix_web::{HttpResponse, ResponseError};
use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::Admitted;
use super::wire::Wire;
use super::{Gateway, Refusal, first_frame, head, resume, socketio};
use crate::auth::{AuthError, carrier};
use crate::broker::log::Start;
use crate::dialect::{Dialect, SUBPROTOCOL};
use crate::socket::Lane;

/// How long a client may take to accept our answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// An upgrade request's connection, and what of the request is wanted later. The rest of the request and the
/// dispatcher's buffers go at once, not when Redis has answered: in a storm that took 21 KB for each client.
pub(super) struct Caller {
    pub(super) stream: TcpStream,
    /// What came behind the request.
    pub(super) early: BytesMut,
    /// The answer, if the request is granted.
    pub(super) switching: String,
    pub(super) started: Instant,
    uri: Uri,
    peer: Option<SocketAddr>,
}

/// What a client asks for.
struct Asked {
    dialect: Dialect,
    token: Option<String>,
    resume: Option<Start>,
}

/// Answers one upgrade request; the connection goes on in its lane.
pub(super) fn upgrade(
    gateway: Arc<Gateway>,
    lane: Rc<Lane>,
    request: &Request,
    framed: Framed<Wire, h1::Codec>,
) {
    let started = Instant::now();
    let parts = framed.into_parts();
    let Some(stream) = parts.io.into_stream() else { return };
    let caller = Caller {
        stream,
        early: BytesMut::from(&parts.read_buf[..]),
        switching: switching(request),
        started,
        uri: request.uri().clone(),
        peer: request.peer_addr(),
    };
    if socketio::PATHS.contains(&request.path()) {
        let asked = socketio::asked(&gateway, request);
        actix_rt::spawn(socketio::upgrade(gateway, lane, caller, asked));
    } else {
        let asked = asked(&gateway, request);
        actix_rt::spawn(serve(gateway, lane, caller, asked));
    }
}

fn asked(gateway: &Gateway, request: &Request) -> Result<Asked, Refusal> {
    let offered = head::list(request.head(), header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = carrier::choose_protocol(&offered, &[SUBPROTOCOL]);
    let dialect = match (request.path(), protocol) {
        ("/api/ws", _) => Dialect::Bare,
        ("/ws" | "/ws/notifications", Some(SUBPROTOCOL)) => Dialect::Campanile,
        ("/ws" | "/ws/notifications", _) => Dialect::Envelope,
        _ => return Err(Refusal::not_found()),
    };
    gateway.admit(request.head())?;
    ws::verify_handshake(request.head()).map_err(|_| Refusal::upgrade_required())?;
    let resume = resume::start(request.uri().query(), None)?;
    let token = gateway.token(request.head(), Some(&offered))?;
    if token.is_none() && dialect != Dialect::Campanile {
        return Err(AuthError::MissingToken.into());
    }
    Ok(Asked { dialect, token, resume })
}

async fn serve(
    gateway: Arc<Gateway>,
    lane: Rc<Lane>,
    mut caller: Caller,
    asked: Result<Asked, Refusal>,
) {
    let admitted = match asked {
        Ok(Asked { token: None, resume, .. }) => {
            // Boxed, as what seldom happens is below: every connection would take as much.
            match Box::pin(introduced(&gateway, &lane, &mut caller, resume)).await {
                Some(admitted) => Ok(admitted),
                None => return,
            }
        }
        Ok(Asked { dialect, token: Some(token), resume }) => {
            match admit(&gateway, &lane, dialect, token, resume).await {
                Ok(admitted) if caller.switch().await => Ok(admitted),
                Ok(_) => return,
                Err(refusal) => Err(refusal),
            }
        }
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok(admitted) => {
            let Caller { stream, mut early, started, .. } = caller;
            gateway.metrics.handshake_seconds.observe(started.elapsed().as_secs_f64());
            admitted.open(stream, &mut early);
        }
        Err(refusal) => {
            let response = ResponseError::error_response(&refusal);
            Box::pin(caller.refuse(&gateway, &refusal, &response, &refusal.body())).await;
        }
    }
}

async fn admit(
    gateway: &Gateway,
    lane: &Rc<Lane>,
    dialect: Dialect,
    token: String,
    resume: Option<Start>,
) -> Result<Admitted, Refusal> {
    let identity = gateway.verifier.verify(&token).await?;
    drop(token);
    gateway.enter(lane, dialect, &identity, resume).await
}

/// Lets in a client that shows its token in its first frame, so that the answer comes first. `None`: it went
/// away, or was told over the WebSocket.
async fn introduced(
    gateway: &Gateway,
    lane: &Rc<Lane>,
    caller: &mut Caller,
    resume: Option<Start>,
) -> Option<Admitted> {
    if !caller.switch().await {
        return None;
    }
    let Caller { stream, early, .. } = caller;
    let told = first_frame::identify(stream, early, &gateway.verifier).await;
    let (refusal, told) = match told {
        Ok(identity) => match gateway.enter(lane, Dialect::Campanile, &identity, resume).await {
            Ok(admitted) => return Some(admitted),
            Err(refusal) => (refusal, false),
        },
        Err(refusal) => (refusal, true),
    };
    gateway.refused(&refusal, &caller.uri, caller.peer);
    if !told {
        first_frame::turn_away(&mut caller.stream, &refusal).await;
    }
    None
}

impl Caller {
    /// Sends the 101; whether the client took it.
    pub(super) async fn switch(&mut self) -> bool {
        let head = std::mem::take(&mut self.switching);
        let written = timeout(ANSWER_TIMEOUT, self.stream.write_all(head.as_bytes())).await;
        matches!(written, Ok(Ok(())))
    }

    /// Answers with `response`, whose text is `body`.
    pub(super) async fn refuse<B>(
        mut self,
        gateway: &Gateway,
        refusal: &Refusal,
        response: &HttpResponse<B>,
        body: &str,
    ) {
        gateway.refused(refusal, &self.uri, self.peer);
        let told = answer(&mut self.stream, response.status(), response.headers(), body);
        // Whether the client hears it is its own affair.
        timeout(ANSWER_TIMEOUT, told).await.ok();
    }
}

/// The 101 (RFC 6455 §4.2.2).
fn switching(request: &Request) -> String {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = ws::hash_key(key.map_or(&[][..], |key| key.as_bytes()));
    let offered = head::list(request.head(), header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = carrier::choose_protocol(&offered, &[SUBPROTOCOL])
        .map(|name| format!("sec-websocket-protocol: {name}\r\n"))
        .unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n{protocol}\r\n",
        String::from_utf8_lossy(&accept)
    )
}

async fn answer(
    stream: &mut TcpStream,
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
) -> std::io::Result<()> {
    let mut head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        let value = value.to_str().unwrap_or_default();
        head.extend([name.as_str(), ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.push_str(body);
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await?;
    // Until the peer has closed too: closing over unread input would reset what it should read.
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(|_| ())
}
