//! The private listener: probes and metrics.

use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::Gateway;

/// How long a worker may take to say that it runs.
const ROLL_CALL: Duration = Duration::from_secs(2);

/// What the probes of a replica look at.
pub struct Ops {
    pub(crate) gateway: Arc<Gateway>,
    /// How long Redis may be away before this replica is not ready.
    pub(crate) grace: Duration,
}

/// A process as its probes see it.
pub trait Probed: Send + Sync + 'static {
    /// Resolves when every loop of the process has shown that it runs; never depends on another server.
    fn roll_call(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;
    /// Why the process is not ready; `None`: it is.
    fn unready(&self) -> Option<&'static str>;
    /// Its metrics, in the text format.
    fn render(&self) -> String;
}

/// Starts answering on `listener`.
///
/// # Errors
/// The server cannot take the listener.
pub fn start(listener: TcpListener, probed: impl Probed) -> std::io::Result<Server> {
    let ops: web::Data<dyn Probed> = web::Data::from(Arc::new(probed) as Arc<dyn Probed>);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(ops.clone())
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics))
            .default_service(web::to(not_found))
    });
    Ok(server.workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run())
}

async fn not_found() -> HttpResponse {
    text(HttpResponse::NotFound(), "there are /livez, /readyz and /metrics\n")
}

async fn livez(ops: web::Data<dyn Probed>) -> HttpResponse {
    match tokio::time::timeout(ROLL_CALL, ops.roll_call()).await {
        Ok(()) => text(HttpResponse::Ok(), "ok\n"),
        Err(_elapsed) => text(HttpResponse::ServiceUnavailable(), "a worker does not answer\n"),
    }
}

async fn readyz(ops: web::Data<dyn Probed>) -> HttpResponse {
    match ops.unready() {
        None => text(HttpResponse::Ok(), "ok\n"),
        Some(why) => text(HttpResponse::ServiceUnavailable(), why),
    }
}

async fn metrics(ops: web::Data<dyn Probed>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(ops.render())
}

impl Probed for Ops {
    /// Every worker still reads its mail. Redis has no part in it: a restart would not bring it back.
    fn roll_call(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.gateway.hub.roll_call())
    }

    fn unready(&self) -> Option<&'static str> {
        if self.gateway.drain.is_leaving() {
            return Some("draining\n");
        }
        if !self.gateway.broker.link().is_usable(self.grace) {
            return Some("not subscribed to Redis\n");
        }
        None
    }

    fn render(&self) -> String {
        let Gateway { metrics, hub, .. } = &*self.gateway;
        metrics.users.set(i64::try_from(hub.users()).unwrap_or(i64::MAX));
        let letters: usize = hub.lanes().iter().map(|lane| lane.unread()).sum();
        metrics.mailbox_letters.set(i64::try_from(letters).unwrap_or(i64::MAX));
        metrics.render()
    }
}

fn text(mut response: actix_web::HttpResponseBuilder, body: &'static str) -> HttpResponse {
    response.content_type("text/plain; charset=utf-8").body(body)
}
