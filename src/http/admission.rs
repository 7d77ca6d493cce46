//! Who may open a connection, whether it becomes a WebSocket or an event stream. The cheapest checks come
//! first; the answer comes last: an open connection is a subscribed one.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::RequestHead;
use actix_web::http::header;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Gateway, Refusal, head, origin};
use crate::auth::{AuthError, Identity, carrier};
use crate::broker::log::{Ask, Start};
use crate::dialect::Dialect;
use crate::hub::{Address, Membership};
use crate::session::Moment;
use crate::socket::{Denied, Door, Entered, Greeting, Lane, Seat};
use crate::telemetry::Replay;

/// How long Redis has to confirm a subscription, and the pool to count the user's sockets.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that may open: it is delivered to already. Dropped, it leaves.
pub(super) struct Admitted {
    seat: Seat,
    membership: Membership,
    expires: Option<Moment>,
    greeting: Greeting,
}

impl Admitted {
    /// Begins to serve: the request has been answered on `stream`. `early` are bytes that came with it.
    pub(super) fn open(self, stream: TcpStream, early: &mut [u8]) {
        let Self { seat, membership, expires, greeting } = self;
        seat.open(stream, early, membership, expires, greeting);
    }
}

impl Gateway {
    /// The checks that need no token.
    pub(super) fn admit(&self, head: &RequestHead) -> Result<(), Refusal> {
        if self.drain.is_closing() {
            return Err(Refusal::draining());
        }
        self.check_origin(head)?;
        if let Some(ip) = self.client_ip(head)
            && !self.throttle.admit(ip, Instant::now())
        {
            return Err(Refusal::ip_rate());
        }
        if self.limits.max_connections.is_some_and(|limit| self.connections() >= limit) {
            return Err(Refusal::full());
        }
        if !self.broker.link().is_up() {
            return Err(Refusal::redis_away());
        }
        Ok(())
    }

    /// Those that have shown no token yet included.
    fn connections(&self) -> usize {
        self.hub.connections() + self.sessions.strangers()
    }

    pub(super) fn check_origin(&self, head: &RequestHead) -> Result<(), Refusal> {
        let (from, host) = (head::text(head, header::ORIGIN), head::text(head, header::HOST));
        if origin::is_allowed(from, host, &self.origins) { Ok(()) } else { Err(Refusal::origin()) }
    }

    /// The token that a request carries, not verified; `protocols` are the subprotocols it offers.
    pub(super) fn token(
        &self,
        head: &RequestHead,
        protocols: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let cookies = head::list_by(head, header::COOKIE, "; ");
        let carried = carrier::find(
            &carrier::Request {
                authorization: head::text(head, header::AUTHORIZATION),
                protocols,
                query: head.uri.query(),
                cookies: Some(&cookies),
            },
            self.auth.query_token,
            self.auth.token_cookie.as_deref(),
        );
        let Some(found) = carried else { return Ok(None) };
        if found.carrier == carrier::Carrier::Cookie {
            // A cookie travels by itself, so the page must be one of ours.
            if !head.headers().contains_key(header::ORIGIN) {
                return Err(Refusal::cookie_without_origin());
            }
            self.check_origin(head)?;
        }
        Ok(Some(found.token.into_owned()))
    }

    /// The user whose token a plain request carries.
    pub(super) async fn user(&self, head: &RequestHead) -> Result<Identity, Refusal> {
        let token = self.token(head, None)?.ok_or(AuthError::MissingToken)?;
        Ok(self.verifier.verify(&token).await?)
    }

    /// Takes a place in `lane`, waits until the user's channel is heard and all replicas have counted the
    /// connection, and reads the log.
    pub(super) async fn enter(
        &self,
        lane: &Rc<Lane>,
        dialect: Dialect,
        identity: &Identity,
        resume: Option<Start>,
    ) -> Result<Admitted, Refusal> {
        let seat = lane.seat(dialect);
        let mut membership = self.hub.join(&identity.user, seat.address());
        // Checked again, now that it is counted: others may have joined since.
        if self.limits.max_connections.is_some_and(|limit| self.connections() > limit) {
            return Err(Refusal::full());
        }
        self.settle(&mut membership).await?;
        let greeting = self.greeting(dialect, &membership, resume).await?;
        Ok(Admitted { seat, membership, expires: lane.rig().expiry(identity), greeting })
    }

    /// The same for a connection of Socket.IO, which is open already, and was counted then.
    async fn enter_open(&self, identity: &Identity, address: Address) -> Result<Entered, Refusal> {
        let mut membership = self.hub.join(&identity.user, address);
        self.settle(&mut membership).await?;
        let greeting = self.greeting(Dialect::SocketIo, &membership, None).await?;
        Ok(Entered { membership, greeting })
    }

    async fn settle(&self, membership: &mut Membership) -> Result<(), Refusal> {
        // A drain may have begun, which closes whoever has joined before it looks.
        if self.drain.is_closing() {
            return Err(Refusal::draining());
        }
        let (user, rank) = (membership.user().clone(), membership.rank());
        let limit = self.limits.max_connections_per_user;
        let claim = async {
            match limit {
                Some(_) => Some(self.broker.claim(&user).await),
                None => None,
            }
        };
        let both = async { tokio::join!(membership.subscribed(), claim).1 };
        let claim = timeout(SUBSCRIBE_TIMEOUT, both).await.map_err(|_| Refusal::redis_away())?;
        if let (Some(limit), Some(claim)) = (limit, claim)
            && claim.elsewhere + u64::from(rank) > u64::from(limit)
        {
            return Err(Refusal::user_limit(limit));
        }
        Ok(())
    }

    /// Reads the log for a client that wants to go on, or is told how its inbox stands, or is the first of
    /// its user here: from now on it is known what the user's sockets have heard.
    async fn greeting(
        &self,
        dialect: Dialect,
        membership: &Membership,
        resume: Option<Start>,
    ) -> Result<Greeting, Refusal> {
        let is_told = resume.is_some() || dialect.greets();
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
}

impl Door for Gateway {
    fn enter<'a>(
        &'a self,
        identity: &'a Identity,
        address: Address,
    ) -> Pin<Box<dyn Future<Output = Result<Entered, Denied>> + 'a>> {
        Box::pin(async move {
            self.enter_open(identity, address).await.map_err(|refusal| {
                self.metrics.rejected(refusal.code);
                tracing::info!(code = refusal.code, "connection refused after its opening");
                match refusal.code {
                    "user_limit" => Denied::Refused(refusal.message),
                    _ => Denied::Later,
                }
            })
        })
    }
}
