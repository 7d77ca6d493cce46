use super::kind::Kind;
use super::{Problem, Problems, Setting, Warning};

/// Longest part of a refused value that is repeated in a problem, in characters.
const SHOWN: usize = 80;

/// Turns raw options into values and remembers everything that is wrong with them.
///
/// Its methods return [`Refused`] after noting a problem, so that reading goes on with the next
/// option.
#[derive(Debug, Default)]
pub struct Reader {
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

/// A value that could not be read; the [`Reader`] knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Runs `read` and gives its value with the warnings, or every problem it met.
///
/// `read` should read all its parts before it combines them: an early `?` would hide problems.
pub fn collect<T>(
    read: impl FnOnce(&mut Reader) -> Result<T, Refused>,
) -> Result<(T, Vec<Warning>), Problems> {
    let mut reader = Reader::default();
    match read(&mut reader) {
        Ok(value) if reader.problems.is_empty() => Ok((value, reader.warnings)),
        _ => Err(Problems::new(reader.problems)),
    }
}

impl Reader {
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        raw: &str,
        kind: &Kind<T>,
    ) -> Result<T, Refused> {
        let raw = raw.trim();
        let shown = if raw.is_empty() { "it".to_owned() } else { shorten(raw) };
        self.parse(Setting::new(name), raw, &shown, kind)
    }

    /// `None` when the option is not set.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        raw: Option<&str>,
        kind: &Kind<T>,
    ) -> Result<Option<T>, Refused> {
        raw.map(|raw| self.value(name, raw, kind)).transpose()
    }

    /// As [`Reader::value`], but the value is neither trimmed nor repeated in a problem.
    pub(super) fn secret<T>(
        &mut self,
        setting: Setting,
        raw: &str,
        kind: &Kind<T>,
    ) -> Result<T, Refused> {
        self.parse(setting, raw, "it", kind)
    }

    pub(super) fn problem(&mut self, name: &'static str, text: impl Into<String>) {
        self.problems.push(Problem::new(Setting::new(name), text));
    }

    pub(super) fn warn(&mut self, setting: Setting, text: &str) {
        self.warnings.push(Warning::new(format!("{setting}: {text}")));
    }

    fn parse<T>(
        &mut self,
        setting: Setting,
        raw: &str,
        shown: &str,
        kind: &Kind<T>,
    ) -> Result<T, Refused> {
        let parsed = if raw.is_empty() {
            Err("is empty (leave it unset to get the default)".to_owned())
        } else {
            (kind.parse)(raw)
        };
        parsed.map_err(|reason| {
            let Kind { allowed, example, .. } = kind;
            let text = format!("{shown} {reason}; allowed: {allowed}; example: {example}");
            self.problems.push(Problem::new(setting, text));
            Refused
        })
    }
}

/// Quotes a value for one line of text.
fn shorten(raw: &str) -> String {
    match raw.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", raw.get(..end).unwrap_or_default()),
        None => format!("{raw:?}"),
    }
}
