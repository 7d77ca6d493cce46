use std::fmt;

/// One option, known by its flag and its variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    name: &'static str,
    prefix: &'static str,
}

impl Setting {
    /// The option with this flag (without the dashes).
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, prefix: "CAMPANILE_" }
    }

    /// An option whose variable belongs to another system and has no prefix.
    pub(super) const fn foreign(name: &'static str) -> Self {
        Self { name, prefix: "" }
    }

    /// Such as `--redis-url`.
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// Such as `CAMPANILE_REDIS_URL`.
    pub fn variable(&self) -> String {
        format!("{}{}", self.prefix, self.name.replace('-', "_").to_ascii_uppercase())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.flag(), self.variable())
    }
}

/// Why the configuration cannot be used. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    setting: Setting,
    text: String,
}

impl Problem {
    pub(super) fn new(setting: Setting, text: impl Into<String>) -> Self {
        Self { setting, text: text.into() }
    }

    /// The option to change.
    pub fn setting(&self) -> Setting {
        self.setting
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.text)
    }
}

/// Everything that is wrong at once. Displays as one line per problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// In the order in which the options were read; at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "problem" } else { "problems" };
        write!(f, "{} {plural} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Something that works but is probably not meant. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(String);

impl Warning {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
