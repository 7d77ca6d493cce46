use serde::Deserialize;
use serde_json::value::RawValue;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Answered with `pong`; not the control frame of RFC 6455.
    Ping,
    /// `get_unread_count`.
    GetUnreadCount,
    /// `mark_read`.
    MarkRead {
        /// `notification_id`; a JSON number comes as its digits.
        id: String,
    },
    /// `mark_all_read`.
    MarkAllRead,
    /// Takes a notification out of the inbox.
    Delete {
        /// As of [`MarkRead`](Self::MarkRead).
        id: String,
    },
    /// One page of the inbox.
    List {
        /// At most this many; `None`: as many as the server likes.
        limit: Option<u32>,
        /// Where the previous page ended; `None`: the first page.
        before: Option<String>,
        /// Only what is unread.
        unread: bool,
    },
    /// Replaces the token of this connection by a newer one of the same user.
    Refresh {
        /// Not verified yet.
        token: String,
    },
    /// Names the user; only as the first frame of a connection that came without a token.
    Auth {
        /// Not verified yet.
        token: String,
    },
}

/// A command, and what the client wants echoed with its answer.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub command: Command,
    /// The member `ref` as it came: any JSON.
    pub reference: Option<Box<RawValue>>,
}

/// An inbound text that is no command. `code` goes on the wire.
#[derive(Debug)]
pub struct BadCommand {
    /// `bad_json`, `bad_fields` or `unknown_type`.
    pub code: &'static str,
    /// For the developer of the client.
    pub text: String,
    /// `ref`, where the frame could be read that far.
    pub reference: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    reference: Option<Box<RawValue>>,
    notification_id: Option<Id>,
    token: Option<String>,
    limit: Option<u32>,
    before: Option<String>,
    #[serde(default)]
    unread: bool,
}

/// Ids are strings or numbers on the wire and text inside.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl Request {
    /// Reads `{"type":…}`; unknown members are ignored.
    ///
    /// # Errors
    /// Not JSON, not an object with a `type`, an unknown `type`, or a field that is missing or of the
    /// wrong kind.
    pub fn read(text: &str) -> Result<Self, BadCommand> {
        let frame: Frame = serde_json::from_str(text).map_err(|e| {
            let (code, text) = if e.is_data() {
                ("bad_fields", format!("expected an object with a \"type\": {e}"))
            } else {
                ("bad_json", "the frame is not JSON".to_owned())
            };
            BadCommand { code, text, reference: None }
        })?;
        let Frame { kind, reference, notification_id, token, limit, before, unread } = frame;
        let id = notification_id.map(|id| match id {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        });
        let missing = |field: &str| format!("\"{kind}\" needs \"{field}\"");
        let command = match kind.as_str() {
            "ping" => Ok(Command::Ping),
            "get_unread_count" => Ok(Command::GetUnreadCount),
            "mark_all_read" => Ok(Command::MarkAllRead),
            "list" => Ok(Command::List { limit, before, unread }),
            "mark_read" => {
                id.map(|id| Command::MarkRead { id }).ok_or_else(|| missing("notification_id"))
            }
            "delete" => {
                id.map(|id| Command::Delete { id }).ok_or_else(|| missing("notification_id"))
            }
            "refresh" => {
                token.map(|token| Command::Refresh { token }).ok_or_else(|| missing("token"))
            }
            "auth" => token.map(|token| Command::Auth { token }).ok_or_else(|| missing("token")),
            _ => {
                let text = "unknown \"type\"; known are ping, get_unread_count, mark_read, \
                            mark_all_read, delete, list and refresh"
                    .to_owned();
                return Err(BadCommand { code: "unknown_type", text, reference });
            }
        };
        match command {
            Ok(command) => Ok(Self { command, reference }),
            Err(text) => Err(BadCommand { code: "bad_fields", text, reference }),
        }
    }
}
