//! Values of labels: closed sets.

/// How notifications come in.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Heard on a channel.
    Pubsub,
    /// Appended to a log, by whichever lane.
    Log,
    /// `POST /api/publish`.
    Http,
    /// Heard by pattern only, for users who are not connected.
    Capture,
    /// Emitted by a Socket.IO server or emitter.
    Adapter,
}

impl Source {
    pub(super) const ALL: [Self; 5] =
        [Self::Pubsub, Self::Log, Self::Http, Self::Capture, Self::Adapter];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Pubsub => "pubsub",
            Self::Log => "log",
            Self::Http => "http",
            Self::Capture => "capture",
            Self::Adapter => "adapter",
        }
    }
}

/// What came of reading a log for what sockets have missed.
#[derive(Clone, Copy, Debug)]
pub enum Replay {
    /// A client came back and nothing is missing.
    Recovered,
    /// A client came back and was told that something is missing.
    Lost,
    /// Open sockets were given what had not been heard.
    Repaired,
    /// Open sockets were told that something is missing.
    LostWhileOpen,
    /// Redis did not answer.
    Away,
}

impl Replay {
    pub(super) const ALL: [Self; 5] =
        [Self::Recovered, Self::Lost, Self::Repaired, Self::LostWhileOpen, Self::Away];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Lost => "lost",
            Self::Repaired => "repaired",
            Self::LostWhileOpen => "lost_while_open",
            Self::Away => "away",
        }
    }
}
