use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use super::{Healthcheck, terminal};
use crate::config::collect;
use crate::web_client;

const TIMEOUT: Duration = Duration::from_secs(3);

/// `campanile healthcheck`
pub(super) async fn run(args: &Healthcheck) -> anyhow::Result<ExitCode> {
    let (listen, _) = collect(|reader| args.ops.read(reader))?;
    let url = format!("http://{}/readyz", here(listen));
    let answer = tokio::task::spawn_blocking(move || {
        let agent = web_client::client(TIMEOUT).http_status_as_error(false).build().new_agent();
        let mut response = agent.get(&url).call()?;
        let text = response.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((response.status().as_u16(), text))
    })
    .await?;
    match answer {
        Ok((200, _)) => Ok(ExitCode::SUCCESS),
        Ok((_, why)) => {
            terminal::note(format!("not ready: {}", why.trim()));
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            terminal::note(format!("no answer from {}: {error}", here(listen)));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A wildcard address is reached on the loopback.
fn here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
