//! The public listener.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_factory, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;

use super::wire::Wire;
use super::{Gateway, api, upgrade};
use crate::socket::{Lane, Rig};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// A request's head has to arrive within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Unsent bytes above which a socket takes no more. Without it the kernel takes 3.9 MB for a peer that
/// stopped reading before anyone notices; with it, 0.2 MB.
const NOTSENT_LOWAT: u32 = 16 * 1024;

/// Binds `address`. Options that Linux hands down to accepted sockets are set here, once.
///
/// # Errors
/// The address is taken, or not ours.
pub fn bind(address: SocketAddr, write_timeout: Duration) -> std::io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Hosts that vanish while data is in flight; frees the kernel's part of a peer that we have given up.
    socket.set_tcp_user_timeout(Some(write_timeout))?;
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts accepting. WebSockets and event streams go to one lane per worker.
///
/// # Errors
/// The server cannot take the listener.
pub fn start(
    listener: TcpListener,
    workers: usize,
    gateway: Arc<Gateway>,
    rig: Arc<Rig>,
    pages: fn(&mut web::ServiceConfig),
) -> std::io::Result<Server> {
    let builder: ServerBuilder = Server::build()
        .workers(workers)
        .disable_signals()
        // Our own limit answers 503; this one would let clients hang in the backlog.
        .max_concurrent_connections(usize::MAX >> 8)
        .shutdown_timeout(2);
    let builder = builder.listen("campanile", listener, move || {
        let (for_app, for_upgrade) = (gateway.clone(), gateway.clone());
        // Called on the worker, once.
        let lane = Lane::start(rig.clone());
        let (for_streams, origins) = (web::Data::new(lane.clone()), gateway.origins.clone());
        let app = App::new()
            .app_data(web::Data::from(for_app))
            .app_data(for_streams)
            .configure(|config| api::configure(config, origins))
            .configure(pages)
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .on_connect_ext(|wire: &Wire, data| {
                data.insert(wire.handle());
            })
            .upgrade(fn_factory(move || {
                let (gateway, lane) = (for_upgrade.clone(), lane.clone());
                async move {
                    Ok::<_, ()>(fn_service(move |(request, framed)| {
                        upgrade::upgrade(gateway.clone(), lane.clone(), &request, framed);
                        ready(Ok::<_, actix_http::Error>(()))
                    }))
                }
            }))
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(|stream: TcpStream| async move {
            let peer = stream.peer_addr().ok();
            Ok::<_, DispatchError>((Wire::new(stream), Protocol::Http1, peer))
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}
