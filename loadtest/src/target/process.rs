//! A child process that never outlives the tool.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;

/// Children so far: several may have the same name.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A running child; dropping it kills it by its pid and waits for it.
pub(crate) struct Process {
    name: &'static str,
    command: Command,
    child: Child,
    log: Option<PathBuf>,
}

impl Process {
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Result<Self> {
        let child = start(name, &mut command)?;
        Ok(Self { name, command, child, log: None })
    }

    /// As `spawn`; what the child prints goes to a temporary file that dies with it.
    pub(crate) fn spawn_logged(name: &'static str, mut command: Command) -> Result<Self> {
        let serial = STARTED.fetch_add(1, Ordering::Relaxed);
        let file = format!("campanile-loadtest-{}-{serial}-{name}.log", std::process::id());
        let path = std::env::temp_dir().join(file.replace(' ', "-"));
        let log =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        match Self::spawn(name, command) {
            Ok(mut process) => {
                process.log = Some(path);
                Ok(process)
            }
            Err(error) => {
                fs::remove_file(&path).ok();
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The piped standard input and output; once.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take())
    }

    /// Kills it at once (SIGKILL).
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) async fn end(&mut self, patience: Duration) -> Result<()> {
        // The standard library sends no signal but SIGKILL.
        let pid = self.pid().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).status()?;
        ensure!(sent.success(), "cannot signal {}", self.name);
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            let name = self.name;
            ensure!(start.elapsed() < patience, "{name} has not ended within {patience:?}");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Starts it again as before, after its end.
    pub(crate) fn again(&mut self) -> Result<()> {
        self.child = start(self.name, &mut self.command)?;
        Ok(())
    }

    /// Fails, with the last line it printed, when the child has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended at once ({status}): {}", self.name, self.last_words());
        }
        Ok(())
    }

    pub(crate) fn last_words(&self) -> String {
        let text = self.log.as_ref().and_then(|log| fs::read_to_string(log).ok());
        let text = text.unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("it printed nothing").trim().chars().take(300).collect()
    }
}

fn start(name: &str, command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("cannot start {name} (`{program}`)"))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child has ended already, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(log) = &self.log {
            fs::remove_file(log).ok();
        }
    }
}
