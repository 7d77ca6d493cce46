//! A child process that never outlives the tool.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

/// Children so far: several may have the same name.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A running child; dropping it kills it by its pid and waits for it.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: Option<PathBuf>,
}

impl Process {
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            command.spawn().with_context(|| format!("cannot start {name} (`{program}`)"))?;
        Ok(Self { name, child, log: None })
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
