use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{Log, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Not what `tracing_subscriber::EnvFilter` understands; a validated [`Log`] cannot cause it.
    #[error("invalid log filter")]
    Filter(#[from] ParseError),
    /// Logging can be set up once in a process.
    #[error("logging is already set up")]
    AlreadySet(#[from] SetGlobalDefaultError),
}

/// Logs to standard error for the rest of the process, in colour only on a terminal
/// (and never with `NO_COLOR`).
pub fn init(log: &Log) -> Result<(), InitError> {
    let subscriber = subscriber(log, io::stderr, io::stderr().is_terminal())?;
    Ok(set_global_default(subscriber)?)
}

fn subscriber<W>(
    log: &Log,
    writer: W,
    terminal: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_writer(writer).with_env_filter(filter);
    Ok(match log.format {
        // Without `with_ansi`, the subscriber itself honours NO_COLOR.
        LogFormat::Text if terminal => Box::new(builder.finish()),
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
        LogFormat::Json => Box::new(builder.with_ansi(false).json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let log = Log { filter: filter.to_owned(), format };
        let subscriber = subscriber(&log, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(user = "42", "socket opened");
            tracing::debug!("delivered");
        });
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_is_one_plain_line_per_event_the_filter_lets_through() {
        let lines = logged("info", LogFormat::Text);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains("socket opened user=\"42\""), "{lines}");
        assert!(!lines.contains('\u{1b}'), "{lines}");
    }

    #[test]
    fn json_has_fields_at_the_top_level() {
        let lines = logged("debug", LogFormat::Json);
        let values: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values.len(), 2, "{lines}");
        assert_eq!(values[0]["message"], "socket opened");
        assert_eq!(values[0]["user"], "42");
        assert_eq!(values[0]["level"], "INFO");
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        let log = Log { filter: "info,=".to_owned(), format: LogFormat::Text };
        assert!(subscriber(&log, io::sink, false).is_err());
    }
}
