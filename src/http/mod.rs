//! Routes: upgrades, event streams, the API, and the private listener for probes and metrics.

mod admission;
mod api;
mod client_ip;
mod error;
mod first_frame;
mod head;
mod inbox;
mod openapi;
pub mod ops;
mod origin;
mod polling;
mod publish;
mod resume;
pub mod server;
mod socketio;
mod stream;
mod throttle;
mod upgrade;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::http::{Uri, header};
use subtle::ConstantTimeEq;

use error::Refusal;
pub use throttle::Throttle;

use crate::auth::{Verifier, carrier};
use crate::broker::Broker;
use crate::config::{self, Origins, Secret};
use crate::drain::Drain;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::recovery::Recovery;
use crate::socket::Sessions;
use crate::telemetry::Metrics;

/// What requests are answered with.
pub struct Gateway {
    pub(crate) hub: Arc<Hub>,
    pub(crate) broker: Broker,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) throttle: Throttle,
    pub(crate) auth: config::Auth,
    pub(crate) publish: config::Publish,
    pub(crate) origins: Origins,
    pub(crate) limits: config::Limits,
    pub(crate) socketio: config::SocketIo,
    pub(crate) sessions: Arc<Sessions>,
}

impl Gateway {
    /// Counts and logs a refused connection. The query's token is not shown.
    fn refused(&self, refusal: &Refusal, uri: &Uri, peer: Option<SocketAddr>) {
        self.metrics.rejected(refusal.code);
        tracing::info!(
            path = uri.path(),
            query = uri.query().map(carrier::redact_query).as_deref(),
            peer = peer.map(|address| address.ip()).map(tracing::field::display),
            status = refusal.status.as_u16(),
            code = refusal.code,
            "connection refused"
        );
    }

    fn client_ip(&self, head: &actix_http::RequestHead) -> Option<IpAddr> {
        // A proxy may add a line of its own instead of extending the client's.
        let lines = |name| Some(head::list(head, name)).filter(|list| !list.is_empty());
        head.peer_addr.map(|peer| {
            client_ip::client_ip(
                peer.ip(),
                lines(header::X_FORWARDED_FOR).as_deref(),
                lines(header::FORWARDED).as_deref(),
                &self.limits.trusted_proxies,
            )
        })
    }

    fn is_publish_key(&self, given: &str) -> bool {
        let same = |key: &Secret| bool::from(key.expose().as_bytes().ct_eq(given.as_bytes()));
        // Every key is compared, so that the time tells nothing about which one fits.
        self.publish.keys.iter().fold(false, |found, key| found | same(key))
    }
}
