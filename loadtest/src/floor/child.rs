//! The tool's side of the floor process.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use super::writer::Manner;
use crate::client::Dialect;
use crate::record::{Clock, RunId};
use crate::target::Process;
use crate::worker::{Crowd, Plan, Server};

/// A floor process with sockets connected to it.
pub(crate) struct Floor {
    /// Its sockets; they receive the same frames as the gateway's.
    pub(crate) crowd: Crowd,
    process: Process,
    lines: ChildStdin,
    answers: Option<BufReader<ChildStdout>>,
}

impl Floor {
    /// Starts the process for up to `connections` sockets; none is opened yet.
    pub(crate) async fn start(manner: Manner, connections: usize, clock: Clock) -> Result<Self> {
        let own = std::env::current_exe().context("where is this tool?")?;
        let mut command = Command::new(own);
        command.args(["floor", "--connections", &connections.to_string()]);
        if manner == Manner::Answer {
            command.arg("--answer");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn("the floor", command)?;
        let (lines, answers) = process.pipes().context("the floor has no pipes")?;
        let (port, answers) = number(BufReader::new(answers)).await?;
        let address = ([127, 0, 0, 1], u16::try_from(port)?).into();
        // The same request as a gateway gets, with a token.
        let (dialect, secret) = match manner {
            Manner::Write => (Dialect::Raw, None),
            Manner::Answer => (Dialect::Bare, Some("a floor checks no token")),
        };
        let plan = Plan {
            servers: vec![Server { host: format!("127.0.0.1:{port}"), address }],
            dialect,
            path: dialect.path().to_owned(),
            channel: String::new(),
            secret: secret.map(str::to_owned),
            users: connections,
            clients: connections,
            come_back: None,
            receive_buffer: None,
            worker: 0,
            workers: 1,
            clock: 0,
        };
        let crowd = Crowd::start(&plan, None, clock)?;
        Ok(Self { crowd, process, lines, answers: Some(answers) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Begins to write notifications of `bytes` bytes at `rate` per second, or, with 0, as fast as
    /// the sockets take them.
    pub(crate) fn write(&mut self, run: RunId, bytes: u64, rate: f64) -> Result<()> {
        let run = String::from_utf8_lossy(&run).into_owned();
        writeln!(self.lines, "write {run} {bytes} {rate}").context("the floor process is gone")
    }

    /// Begins to write notifications of `bytes` bytes, `rate` per second, each to all sockets.
    pub(crate) fn write_to_all(
        &mut self,
        run: RunId,
        bytes: u64,
        rate: f64,
        clock: Clock,
    ) -> Result<()> {
        let (run, zero) = (String::from_utf8_lossy(&run).into_owned(), clock.zero());
        writeln!(self.lines, "all {run} {bytes} {rate} {zero}").context("the floor process is gone")
    }

    /// Ends the writing; returns the frames written.
    pub(crate) async fn stop(&mut self) -> Result<u64> {
        writeln!(self.lines, "stop").context("the floor process is gone")?;
        let answers = self.answers.take().context("the floor was cut off before")?;
        let (written, answers) = number(answers).await?;
        self.answers = Some(answers);
        Ok(written)
    }
}

async fn number(mut from: BufReader<ChildStdout>) -> Result<(u64, BufReader<ChildStdout>)> {
    tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let number = line.trim().parse().context("the floor process ended early")?;
        Ok((number, from))
    })
    .await?
}
