//! From an upgrade request to an open WebSocket; the 101 is sent last of all.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_codec::Framed;
use actix_http::{HttpMessage, Request, h1, ws};
use actix_web::ResponseError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::Admitted;
use super::wire::Wire;
use super::{Gateway, Refusal, first_frame, head, resume, socketio};
use crate::auth::{AuthError, carrier};
use crate::dialect::{Dialect, SUBPROTOCOL};
use crate::socket::Lane;

/// How long a client may take to accept our answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers one upgrade request; the connection goes on in its lane.
pub(super) async fn upgrade(
    gateway: Arc<Gateway>,
    lane: Rc<Lane>,
    request: Request,
    framed: Framed<Wire, h1::Codec>,
) {
    let started = Instant::now();
    let parts = framed.into_parts();
    let Some(mut stream) = parts.io.into_stream() else { return };
    let mut early = parts.read_buf;
    if socketio::PATHS.contains(&request.path()) {
        return socketio::upgrade(&gateway, &lane, &request, stream, early).await;
    }
    let admitted = admit(&gateway, &lane, &request, &mut stream, &mut early).await;
    match admitted {
        Ok(Some((admitted, answered))) => {
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
            admitted.open(stream, &mut early);
        }
        // The client went away, or was told over the WebSocket.
        Ok(None) => {}
        Err(refusal) => {
            gateway.refused(&refusal, request.uri(), request.peer_addr());
            // Whether the client hears it is its own affair.
            let response = ResponseError::error_response(&refusal);
            let body = refusal.body();
            let told = answer(&mut stream, response.status(), response.headers(), &body);
            timeout(ANSWER_TIMEOUT, told).await.ok();
        }
    }
}

/// `None`: the client went away, or was told over the WebSocket. Otherwise also whether the 101 was sent
/// already, before the first frame could be read.
async fn admit(
    gateway: &Gateway,
    lane: &Rc<Lane>,
    request: &Request,
    stream: &mut TcpStream,
    early: &mut bytes::BytesMut,
) -> Result<Option<(Admitted, bool)>, Refusal> {
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

    let mut answered = false;
    let identity = match gateway.token(request.head(), Some(&offered))? {
        Some(token) => gateway.verifier.verify(&token).await?,
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
    match gateway.enter(lane, dialect, &identity, resume).await {
        Ok(admitted) => Ok(Some((admitted, answered))),
        Err(refusal) if answered => {
            gateway.refused(&refusal, request.uri(), request.peer_addr());
            first_frame::turn_away(stream, &refusal).await;
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// The 101 (RFC 6455 §4.2.2).
pub(super) fn switching(request: &Request) -> String {
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

pub(super) async fn answer(
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
