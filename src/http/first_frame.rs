//! `{"type":"auth","token":…}` as the first frame of a `campanile.v1` connection.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Refusal;
use crate::auth::{AuthError, Identity, Verifier};
use crate::dialect::{Command, Dialect, Message};
use crate::session::CloseReason;
use crate::socket::frame::{self, Inbound, Reader};

/// How long a connection may stay without having said who it is.
const AUTH_TIMEOUT: Duration = Duration::from_secs(5);
/// The token has to fit; nothing else is said before it.
const MAX_FRAME: usize = 16 * 1024;

/// Reads the first frame and verifies its token. What came behind it is left in `early`.
///
/// # Errors
/// Why; the peer has been told.
pub(super) async fn identify(
    stream: &mut TcpStream,
    early: &mut BytesMut,
    verifier: &Verifier,
) -> Result<Identity, Refusal> {
    let first = timeout(AUTH_TIMEOUT, first_text(stream, early)).await;
    let missing = |text: String| Refusal { message: text, ..AuthError::MissingToken.into() };
    let refusal = match first {
        Ok(Ok(text)) => {
            match Dialect::Campanile.read(&text).map(|request| request.map(|r| r.command)) {
                Ok(Some(Command::Auth { token })) => match verifier.verify(&token).await {
                    Ok(identity) => return Ok(identity),
                    Err(error) => error.into(),
                },
                _ => missing("the first frame must be {\"type\":\"auth\",\"token\":…}".into()),
            }
        }
        // Gone, or not speaking WebSocket.
        Ok(Err(())) => return Err(AuthError::MissingToken.into()),
        Err(_elapsed) => missing(format!("no token within {AUTH_TIMEOUT:?}")),
    };
    tell(stream, refusal.code, &refusal.message, CloseReason::TokenExpired.code()).await;
    Err(refusal)
}

/// Refuses a connection whose upgrade is already answered.
pub(super) async fn turn_away(stream: &mut TcpStream, refusal: &Refusal) {
    let reason = match refusal.code {
        "user_limit" => CloseReason::Forbidden,
        _ => CloseReason::Restarting,
    };
    tell(stream, refusal.code, &refusal.message, reason.code()).await;
}

async fn tell(stream: &mut TcpStream, code: &str, text: &str, close: u16) {
    let error = Dialect::Campanile.write(&Message::Error { code, text, reference: None });
    let error = error.unwrap_or_default();
    let mut bytes = frame::message(&error).to_vec();
    bytes.extend_from_slice(&frame::close(close, code));
    let farewell = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // The peer may be gone, or not listen; either way this is the end.
    timeout(Duration::from_secs(2), farewell).await.ok();
}

/// The first text frame; pings before it are not answered.
async fn first_text(stream: &mut TcpStream, early: &mut BytesMut) -> Result<String, ()> {
    loop {
        // One frame at a time, so that what follows the first stays unread.
        if let Some(text) = take_text(early)? {
            return Ok(text);
        }
        if stream.read_buf(early).await.map_err(|_| ())? == 0 {
            return Err(());
        }
    }
}

/// The first text frame in `early`, past pings; `None` while it is not complete.
fn take_text(early: &mut BytesMut) -> Result<Option<String>, ()> {
    let mut heard = Ok(None);
    while let Ok(None) = heard {
        let Some(length) = frame::first_length(early, MAX_FRAME).map_err(|_| ())? else { break };
        let mut first = early.split_to(length);
        let result = Reader::default().feed(&mut first, MAX_FRAME, |inbound| {
            match inbound {
                Inbound::Text(text) => heard = Ok(Some(text.to_owned())),
                Inbound::Close(_) => heard = Err(()),
                Inbound::Binary | Inbound::Ping(_) | Inbound::Pong => {}
            }
            true
        });
        result.map_err(|_| ())?;
    }
    heard
}
