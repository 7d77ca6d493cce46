//! A server that the tool started, and can stop and start again where it was.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Process, RedisAddress};
use crate::publish;
use crate::stats::whole;

/// Until a started server must answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(15);
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// How a server says that it is ready.
pub(super) enum Ready {
    /// It answers PING.
    Redis(RedisAddress),
    /// It answers 200 on `/readyz`.
    Http(SocketAddr),
}

/// A started server.
pub(crate) struct Service {
    process: Process,
    ready: Ready,
    /// Its data, which goes with it.
    folder: Option<PathBuf>,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(super) async fn start(name: &'static str, command: Command, ready: Ready) -> Result<Self> {
        let process = Process::spawn_logged(name, command)?;
        let mut service = Self { process, ready, folder: None };
        service.until_ready().await?;
        Ok(service)
    }

    /// The folder goes when the server does.
    pub(super) fn with_folder(mut self, folder: Option<PathBuf>) -> Self {
        self.folder = folder;
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Plain notifications that the gateway delivered and could not keep, so far; of other servers nothing.
    pub(crate) async fn not_kept(&self) -> Option<u64> {
        const SERIES: &str =
            r#"campanile_inbox_operations_total{operation="capture",result="dropped"}"#;
        let Ready::Http(address) = self.ready else { return None };
        let text = ask(address, "/metrics").await.ok()?;
        text.contains("campanile_").then(|| whole(value(&text, SERIES).unwrap_or_default()))
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn end(&mut self, patience: Duration) -> Result<()> {
        self.process.end(patience).await
    }

    /// Starts it again at the same address, after its end, and waits until it is ready.
    pub(crate) async fn again(&mut self) -> Result<()> {
        self.process.again()?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.process.check()?;
            let answer = match &self.ready {
                Ready::Redis(redis) => publish::connect(redis).map(drop),
                Ready::Http(address) => ready(*address).await,
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if start.elapsed() > DEADLINE => {
                    let words = self.process.last_words();
                    return Err(error.context(format!("not ready within {DEADLINE:?} ({words})")));
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // What has ended already is as it should be.
            self.process.kill().ok();
            std::fs::remove_dir_all(folder).ok();
        }
    }
}

/// Asks `/readyz` once.
async fn ready(server: SocketAddr) -> Result<()> {
    let answer = ask(server, "/readyz").await?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("/readyz answers `{status}`");
    }
    Ok(())
}

/// The whole answer to a GET.
async fn ask(server: SocketAddr, path: &str) -> Result<String> {
    let answer = timeout(Duration::from_secs(2), async {
        let mut stream = TcpStream::connect(server).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(1024 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = answer.await.with_context(|| format!("{path} is silent"))?;
    let answer = answer.with_context(|| format!("{path} is unreachable"))?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The value of a series in Prometheus' text format, named with all its labels.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let text = "# TYPE a counter\na{b=\"c\"} 7\nab 8\na 9\n";
        assert_eq!(value(text, "a{b=\"c\"}"), Some(7.0));
        assert_eq!(value(text, "a "), Some(9.0));
        assert_eq!(value(text, "c"), None);
    }
}
