use std::time::Duration;

use lettre::message::Mailbox;

use super::kind::{DURATION, Kind, whole_number};
use super::smtp::{SmtpServer, SmtpTls};
use super::{Inbox, Reader, Refused, Secret, Setting};

/// How long what names an address stays unread before it is mailed, unless said.
const AFTER: Duration = Duration::from_mins(5);
/// Placeholder of the unsubscribe address.
const USER: &str = "{user_id}";

/// Mail for what stays unread.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Entries that name an address are due to be mailed after this; `None`: never.
    pub after: Option<Duration>,
    /// `None`: somebody else mails them. `Some` only together with `after`.
    pub sender: Option<MailSender>,
}

/// What a replica that mails needs to know.
#[derive(Clone, Debug)]
pub struct MailSender {
    /// Where mail is handed over.
    pub server: SmtpServer,
    /// How long it may take for one answer; four times as long for that to a whole message.
    pub timeout: Duration,
    /// From whom.
    pub from: Mailbox,
    /// Mails a second at the most, over all replicas.
    pub per_second: u32,
    /// How long after it was due a mail is still tried that could not be handed over.
    pub give_up: Duration,
    /// For `List-Unsubscribe` (RFC 2369): an https or mailto address in which `{user_id}` is replaced.
    pub unsubscribe: Option<String>,
}

/// Raw options of [`Mail`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "E-mail")]
pub struct MailArgs {
    /// The server that takes mail: `smtp://` or, with TLS from the first byte, `smtps://`. Default: none, this
    /// replica mails nothing.
    ///
    /// `smtp://[user:password@]host[:port][/name_for_EHLO][?tls=required]`; `?tls=required` and
    /// `?tls=opportunistic` are STARTTLS. Reserved characters in a password are percent-encoded. Flags show in the
    /// process list, so a password belongs in the variable.
    #[arg(
        long,
        env = "CAMPANILE_SMTP_URL",
        value_name = "URL",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub smtp_url: Option<Secret>,

    /// How long the mail server may take for an answer; four times as long for that to a whole message.
    #[arg(long, env = "CAMPANILE_SMTP_TIMEOUT", value_name = "DURATION", default_value = "30s")]
    pub smtp_timeout: String,

    /// From whom mail comes, such as `Example <no-reply@example.com>`. Default: none; a mail server needs it.
    #[arg(long, env = "CAMPANILE_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,

    /// Mail a notification that carries `user_email` and is unread for so long. Default: 5m with a mail
    /// server, else never.
    ///
    /// Every process that appends has to be told the same, also those without a mail server: entries become due
    /// by it when they are appended.
    #[arg(long, env = "CAMPANILE_MAIL_AFTER", value_name = "DURATION")]
    pub mail_after: Option<String>,

    /// Mails a second at the most, over all replicas.
    #[arg(long, env = "CAMPANILE_MAIL_PER_SECOND", value_name = "COUNT", default_value = "10")]
    pub mail_per_second: String,

    /// How long after it was due a mail is still tried that the server did not take, without refusing it.
    #[arg(long, env = "CAMPANILE_MAIL_GIVE_UP", value_name = "DURATION", default_value = "1d")]
    pub mail_give_up: String,

    /// Address for the `List-Unsubscribe` of every mail: `https:` or `mailto:`, with `{user_id}` where the user
    /// belongs. Default: none.
    ///
    /// An `https:` address has to take the POST of RFC 8058, one click without asking back.
    #[arg(long, env = "CAMPANILE_MAIL_UNSUBSCRIBE", value_name = "URL")]
    pub mail_unsubscribe: Option<String>,
}

const SERVER: Kind<SmtpServer> = Kind {
    allowed: "smtp://[user:password@]host[:port][/name_for_EHLO][?tls=required], or smtps://…",
    example: "smtp://user:password@smtp.example.com:587?tls=required",
    parse: SmtpServer::parse,
};

