//! A report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::Report;
use super::plot::{Plot, escape};
use super::table::Table;
use crate::probe::Machine;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) fn page(report: &Report, machine: &Machine) -> String {
    let mut body = format!(
        "<h1>{}</h1><p>{}</p><p class=\"m\">{}<br>{} {}</p>",
        escape(report.scenario),
        escape(&report.title),
        escape(&machine.to_string()),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION")
    );
    for fault in &report.faults {
        write!(body, "<p class=\"f\">FAULT: {}</p>", escape(fault)).ok();
    }
    for note in &report.notes {
        write!(body, "<p>{}</p>", escape(note)).ok();
    }
    for table in &report.tables {
        self::table(&mut body, table);
    }
    for plot in &report.plots {
        self::plot(&mut body, plot);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n",
        escape(report.scenario)
    )
}

fn table(out: &mut String, table: &Table) {
    write!(out, "<h2>{}</h2><div class=\"t\"><table><thead>", escape(table.title())).ok();
    let mut row = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        write!(out, "<tr>{}</tr>", cells.concat()).ok();
    };
    row(&mut table.columns().iter().copied());
    for cells in table.rows() {
        row(&mut cells.iter().map(String::as_str));
    }
    out.push_str("</thead></table></div>");
}

fn plot(out: &mut String, plot: &Plot) {
    write!(out, "<figure><figcaption>{}</figcaption>", escape(&plot.title)).ok();
    for (index, name) in plot.legend().into_iter().enumerate() {
        write!(out, "<span class=\"k k{}\">{}</span>", index % 6, escape(name)).ok();
    }
    write!(out, "{}</figure>", plot.svg()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_all_that_was_found_and_asks_for_nothing() {
        let mut found = Table::new("CPU", &["", "µs"]);
        found.row(["a<b".to_owned(), "5.00".to_owned()]);
        let report = Report {
            scenario: "unicast",
            title: "10 users".into(),
            tables: vec![found],
            plots: vec![Plot::lines("Memory", "s", "MiB").with("server", vec![(0.0, 1.0)])],
            notes: vec!["Limited by nothing.".into()],
            faults: vec!["1 lost".into()],
            data: serde_json::Value::Null,
        };
        let page = page(&report, &Machine::read());
        for text in ["10 users", "a&lt;b", "Limited by nothing.", "FAULT: 1 lost", "<svg", "Memory"]
        {
            assert!(page.contains(text), "{text} is missing");
        }
        let asks = ["http://", "https://", "src=", "<script", "@import", "url("];
        assert!(asks.iter().all(|ask| !page.contains(ask)), "{page}");
        assert!(page.contains("prefers-color-scheme"));
    }
}
