use std::path::PathBuf;

use super::kind::{Kind, PEM_FILE, whole_number};
use super::{Reader, Refused, Secret, Setting, url};

/// The queue that notifications are taken from.
#[derive(Clone, Debug)]
pub struct Amqp {
    /// `amqp://` or `amqps://`, with user and password.
    pub url: Secret,
    /// PEM of the authorities that sign the server's certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Name of the queue. What cannot be read goes to `<queue>.dead`.
    pub queue: String,
    /// Messages in hand at once, 1 to 10,000.
    pub prefetch: u16,
}

/// Raw options of [`Amqp`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "RabbitMQ")]
pub struct AmqpArgs {
    /// Take notifications from a queue of this RabbitMQ: `amqp://` or, with TLS, `amqps://`.
    /// Default: none, no queue is read.
    ///
    /// `amqp://[user:password@]host[:port][/vhost]`. Reserved characters in a part are percent-encoded, so a
    /// virtual host `/a` is written `/%2Fa`; without one it is `/`. Flags show in the process list, so a
    /// password belongs in the variable.
    #[arg(
        long,
        env = "CAMPANILE_AMQP_URL",
        value_name = "URL",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub amqp_url: Option<Secret>,

    /// PEM file with the authorities that sign the certificate of an `amqps` server.
    /// Default: the public ones.
    #[arg(long, env = "CAMPANILE_AMQP_CA_FILE", value_name = "FILE")]
    pub amqp_ca_file: Option<String>,

    /// Queue with the notifications; created, durable, when it does not exist.
    ///
    /// What is no notification is moved to the queue of this name with `.dead` at its end.
    #[arg(
        long,
        env = "CAMPANILE_AMQP_QUEUE",
        value_name = "NAME",
        default_value = "notifications"
    )]
    pub amqp_queue: String,

    /// Messages that one process has in hand at once, 1 to 10000.
    #[arg(long, env = "CAMPANILE_AMQP_PREFETCH", value_name = "COUNT", default_value = "256")]
    pub amqp_prefetch: String,
}

const URL: Kind<Secret> = Kind {
    allowed: "amqp://[user:password@]host[:port][/vhost], or amqps:// for TLS",
    example: "amqp://rabbitmq.internal:5672",
    parse: amqp_url,
};

const QUEUE: Kind<String> = Kind {
    allowed: "up to 250 bytes without control characters, not beginning with amq.",
    example: "notifications",
    parse: |text| {
        // AMQP 0-9-1 has 255 bytes for a name, and `.dead` needs five of them.
        if text.len() > 250 {
            Err("is longer than 250 bytes".to_owned())
        } else if text.chars().any(char::is_control) {
            Err("has control characters".to_owned())
        } else if text.starts_with("amq.") {
            Err("begins with amq., which belongs to RabbitMQ".to_owned())
        } else {
            Ok(text.to_owned())
        }
    },
};

const PREFETCH: Kind<u16> = Kind {
    allowed: "a whole number from 1 to 10000",
    example: "256",
    parse: |text| whole_number(text, 1..=10_000),
};

impl AmqpArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Option<Amqp>, Refused> {
        let url = self
            .amqp_url
            .as_ref()
            .map(|raw| reader.secret(Setting::new("amqp-url"), raw.expose().trim(), &URL))
            .transpose();
        let ca_file = reader.optional("amqp-ca-file", self.amqp_ca_file.as_deref(), &PEM_FILE);
        let queue = reader.value("amqp-queue", &self.amqp_queue, &QUEUE);
        let prefetch = reader.value("amqp-prefetch", &self.amqp_prefetch, &PREFETCH);
        let has_tls = |url: &Secret| url.expose().starts_with("amqps://");
        if let Ok(url) = &url
            && !url.as_ref().is_some_and(has_tls)
            && self.amqp_ca_file.is_some()
        {
            reader.problem(
                "amqp-ca-file",
                "it is set, but --amqp-url (CAMPANILE_AMQP_URL) is not an amqps:// address; \
                 allowed: only together with TLS; example: amqps://rabbitmq.internal:5671",
            );
        }
        let (url, ca_file, queue, prefetch) = (url?, ca_file?, queue?, prefetch?);
        Ok(url.map(|url| Amqp { url, ca_file, queue, prefetch }))
    }
}

/// The error never repeats a part of the address: a password may stand anywhere in one gone wrong.
fn amqp_url(text: &str) -> Result<Secret, String> {
    let no = |reason: &str| Err(reason.to_owned());
    let Some(rest) = text.strip_prefix("amqp://").or_else(|| text.strip_prefix("amqps://")) else {
        return no("does not begin with amqp:// or amqps://");
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return no("has white space or control characters");
    }
    let address = url::split(rest);
    if address.more.is_some() {
        return no("has a ? or a # (in a password they are written %3F and %23)");
    }
    if address.authority.contains(',') {
        return no("names several servers; give one, or a name that stands for all");
    }
    if url::host_and_port(address.authority).is_none() {
        return no("has no valid host and port (reserved characters in a password are \
                   percent-encoded, / as %2F)");
    }
    if address.path.trim_start_matches('/').contains('/') {
        return no("has a path of several parts (a virtual host's own / is written %2F)");
    }
    Ok(Secret::new(text))
}