const FROM: Kind<Mailbox> = Kind {
    allowed: "one address, or a name with an address in <>",
    example: "Example <no-reply@example.com>",
    parse: |text| {
        if text.chars().any(char::is_control) {
            return Err("has control characters".to_owned());
        }
        text.parse().map_err(|_| "is no mail address".to_owned())
    },
};

const PER_SECOND: Kind<u32> = Kind {
    allowed: "a whole number from 1 to 1000",
    example: "10",
    parse: |text| whole_number(text, 1..=1000),
};

const UNSUBSCRIBE: Kind<String> = Kind {
    allowed: "an https: or mailto: address in ASCII without white space, in which {user_id} may stand",
    example: "https://app.example.com/unsubscribe?user={user_id}",
    parse: |text| {
        let bare = text.replace(USER, "");
        let bad = |c: char| !c.is_ascii_graphic() || "<>{}\"".contains(c);
        if !(text.starts_with("https://") || text.starts_with("mailto:")) {
            Err("does not begin with https:// or mailto:".to_owned())
        } else if bare.contains(bad) {
            Err("has a character that an address cannot have".to_owned())
        } else {
            Ok(text.to_owned())
        }
    },
};

impl MailArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<Mail, Refused> {
        let setting = Setting::new("smtp-url");
        let server = self
            .smtp_url
            .as_ref()
            .map(|raw| reader.secret(setting, raw.expose().trim(), &SERVER))
            .transpose();
        let timeout = reader.value("smtp-timeout", &self.smtp_timeout, &DURATION);
        let from = reader.optional("mail-from", self.mail_from.as_deref(), &FROM);
        let after = reader.optional("mail-after", self.mail_after.as_deref(), &DURATION);
        let per_second = reader.value("mail-per-second", &self.mail_per_second, &PER_SECOND);
        let give_up = reader.value("mail-give-up", &self.mail_give_up, &DURATION);
        let unsubscribe =
            reader.optional("mail-unsubscribe", self.mail_unsubscribe.as_deref(), &UNSUBSCRIBE);

        if self.smtp_url.is_some() && self.mail_from.is_none() {
            reader.problem(
                "mail-from",
                "it is missing, but --smtp-url (CAMPANILE_SMTP_URL) is set; allowed: one address, or a \
                 name with an address in <>; example: Example <no-reply@example.com>",
            );
        }
        if let Ok(Some(server)) = &server
            && server.tls == SmtpTls::None
            && server.login.is_some()
        {
            reader.warn(
                setting,
                "the password travels unencrypted; ?tls=required or smtps:// ends that",
            );
        }
        let (server, from, after) = (server?, from?, after?);
        let (timeout, per_second, give_up) = (timeout?, per_second?, give_up?);
        let unsubscribe = unsubscribe?;
        let sender = match (server, from) {
            (Some(server), Some(from)) => {
                Some(MailSender { server, timeout, from, per_second, give_up, unsubscribe })
            }
            _ => None,
        };
        Ok(Mail { after: after.or(sender.as_ref().map(|_| AFTER)), sender })
    }
}

/// What is unread is known from the inbox, as long as it is kept there.
pub(super) fn check_mail(reader: &mut Reader, mail: Option<&Mail>, inbox: Option<&Inbox>) {
    let (Some(mail), Some(inbox)) = (mail, inbox) else { return };
    let Some(after) = mail.after else { return };
    let name = if mail.sender.is_some() { "smtp-url" } else { "mail-after" };
    if inbox.size == 0 {
        reader.problem(
            name,
            "it is set, but --inbox-size (CAMPANILE_INBOX_SIZE) is 0, and without an inbox nothing is known \
             to be unread; allowed: only together with an inbox; example: CAMPANILE_INBOX_SIZE=200",
        );
    } else if after >= inbox.ttl {
        reader.problem(
            "mail-after",
            "it is not shorter than --inbox-ttl (CAMPANILE_INBOX_TTL), so that nothing would be left to mail; \
             allowed: a shorter time; example: 5m",
        );
    }
}
