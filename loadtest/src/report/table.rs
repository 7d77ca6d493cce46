//! Plain tables: a label column, then numbers aligned to the right.

use std::fmt;

/// A table with a title; all rows have as many cells as there are columns.
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    pub(super) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count());
        cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let widths: Vec<usize> = (0..self.columns.len()).map(|c| self.width(c)).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &mut dyn Iterator<Item = &str>| {
            for (column, (cell, width)) in cells.zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "  {cell:<width$}")?,
                    _ => write!(f, "   {cell:>width$}")?,
                }
            }
            Ok(())
        };
        line(f, &mut self.columns.iter().copied())?;
        for row in &self.rows {
            writeln!(f)?;
            line(f, &mut row.iter().map(String::as_str))?;
        }
        Ok(())
    }
}

/// A number with about three significant digits and thousands separated.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A cell that may be unknown.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_separate_thousands() {
        for (value, text) in [
            (0.0, "0.00"),
            (4.567, "4.57"),
            (45.67, "45.7"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(cell(None), "–");
    }

    #[test]
    fn columns_align_to_the_right_behind_their_label() {
        let mut table = Table::new("CPU", &["", "µs", "per s"]);
        table.row(["gateway".to_owned(), number(5.0), number(12_000.0)]);
        table.row(["floor".to_owned(), cell(None), number(7.0)]);
        let want =
            "CPU\n              µs    per s\n  gateway   5.00   12,000\n  floor        –     7.00";
        assert_eq!(table.to_string(), want);
    }
}
