//! A child process that cannot outlive its owner.

use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wait::seen;

/// What a process that ran to its end left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running child; dropping it kills it with SIGKILL and reaps it.
///
/// Children stay in the process group of the test binary, so that Ctrl-C reaches them too.
pub(crate) struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    stdin: Mutex<Option<ChildStdin>>,
    stdout: Capture,
    stderr: Capture,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::start(command.stdin(Stdio::null()))
    }

    /// The same, with an open standard input for [`Self::write_line`].
    pub(crate) fn spawn_listening(command: &mut Command) -> Self {
        Self::start(command.stdin(Stdio::piped()))
    }

    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Capture::of(child.stderr.take().expect("stderr is piped"));
        let stdin = Mutex::new(child.stdin.take());
        Self { name, pid: child.id(), child: Mutex::new(child), stdin, stdout, stderr }
    }

    /// Runs the command to its end.
    pub(crate) async fn run(command: &mut Command, within: Duration) -> Output {
        let process = Self::spawn(command);
        let status = process.wait_exit(within).await;
        Output { status, stdout: process.stdout(), stderr: process.stderr() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes to the standard input of a process that was spawned listening.
    pub(crate) fn write_line(&self, line: &str) {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = stdin.as_mut().expect("it was spawned listening");
        writeln!(stdin, "{line}").unwrap_or_else(|_| panic!("{} does not read", self.name));
    }

    /// What it wrote to standard output until now.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to standard error until now.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The status, once the process has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().expect("the state of a child can be asked for")
    }

    /// Sends a signal by its name (`TERM`, `STOP`, `CONT`, ...).
    pub(crate) fn signal(&self, signal: &str) {
        // A reaped id may already belong to a stranger.
        assert!(self.exited().is_none(), "{} has ended before SIG{signal}", self.name);
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.pid.to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "SIG{signal} did not reach {}", self.name);
    }

    /// Kills with SIGKILL, which also ends a stopped process, and reaps.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Both fail only for a process that is gone, which is what is wanted.
        child.kill().ok();
        child.wait().ok();
    }

    /// Waits for the end and for the last of the output.
    pub(crate) async fn wait_exit(&self, within: Duration) -> ExitStatus {
        let what = format!("{} (pid {}) exits", self.name, self.pid);
        let status = seen(&what, within, || self.exited()).await;
        seen("the output of an ended process ends", within, || {
            (self.stdout.ended() && self.stderr.ended()).then_some(())
        })
        .await;
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One output stream, read by a thread of its own so that a full pipe never stops the child.
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Capture {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend(&chunk[..read]);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ended(&self) -> bool {
        self.reader.is_finished()
    }
}
