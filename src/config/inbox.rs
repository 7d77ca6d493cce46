use std::time::Duration;

use super::kind::{DURATION, Kind, SWITCH, whole_number};
use super::{Reader, Refused};

/// Above it, scripts that read a whole log would hold Redis up for more than a few milliseconds.
const MAX_SIZE: usize = 10_000;

const INBOX_SIZE: Kind<usize> = Kind {
    allowed: "a whole number up to 10000; 0 for no inbox",
    example: "200",
    parse: |text| whole_number(text, 0..=MAX_SIZE),
};

/// What is kept for each user.
#[derive(Clone, Copy, Debug)]
pub struct Inbox {
    /// Notifications of one user; 0: there is no inbox.
    pub size: usize,
    /// How long a notification is kept.
    pub ttl: Duration,
    /// Plain `PUBLISH` is kept too; never without an inbox.
    pub capture: bool,
}

/// Raw options of [`Inbox`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Inbox")]
pub struct InboxArgs {
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,

    /// Keep what comes by plain PUBLISH too, as long as one replica runs.
    ///
    /// Redis then has to allow PSUBSCRIBE to the pattern of all user channels.
    #[arg(long, env = "CAMPANILE_CAPTURE", value_name = "BOOL", default_value = "true")]
    pub capture: String,
}

/// How much is kept, for everyone who appends; the same on all of them.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Inbox")]
pub struct RetentionArgs {
    /// Notifications kept for each user; 0 turns the inbox off.
    ///
    /// Beyond it the oldest are forgotten, read or not. Each takes its own size and 250 bytes in Redis.
    #[arg(long, env = "CAMPANILE_INBOX_SIZE", value_name = "COUNT", default_value = "200")]
    pub inbox_size: String,

    /// How long a notification is kept.
    #[arg(long, env = "CAMPANILE_INBOX_TTL", value_name = "DURATION", default_value = "30d")]
    pub inbox_ttl: String,
}

impl InboxArgs {
    /// The values, or a note in `reader` of what is wrong with them.
    pub fn read(&self, reader: &mut Reader) -> Result<Inbox, Refused> {
        let kept = self.retention.read(reader);
        let capture = reader.value("capture", &self.capture, &SWITCH);
        let (kept, capture) = (kept?, capture?);
        Ok(Inbox { capture: capture && kept.size > 0, ..kept })
    }
}

impl RetentionArgs {
    /// As [`InboxArgs::read`], for those who capture nothing.
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Inbox, Refused> {
        let size = reader.value("inbox-size", &self.inbox_size, &INBOX_SIZE);
        let ttl = reader.value("inbox-ttl", &self.inbox_ttl, &DURATION);
        Ok(Inbox { size: size?, ttl: ttl?, capture: false })
    }
}
