//! The child's side. It speaks lines on its standard streams: it prints its port, takes
//! `write <run> <bytes> <rate>` (rate 0: as fast as the sockets take it), `all <run> <bytes> <rate> <clock>`
//! (each message to all of them, stamped by the clock with that zero) and `stop`, and answers each `stop` with
//! the frames written. It ends when its standard input does.

use std::io::{BufRead, Write, stdin, stdout};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::client::{ACCEPT, head_end, text_frame};
use crate::publish::notification;
use crate::record::{Clock, STAMP, fill_stamp};
use crate::stats::{float, whole};

/// What a floor does with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Writes to it.
    Write,
    /// Answers the request on it with 101, and then holds it.
    Answer,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FloorArgs {
    /// Streams to accept
    #[arg(long)]
    connections: usize,
    /// Answer a handshake on each
    #[arg(long)]
    answer: bool,
}

/// Runs the child until its standard input ends.
pub(crate) fn run(args: &FloorArgs) -> Result<()> {
    let (lines, mut inbox) = mpsc::channel(4);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        // As much as the kernel allows by default: a storm comes at once.
        let listener = socket.listen(4_096)?;
        say(listener.local_addr()?.port().into())?;
        let (sender, streams) = watch::channel(Vec::new());
        let manner = if args.answer { Manner::Answer } else { Manner::Write };
        spawn_local(accept(listener, args.connections, manner, sender));
        while let Some(line) = inbox.recv().await {
            let words: Vec<&str> = line.split(' ').collect();
            let (clock, [run, bytes, rate]) = match words[..] {
                ["write", run, bytes, rate] => (None, [run, bytes, rate]),
                ["all", run, bytes, rate, clock] => (Some(clock), [run, bytes, rate]),
                _ => bail!("unknown line `{line}`"),
            };
            let run = run.as_bytes().try_into().context("a run has 8 characters")?;
            let (frame, rate) = (text_frame(&notification(run, bytes.parse()?)), rate.parse()?);
            let streams = streams.borrow().clone();
            say(match clock {
                None => write(&streams, frame, rate, &mut inbox).await?,
                Some(zero) => {
                    let clock = Clock::join(zero.parse()?);
                    write_to_all(&streams, frame, rate, clock, &mut inbox).await?
                }
            })?;
        }
        Ok(())
    }))
}

fn say(number: u64) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{number}")?;
    Ok(out.flush()?)
}

async fn accept(
    listener: TcpListener,
    count: usize,
    manner: Manner,
    streams: watch::Sender<Vec<Rc<TcpStream>>>,
) {
    for _ in 0..count {
        let Ok((stream, _)) = listener.accept().await else { break };
        // Without it the floor would be slowed by Nagle's algorithm; a stream that refuses is gone.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let stream = Rc::new(stream);
        if manner == Manner::Answer {
            spawn_local(answer(stream));
            continue;
        }
        spawn_local(hold(Rc::clone(&stream)));
        streams.send_modify(|all| all.push(stream));
    }
}

/// Answers a request with 101 without looking at it, then holds the stream.
async fn answer(stream: Rc<TcpStream>) {
    let mut head = Vec::new();
    while head_end(&head).is_none() {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read_buf(&mut head) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
    drop(head);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    // A client that went away is no concern of a floor.
    write_all(&stream, answer.as_bytes()).await.ok();
    hold(stream).await;
}

/// Reads a stream to its end, as any server must to notice it.
async fn hold(stream: Rc<TcpStream>) {
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut [0; 64]) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Writes round-robin until a line comes; returns the frames written.
async fn write(
    streams: &[Rc<TcpStream>],
    mut frame: Vec<u8>,
    rate: f64,
    inbox: &mut mpsc::Receiver<String>,
) -> Result<u64> {
    let stamp = stamp_of(&frame)?;
    let start = Instant::now();
    let mut written = 0;
    let mut targets = streams.iter().cycle();
    while inbox.is_empty() {
        let due = match rate {
            0.0 => 64,
            rate => whole(start.elapsed().as_secs_f64() * rate).saturating_sub(written),
        };
        for stream in targets.by_ref().take(usize::try_from(due)?) {
            fill_stamp(&mut frame[stamp..stamp + STAMP], written, 0);
            write_all(stream, &frame).await?;
            written += 1;
        }
        if rate == 0.0 {
            yield_now().await;
        } else {
            let next = Duration::from_secs_f64(float(written + 1) / rate);
            tokio::time::sleep(next.saturating_sub(start.elapsed())).await;
        }
    }
    inbox.recv().await;
    Ok(written)
}

/// Writes message after message until a line comes, each to all streams; returns the frames written. A message
/// is stamped when its turn comes, so that the floor is never late.
async fn write_to_all(
    streams: &[Rc<TcpStream>],
    mut frame: Vec<u8>,
    rate: f64,
    clock: Clock,
    inbox: &mut mpsc::Receiver<String>,
) -> Result<u64> {
    let stamp = stamp_of(&frame)?;
    let start = Instant::now();
    let (mut number, mut written) = (0, 0);
    while inbox.is_empty() {
        fill_stamp(&mut frame[stamp..stamp + STAMP], number, clock.now());
        for stream in streams {
            write_all(stream, &frame).await?;
            written += 1;
        }
        number += 1;
        let next = Duration::from_secs_f64(float(number) / rate);
        tokio::time::sleep(next.saturating_sub(start.elapsed())).await;
    }
    inbox.recv().await;
    Ok(written)
}

fn stamp_of(frame: &[u8]) -> Result<usize> {
    frame.windows(3).position(|w| w == b"lt-").context("a frame without a stamp")
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                stream.writable().await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
