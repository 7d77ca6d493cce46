//! Engine.IO by long-polling: GET waits for packets, POST brings some.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_cors::Cors;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::timeout;

use super::socketio::{About, Denial, PATHS, read};
use super::wire::Handle;
use super::{Gateway, Refusal, api};
use crate::config::Origins;
use crate::dialect::Dialect;
use crate::dialect::engineio::{Fault, NOOP};
use crate::socket::{Lane, Polled, Posted, Ticket};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// What a poll may wait beyond the ping that ends it.
const POLL_SLACK: Duration = Duration::from_secs(30);

pub(super) fn configure(config: &mut web::ServiceConfig, origins: &Origins) {
    for path in PATHS {
        let cors = cors(origins.clone());
        config.service(web::resource(path).wrap(cors).to(answer));
    }
    config.route("/socket.io/{file:.*}", web::to(no_files));
}

/// Pages of allowed origins may poll, with cookies: a load balancer may need its own.
fn cors(origins: Origins) -> Cors {
    api::origins(origins)
        .allowed_methods([Method::GET, Method::POST])
        .allow_any_header()
        .supports_credentials()
        .max_age(3600)
}

/// The reference server hands out its client here.
async fn no_files() -> HttpResponse {
    let text = "this gateway does not serve the Socket.IO client; load socket.io-client 4 from your own \
                pages, from npm or a CDN, and connect it to this host\n";
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body(text)
}

async fn answer(
    gateway: web::Data<Gateway>,
    lane: web::Data<Rc<Lane>>,
    wire: Handle,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let answered = match read(&gateway, request.head(), false) {
        Ok((_, About::New)) => open(&gateway, &lane, &request),
        Ok((_, About::Known(ticket))) => match gateway.check_origin(request.head()) {
            Err(refusal) => Err(refusal.into()),
            Ok(()) if request.method() == Method::GET => poll(&gateway, &wire, &ticket).await,
            Ok(()) if request.method() == Method::POST => {
                post(&gateway, &lane, &ticket, &request, body).await
            }
            Ok(()) => Err(Fault::Request.into()),
        },
        Ok((_, About::JustGone)) if request.method() == Method::GET => Ok(packets(NOOP.into())),
        Ok((_, About::JustGone)) => Err(Fault::Session.into()),
        Err(fault) => Err(fault.into()),
    };
    answered.unwrap_or_else(|denial: Denial| {
        gateway.refused(&denial.refusal, request.uri(), request.peer_addr());
        denial.response()
    })
}

fn open(gateway: &Gateway, lane: &Rc<Lane>, request: &HttpRequest) -> Result<HttpResponse, Denial> {
    let started = Instant::now();
    let welcome = gateway.welcome(request.head(), None)?;
    let opening = lane.open_polling(welcome);
    gateway.metrics.handshake_seconds.observe(started.elapsed().as_secs_f64());
    Ok(packets(opening.into()))
}

async fn poll(gateway: &Gateway, wire: &Handle, ticket: &Ticket) -> Result<HttpResponse, Denial> {
    // A ping ends every poll; this is for a worker that has stopped.
    let longest = gateway.socketio.ping_interval + POLL_SLACK;
    let polled = tokio::select! {
        polled = ticket.poll() => polled,
        // The dispatcher would keep a client that has left waiting, and lose what it is given.
        () = wire.gone() => Polled::Gone,
        () = tokio::time::sleep(longest) => Polled::Gone,
    };
    match polled {
        Polled::Payload(payload) => Ok(packets(payload)),
        Polled::Overlap | Polled::Moved => Err(Fault::Request.into()),
        Polled::Gone => Err(Fault::Session.into()),
    }
}

async fn post(
    gateway: &Gateway,
    lane: &Lane,
    ticket: &Ticket,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Denial> {
    let Some(turn) = ticket.turn() else {
        ticket.offence().await;
        return Err(Fault::Request.into());
    };
    let kind = request.headers().get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes);
    if kind == Some(b"application/octet-stream") {
        ticket.offence().await;
        return Err(Fault::Request.into());
    }
    let limit = lane.rig().max_frame_bytes(Dialect::SocketIo);
    let body = match timeout(BODY_TIMEOUT, body.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(bytes))) => bytes,
        Ok(Ok(Err(_broken))) => return Err(Fault::Request.into()),
        Ok(Err(_too_long)) => {
            gateway.metrics.rejected("engineio_too_large");
            // Unread bytes follow.
            return Ok(HttpResponse::PayloadTooLarge().force_close().finish());
        }
        Err(_elapsed) => return Err(Refusal::body_too_slow().into()),
    };
    let Ok(body) = String::from_utf8(body.into()) else {
        ticket.offence().await;
        return Err(Fault::Request.into());
    };
    let token = gateway.carried_token(request.head(), None);
    match ticket.post(turn, body, token).await {
        Posted::Done => Ok(HttpResponse::build(StatusCode::OK)
            .content_type("text/html")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body("ok")),
        Posted::Bad | Posted::Moved => Err(Fault::Request.into()),
        Posted::Gone => Err(Fault::Session.into()),
    }
}

fn packets(payload: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=UTF-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(payload)
}
