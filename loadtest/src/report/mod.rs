//! What a scenario found: for a person as tables and as a page with plots, for a program as JSON.

mod html;
mod plot;
mod progress;
mod table;

use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(crate) use plot::{Bar, Plot};
pub(crate) use progress::Progress;
pub(crate) use table::{Table, cell, number};

use crate::probe::Machine;

/// A finished scenario.
pub(crate) struct Report {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// One line: what was run.
    pub(crate) title: String,
    pub(crate) tables: Vec<Table>,
    /// For the page.
    pub(crate) plots: Vec<Plot>,
    /// What limited the run, and what the figures leave out.
    pub(crate) notes: Vec<String>,
    /// What went wrong while measuring; any makes the exit code 1.
    pub(crate) faults: Vec<String>,
    /// Settings, rounds and medians.
    pub(crate) data: Value,
}

impl Report {
    /// Prints the report to standard output.
    pub(crate) fn print(&self, machine: &Machine) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{}: {}\nmachine: {machine}", self.scenario, self.title)?;
        for table in &self.tables {
            writeln!(out, "\n{table}")?;
        }
        if !self.notes.is_empty() {
            writeln!(out)?;
        }
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        for fault in &self.faults {
            writeln!(out, "FAULT: {fault}")?;
        }
        Ok(())
    }

    /// Writes the report as one JSON object.
    pub(crate) fn save(&self, machine: &Machine, path: &Path) -> Result<()> {
        let value = json!({
            "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "machine": machine,
            "scenario": self.scenario,
            "title": self.title,
            "notes": self.notes,
            "faults": self.faults,
            "result": self.data,
        });
        let text = serde_json::to_string_pretty(&value)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the report as one HTML page with plots, which needs nothing else.
    pub(crate) fn save_page(&self, machine: &Machine, path: &Path) -> Result<()> {
        let page = html::page(self, machine);
        fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
    }
}
