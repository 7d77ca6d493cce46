//! `GET /api/notifications/stream`: server-sent events, for clients that only listen.

use std::rc::Rc;
use std::time::Instant;

use actix_http::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};

use super::admission::Admitted;
use super::wire::Handle;
use super::{Gateway, Refusal, head, resume};
use crate::dialect::Dialect;
use crate::socket::Lane;

/// Where a browser says how far it came.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Answers when the stream is subscribed; the connection goes on in its lane.
pub(super) async fn stream(
    gateway: web::Data<Gateway>,
    lane: web::Data<Rc<Lane>>,
    wire: Handle,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let started = Instant::now();
    let admitted = gateway.admit_stream(&lane, request.head()).await.inspect_err(|refusal| {
        gateway.refused(refusal, request.uri(), request.peer_addr());
    })?;
    let body = wire.taken_by(move |stream| {
        gateway.metrics.handshake_seconds.observe(started.elapsed().as_secs_f64());
        admitted.open(stream, &mut []);
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would collect events before it passes them on.
        .insert_header(("x-accel-buffering", "no"))
        // Nothing can be asked on this connection afterwards.
        .force_close()
        .body(body))
}

impl Gateway {
    async fn admit_stream(&self, lane: &Rc<Lane>, head: &RequestHead) -> Result<Admitted, Refusal> {
        self.admit(head)?;
        if head.version < Version::HTTP_11 {
            return Err(Refusal::http_version());
        }
        let resume = resume::start(head.uri.query(), head::text(head, LAST_EVENT_ID))?;
        let identity = self.user(head).await?;
        self.enter(lane, Dialect::Sse, &identity, resume).await
    }
}
