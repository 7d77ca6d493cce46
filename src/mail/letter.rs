//! A notification as a mail: one each, in plain text and HTML (RFC 5322, RFC 2046 §5.1.4).

use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::{Address, Message as Mail};
use serde_json::Value;
use uuid::Uuid;

use super::html::{self, Shown};
use crate::broker::mail::{Due, Ticket};
use crate::config::MailSender;
use crate::notification::{MissingId, Notification, Target};

/// Namespace of `Message-ID`s.
const MESSAGE_ID: Uuid = Uuid::from_u128(0x6361_6d70_616e_696c_652d_6d61_696c_2d31);
/// Characters of a subject; what is longer is cut off.
const SUBJECT: usize = 200;
/// Bytes of a link; what is longer is left out.
const LINK: usize = 2000;
/// Placeholder of the unsubscribe address.
const USER: &str = "{user_id}";

/// Ready to be handed over.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
}

/// Why there is no letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoLetter {
    /// The notification does not name an address after all.
    NoAddress,
    /// It names one to which nothing can be sent. The text does not repeat it.
    Unusable(String),
}

/// Writes the letter. Everything but the date is the same however often it is written.
pub(super) fn write(sender: &MailSender, due: &Due, ticket: &Ticket) -> Result<Letter, NoLetter> {
    let appended = Timestamp::from_millisecond(ticket.at.cast_signed()).unwrap_or_default();
    let (target, id) = (Target::User(due.user.as_str()), MissingId::Kept(&due.id));
    let payload = ticket.payload.as_bytes();
    let notification = Notification::parse(payload, target, id, appended, usize::MAX)
        .map_err(|_| NoLetter::NoAddress)?;
    let fields: Value = serde_json::from_str(notification.body()).unwrap_or_default();
    let to = match fields["user_email"].as_str().map(str::trim) {
        None | Some("") => return Err(NoLetter::NoAddress),
        Some(to) => address(to)?,
    };
    let subject = text(&fields["title"]).or_else(|| text(&fields["type"])).unwrap_or_default();
    let subject = one_line(&subject);
    let message = text(&fields["message"]);
    let link = [&fields["data"]["url"], &fields["url"]];
    let link = link.into_iter().find_map(|url| url.as_str().filter(|url| is_link(url)));
    let time = notification.timestamp().unwrap_or(appended);
    let time = time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let shown = Shown { title: &subject, message: message.as_deref(), time: &time, link };

    let mail = Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(subject.clone())
        .date_now()
        .message_id(Some(message_id(sender, due, ticket)))
        .multipart(MultiPart::alternative_plain_html(plain(&shown), html::page(&shown)))
        .map_err(|error| NoLetter::Unusable(error.to_string()))?;
    Ok(Letter { from: sender.from.email.clone(), to, bytes: more(mail, sender, due).formatted() })
}

/// What tells machines that a machine has written it (RFC 3834), and how to have no more of them (RFC 2369, 8058).
fn more(mut mail: Mail, sender: &MailSender, due: &Due) -> Mail {
    let headers = mail.headers_mut();
    let mut add = |name: &'static str, value: String| {
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    add("Auto-Submitted", "auto-generated".into());
    if let Some(address) = &sender.unsubscribe {
        let address = address.replace(USER, &percent_encoded(due.user.as_str()));
        let is_web = address.starts_with("https:");
        add("List-Unsubscribe", format!("<{address}>"));
        if is_web {
            add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into());
        }
    }
    mail
}

/// The same for the same entry of the same log, so that whoever gets the letter twice can tell.
fn message_id(sender: &MailSender, due: &Due, ticket: &Ticket) -> String {
    let name = format!("{}\0{}\0{}", due.user, due.id, ticket.at);
    let id = Uuid::new_v5(&MESSAGE_ID, name.as_bytes());
    format!("<{}@{}>", id.simple(), sender.from.email.domain())
}

/// Exactly one address, with or without a name.
fn address(text: &str) -> Result<Address, NoLetter> {
    let unusable = |why: &str| NoLetter::Unusable(why.to_owned());
    if text.chars().any(char::is_control) {
        return Err(unusable("the address has control characters"));
    }
    let mailbox: Mailbox = text.parse().map_err(|_| unusable("user_email is no mail address"))?;
    Ok(mailbox.email)
}

