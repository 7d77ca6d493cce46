//! A client or publisher of another maker, as a script of `tests/clients`: it prints one JSON value per line,
//! and reads what it is told the same way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::process::Process;
use super::wait::{PATIENCE, seen};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// A running script; dropping it kills it.
pub(crate) struct Script {
    process: Process,
    /// Bytes of its output that were read.
    read: usize,
}

impl Script {
    /// A `.mjs` of the folder, with the packages of its `package.json`.
    pub(crate) fn node(name: &str, arguments: &[&str]) -> Self {
        node_modules();
        Self::start(Command::new("node").arg(Path::new(FOLDER).join(name)).args(arguments))
    }

    /// A `.py` of the folder, with the packages of its `requirements.txt`.
    pub(crate) fn python(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(python());
        Self::start(command.arg("-u").arg(Path::new(FOLDER).join(name)).args(arguments))
    }

    fn start(command: &mut Command) -> Self {
        Self { process: Process::spawn_listening(command), read: 0 }
    }

    /// The next line that it printed; panics with what it wrote to standard error when there is none.
    pub(crate) async fn next(&mut self) -> Value {
        self.next_within(2 * PATIENCE).await
    }

    pub(crate) async fn next_within(&mut self, patience: Duration) -> Value {
        let line = seen("the script prints a line", patience, || {
            let output = self.process.stdout();
            let rest = output.get(self.read..)?;
            let Some((line, _)) = rest.split_once('\n') else {
                let ended = self.process.exited();
                assert!(ended.is_none(), "the script ended:\n{rest}{}", self.process.stderr());
                return None;
            };
            self.read += line.len() + 1;
            Some(line.to_owned())
        })
        .await;
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
    }

    /// The next line with this `event`, past all others.
    pub(crate) async fn next_of(&mut self, event: &str) -> Value {
        loop {
            let line = self.next().await;
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Writes one line to its standard input.
    pub(crate) fn tell(&self, message: &Value) {
        self.process.write_line(&message.to_string());
    }

    /// The whole of it, to end it and to see how it ended.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }
}

/// The packages of `package.json`, installed when they are not.
pub(crate) fn node_modules() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(FOLDER);
    let modules = folder.join("node_modules");
    let lock = fs::read_to_string(folder.join("package-lock.json")).unwrap();
    let installed = modules.join("installed");
    if fs::read_to_string(&installed).unwrap_or_default() != lock {
        run(Command::new("npm").args(["ci", "--silent"]).current_dir(folder));
        fs::write(installed, lock).unwrap();
    }
    modules
}

/// A Python with the packages of `requirements.txt`, installed once per build directory.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| Path::new(FOLDER).join("requirements.txt"));
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let wanted = fs::read_to_string(&*FILE).unwrap();
        let (installed, python) = (home.join("installed"), home.join("bin/python"));
        if fs::read_to_string(&installed).unwrap_or_default() != wanted {
            run(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
            run(Command::new(&python).args(pip).arg(&*FILE));
            fs::write(installed, wanted).unwrap();
        }
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
