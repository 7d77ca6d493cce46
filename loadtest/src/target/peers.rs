//! What a user would run instead: small servers for Node.js, with the packages that their lock file
//! pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Where they are in the repository.
const FOLDER: &str = "loadtest/peers";

/// The folder of the peers, their packages installed.
pub(super) fn folder(asked: Option<&Path>) -> Result<PathBuf> {
    let folder = match asked {
        Some(folder) => folder.to_owned(),
        None => find().with_context(|| {
            format!("no {FOLDER} above here or above this tool: name it with --peers DIR")
        })?,
    };
    install(&folder)?;
    Ok(folder)
}

/// Looks upwards from the working directory, then from this tool.
fn find() -> Option<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let above = |start: PathBuf| {
        let found = start.ancestors().map(|up| up.join(FOLDER));
        found.into_iter().find(|folder| folder.join("package-lock.json").is_file())
    };
    starts.into_iter().flatten().find_map(above)
}

/// Runs `npm ci` unless what the lock file says is there.
fn install(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let wanted = fs::read_to_string(&lock)
        .with_context(|| format!("{} holds no peers (no package-lock.json)", folder.display()))?;
    let installed = folder.join("node_modules/installed");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    let npm = Command::new("npm").args(["ci", "--silent"]).current_dir(folder).output();
    let output = npm.context("the peers need Node.js with npm")?;
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    ensure!(output.status.success(), "npm ci in {} failed: {last}", folder.display());
    fs::write(installed, wanted).context("noting what is installed")
}