fn plain(shown: &Shown<'_>) -> String {
    let parts = [Some(shown.title), shown.message, shown.link, Some(shown.time)];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Without what could end a header or reorder what is shown of it.
fn one_line(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let flat: String = text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= SUBJECT {
        return line;
    }
    line.chars().take(SUBJECT - 1).chain(['…']).collect()
}

fn is_link(url: &str) -> bool {
    let scheme = url.starts_with("https://") || url.starts_with("http://");
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c);
    scheme && url.len() <= LINK && !url.contains(bad)
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::SmtpServer;
    use crate::notification::UserId;

    fn sender(unsubscribe: Option<&str>) -> MailSender {
        MailSender {
            server: SmtpServer::parse("smtp://relay").unwrap(),
            timeout: Duration::from_secs(1),
            from: "Bell <bell@app.example>".parse().unwrap(),
            per_second: 10,
            give_up: Duration::from_hours(1),
            unsubscribe: unsubscribe.map(str::to_owned),
        }
    }

    fn due(user: &str, id: &str) -> Due {
        Due { user: UserId::new(user).unwrap(), id: id.into() }
    }

    fn written(payload: &Value) -> Result<String, NoLetter> {
        let ticket = Ticket { token: 1, at: 1_767_323_045_678, payload: payload.to_string() };
        let sender = sender(Some("https://app.example/u?who={user_id}"));
        let letter = write(&sender, &due("a b/ü", "n1"), &ticket)?;
        Ok(String::from_utf8(letter.bytes).unwrap())
    }

    fn header<'a>(letter: &'a str, name: &str) -> Vec<&'a str> {
        let (head, _) = letter.split_once("\r\n\r\n").unwrap();
        head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect()
    }

    #[test]
    fn a_letter_has_the_headers_that_machines_look_for() {
        let letter =
            written(&serde_json::json!({"userEmail":"Ada <ada@x.example>","title":"Hi"})).unwrap();
        assert_eq!(header(&letter, "From"), ["Bell <bell@app.example>"]);
        assert_eq!(header(&letter, "To"), ["ada@x.example"]);
        assert_eq!(header(&letter, "Subject"), ["Hi"]);
        assert_eq!(header(&letter, "Auto-Submitted"), ["auto-generated"]);
        assert_eq!(
            header(&letter, "List-Unsubscribe"),
            ["<https://app.example/u?who=a%20b%2F%C3%BC>"]
        );
        assert_eq!(header(&letter, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
        assert_eq!(header(&letter, "Date").len(), 1);
        let id = header(&letter, "Message-ID");
        assert!(id[0].starts_with('<') && id[0].ends_with("@app.example>"), "{id:?}");
        assert!(header(&letter, "Content-Type")[0].starts_with("multipart/alternative"));
    }

    #[test]
    fn a_message_id_is_of_the_entry() {
        let ticket = |token, at| Ticket { token, at, payload: String::new() };
        let id = |user, id, ticket| message_id(&sender(None), &due(user, id), &ticket);
        assert_eq!(id("a", "1", ticket(1, 5)), id("a", "1", ticket(2, 5)));
        assert_ne!(id("a", "1", ticket(1, 5)), id("a", "1", ticket(1, 6)));
        assert_ne!(id("a", "1", ticket(1, 5)), id("a", "2", ticket(1, 5)));
        assert_ne!(id("a", "1", ticket(1, 5)), id("b", "1", ticket(1, 5)));
    }

    #[test]
    fn no_field_can_add_a_header_or_a_recipient() {
        for title in
            ["x\r\nBcc: eve@x.example", "x\nBcc: eve@x.example", "x\u{2028}Bcc: e", "\0x\r"]
        {
            let letter =
                written(&serde_json::json!({"user_email":"ada@x.example","title":title})).unwrap();
            assert!(header(&letter, "Bcc").is_empty(), "{letter}");
            assert_eq!(header(&letter, "Subject").len(), 1, "{letter}");
        }
        for to in [
            "ada@x.example\r\nBcc: eve@x.example",
            "ada@x.example, eve@x.example",
            "ada@x.example> RCPT TO:<eve@x.example",
            "nobody",
            "@x.example",
            "a b@x.example",
        ] {
            let refused = written(&serde_json::json!({"user_email":to})).unwrap_err();
            let NoLetter::Unusable(why) = &refused else { panic!("{to}: {refused:?}") };
            assert!(!why.contains("eve"), "{why}");
        }
        for payload in
            ["{}", r#"{"data":{"user_email":"ada@x.example"}}"#, r#"{"user_email":7}"#, "["]
        {
            let payload: Value = serde_json::from_str(payload).unwrap_or_default();
            assert_eq!(written(&payload).unwrap_err(), NoLetter::NoAddress, "{payload}");
        }
    }

    #[test]
    fn subjects_are_one_line_of_bearable_length() {
        assert_eq!(one_line(" a\t b\r\n\r\nc "), "a b c");
        assert_eq!(one_line(&"ü".repeat(SUBJECT + 1)).chars().count(), SUBJECT);
    }

    #[test]
    fn only_web_addresses_become_links() {
        for (url, is) in [
            ("https://a.example/x?y=1#z", true),
            ("http://a.example", true),
            ("javascript:alert(1)", false),
            ("/orders/7", false),
            ("https://a.example/\nx", false),
            ("https://a.example/\"x", false),
        ] {
            assert_eq!(is_link(url), is, "{url}");
        }
    }
}
