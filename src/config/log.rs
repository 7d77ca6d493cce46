use tracing_subscriber::EnvFilter;

use super::kind::Kind;
use super::{Reader, Refused, Setting};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// A `tracing` filter such as `info` or `campanile=debug`.
    pub filter: String,
    /// Of the lines on standard error.
    pub format: LogFormat,
}

/// Whom the lines are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// People; in colour on a terminal.
    Text,
    /// Collectors: one object a line, fields at its top level.
    Json,
}

/// Raw options of [`Log`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// What is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`, also per module,
    /// such as `info,campanile::hub=debug`.
    #[arg(long, env = "CAMPANILE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Form of the lines on standard error: `text` or `json`.
    #[arg(long, env = "CAMPANILE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: String,
}

const FILTER: Kind<String> = Kind {
    allowed: "a level (off, error, warn, info, debug, trace), or module=level pairs with commas",
    example: "info,campanile::hub=debug",
    parse: |text| match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("is no filter ({error})")),
    },
};

const FORMAT: Kind<LogFormat> = Kind {
    allowed: "text or json",
    example: "json",
    parse: |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("is no log format".to_owned()),
    },
};

impl LogArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Log, Refused> {
        let filter = reader.value("log", &self.log, &FILTER);
        let format = reader.value("log-format", &self.log_format, &FORMAT);
        if filter.as_deref().is_ok_and(names_only_modules) {
            reader.warn(
                Setting::new("log"),
                "it names modules but no level (off, error, warn, info, debug, trace), \
                 so nothing else is logged",
            );
        }
        Ok(Log { filter: filter?, format: format? })
    }
}

/// A mistyped level is a valid filter: that of a module with this name.
fn names_only_modules(filter: &str) -> bool {
    filter.split(',').map(|part| part.trim().to_ascii_lowercase()).all(|part| {
        part.bytes().all(|byte| byte.is_ascii_alphabetic()) && !LEVELS.contains(&part.as_str())
    })
}
