use std::fs::File;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// How the text of an option is read, and what a person is told when it cannot be.
pub(super) struct Kind<T> {
    pub(super) allowed: &'static str,
    pub(super) example: &'static str,
    /// The error completes the sentence "the value …" and does not repeat a secret.
    pub(super) parse: fn(&str) -> Result<T, String>,
}

const DAY: Duration = Duration::from_hours(24);

/// Shorter would spin, longer could overflow a deadline.
const DURATIONS: RangeInclusive<Duration> = Duration::from_millis(10)..=DAY.saturating_mul(365);

/// A duration that must not be zero.
pub(super) const DURATION: Kind<Duration> = Kind {
    allowed: "a number with a unit (ms, s, m, h, d), from 10ms to 365d",
    example: "10s",
    parse: duration,
};

/// A duration that may be `0`.
pub(super) const DURATION_OR_ZERO: Kind<Duration> = Kind {
    allowed: "0, or a number with a unit (ms, s, m, h, d), from 10ms to 365d",
    example: "10s",
    parse: |text| if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) },
};

pub(super) const SWITCH: Kind<bool> = Kind {
    allowed: "true or false",
    example: "false",
    parse: |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    },
};

/// Text that is compared or sent as it is.
pub(super) const TEXT: Kind<String> = Kind {
    allowed: "text without control characters",
    example: "https://id.example.com",
    parse: text,
};

pub(super) const PEM_FILE: Kind<PathBuf> = Kind {
    allowed: "the path of a PEM file that this process may read",
    example: "/etc/campanile/tls.pem",
    parse: readable_file,
};

/// A bound of peers; `0` is none.
pub(super) const LIMIT: Kind<Option<u32>> = Kind {
    allowed: "a whole number; 0 for no limit",
    example: "32",
    parse: |text| whole_number(text, 0..=u32::MAX).map(|limit| (limit > 0).then_some(limit)),
};

fn duration(text: &str) -> Result<Duration, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("has no unit".to_owned());
    }
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("is no duration ({error})"))?;
    if DURATIONS.contains(&duration) { Ok(duration) } else { Err("is out of range".to_owned()) }
}

pub(super) fn text(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn whole_number<T>(text: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd,
{
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is no whole number".to_owned());
    }
    // All digits: what fails to parse is too large.
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| "is out of range".to_owned())
}

/// Bytes, optionally in `KiB` or `MiB`.
pub(super) fn bytes(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let number = whole_number(number.trim_end(), 0..=usize::MAX)?;
    let bytes = number.checked_mul(unit).filter(|bytes| range.contains(bytes));
    bytes.ok_or_else(|| "is out of range".to_owned())
}

/// Reads every member of a comma-separated list; white space around members does not count.
pub(super) fn list<T>(
    text: &str,
    member: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    text.split(',')
        .map(|part| match part.trim() {
            "" => Err("has an empty member".to_owned()),
            part => member(part).map_err(|reason| format!("has {part:?}, which {reason}")),
        })
        .collect()
}

fn readable_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let readable = path.metadata().and_then(|metadata| {
        if metadata.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        // Opening a pipe would wait for its writer.
        if metadata.is_file() { File::open(&path).map(drop) } else { Ok(()) }
    });
    readable.map(|()| path).map_err(|error| format!("cannot be read ({error})"))
}
