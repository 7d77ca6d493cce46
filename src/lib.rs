//! Campanile, a notification gateway: backends publish a notification for a user, and every socket
//! that user has open, on any replica, gets it at once. Replicas share nothing but Redis; publishing
//! always goes through the broker, so local and remote users take the same path.
//!
//! ```text
//! PUBLISH ───────────► channel ─► broker ─► router ─► hub ─► mailbox ─► lane ─► outbox ─► socket
//! POST /api/publish ─► http ─────►   ▲      Parcel     │     one per worker │
//!                                    └──── interest ◄──┘                    └─► session, dialect
//! ```
//!
//! The modules, each after those it builds on:
//!
//! * [`notification`]: users, the notification parsed once, why a payload is refused
//! * [`config`]: flags and variables to one validated struct per concern, or every problem at once
//! * [`auth`]: token to identity (RFC 7519, RFC 7517), and where a request carries its token
//! * [`dialect`]: how each kind of client speaks; text in, text out
//! * [`session`]: one connection as a state machine without IO or clock, and the table of close reasons
//! * [`delivery`]: a notification on its way, its frame encoded at most once per form
//! * [`telemetry`]: every metric, and the log
//! * [`broker`]: what replicas share, through Redis or in one process
//! * [`hub`]: who is connected, a mailbox per worker, an outbox per socket
//! * [`inbox`]: what a user can see and do in the log, for sockets and HTTP alike
//! * [`recovery`]: reading logs so that nothing is missed: who comes back, and who was open meanwhile
//! * [`ingest`]: ways in: what a publication becomes, the recorder of plain notifications, RabbitMQ
//! * [`mail`]: what stays unread, handed to a mail server (RFC 5321, RFC 5322)
//! * [`roles`]: what `serve` and `worker` run beside sockets: taking from RabbitMQ, mailing
//! * [`router`]: payload to [`delivery::Parcel`] to mailboxes
//! * [`socket`]: a stream taken over from HTTP: frames (RFC 6455) or chunks, reading, writing, timeouts, closing
//! * [`drain`]: how far this replica has come in stopping
//! * [`http`]: admission of sockets and event streams, the API (RFC 9110), probes and metrics
//! * [`demo`]: the page of `campanile demo`
//! * [`app`]: builds all of it; owns the order of starting and stopping
//! * [`worker`]: builds the roles that need no sockets, in the same manner
//! * [`cli`]: the commands, and every line a person reads on a terminal

#![warn(missing_docs)]

pub mod app;
pub mod auth;
pub mod broker;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod demo;
mod descriptors;
pub mod dialect;
pub mod drain;
pub mod http;
pub mod hub;
pub mod inbox;
pub mod ingest;
pub mod mail;
pub mod notification;
pub mod recovery;
pub mod roles;
pub mod router;
pub mod session;
mod signals;
pub mod socket;
pub mod telemetry;
mod web_client;
pub mod worker;
