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
    /// Taken from the queue.
    Amqp,
    /// Emitted by a Socket.IO server or emitter.
    Adapter,
}

impl Source {
    /// Indexed by `source as usize`.
    pub(super) const ALL: [Self; 6] =
        [Self::Pubsub, Self::Log, Self::Http, Self::Capture, Self::Amqp, Self::Adapter];

    /// The metric's `source`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Pubsub => "pubsub",
            Self::Log => "log",
            Self::Http => "http",
            Self::Capture => "capture",
            Self::Amqp => "amqp",
            Self::Adapter => "adapter",
        }
    }
}

/// What came of a message of the queue.
#[derive(Clone, Copy, Debug)]
pub enum Taken {
    /// Published, and RabbitMQ was told.
    Acked,
    /// Moved to the queue of the dead, and RabbitMQ was told.
    Dead,
    /// An attempt to publish it failed; it stays in hand.
    Retried,
    /// RabbitMQ had handed it out before.
    Redelivered,
}

impl Taken {
    pub(super) const ALL: [Self; 4] = [Self::Acked, Self::Dead, Self::Retried, Self::Redelivered];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Dead => "dead",
            Self::Retried => "retried",
            Self::Redelivered => "redelivered",
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

/// What came of a notification that was due to be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailed {
    /// The mail server has taken it.
    Sent,
    /// It was not taken and is tried again; counts every time.
    Retried,
    /// It is refused for good, or the address is none.
    Failed,
    /// It was tried for too long.
    Expired,
    /// It was read in time.
    Read,
    /// It was deleted, or trimmed from the log.
    Gone,
    /// It was held for so long that another replica may have sent it.
    Lost,
}

impl Mailed {
    pub(super) const ALL: [Self; 7] = [
        Self::Sent,
        Self::Retried,
        Self::Failed,
        Self::Expired,
        Self::Read,
        Self::Gone,
        Self::Lost,
    ];

    /// As metrics and logs name it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Read => "read",
            Self::Gone => "gone",
            Self::Lost => "lost",
        }
    }
}
