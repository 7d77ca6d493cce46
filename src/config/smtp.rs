use super::url::{host_and_port, split};

/// Where mail is handed over.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// 25, with STARTTLS 587 and with TLS from the first byte 465, unless said.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// User and password; without, there is no AUTH.
    pub login: Option<(String, String)>,
    /// What EHLO says; `None`: the name of this machine.
    pub hello: Option<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// Not at all.
    None,
    /// STARTTLS where the server offers it.
    Opportunistic,
    /// STARTTLS, or no mail.
    Required,
    /// From the first byte.
    Wrapped,
}

impl std::fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let brackets = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}{}{}:{}", brackets.0, self.host, brackets.1, self.port)
    }
}

impl SmtpServer {
    /// Reads `smtp://` and `smtps://`. The error completes "the value …" and has no secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no = |why: &str| Err(why.to_owned());
        let (is_wrapped, rest) = match text.split_once("://") {
            Some(("smtp", rest)) => (false, rest),
            Some(("smtps", rest)) => (true, rest),
            _ => return no("does not begin with smtp:// or smtps://"),
        };
        let address = split(rest);
        let Some((host, port)) = host_and_port(address.authority) else {
            return no("has no valid host and port (reserved characters in user and password are \
                       percent-encoded, / as %2F)");
        };
        let tls = match (is_wrapped, address.more) {
            (true, None) => SmtpTls::Wrapped,
            (false, None) => SmtpTls::None,
            (false, Some("tls=required")) => SmtpTls::Required,
            (false, Some("tls=opportunistic")) => SmtpTls::Opportunistic,
            (true, Some(_)) => return no("has a parameter, and smtps takes none"),
            (false, Some(_)) => {
                return no("has a parameter other than tls=required or tls=opportunistic");
            }
        };
        let usual = match tls {
            SmtpTls::None => 25,
            SmtpTls::Opportunistic | SmtpTls::Required => 587,
            SmtpTls::Wrapped => 465,
        };
        let login = match address.credentials.map(|login| login.split_once(':')) {
            None => None,
            Some(None) => return no("has a user without a password"),
            Some(Some((user, password))) => match (decoded(user), decoded(password)) {
                (Some(user), Some(password)) => Some((user, password)),
                _ => return no("has a user or a password that is not percent-encoded UTF-8"),
            },
        };
        let hello = address.path.trim_matches('/');
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if !hello.bytes().all(is_name) {
            return no("has a path that is no name to say in EHLO");
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(usual),
            tls,
            login,
            hello: (!hello.is_empty()).then(|| hello.to_owned()),
        })
    }
}

/// `None` for what is not percent-encoded UTF-8, or has a control character.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_usual_ports() {
        for (text, host, port, tls) in [
            ("smtp://relay", "relay", 25, SmtpTls::None),
            ("smtp://relay?tls=required", "relay", 587, SmtpTls::Required),
            ("smtp://relay/?tls=opportunistic", "relay", 587, SmtpTls::Opportunistic),
            ("smtps://[::1]", "::1", 465, SmtpTls::Wrapped),
            ("smtps://Mail.Example.com:2465", "mail.example.com", 2465, SmtpTls::Wrapped),
        ] {
            let server = SmtpServer::parse(text).unwrap();
            assert_eq!((&*server.host, server.port, server.tls), (host, port, tls), "{text}");
        }
        let server = SmtpServer::parse("smtp://a%40b:p%2Fq@relay:1/app.example.com").unwrap();
        assert_eq!(server.login, Some(("a@b".into(), "p/q".into())));
        assert_eq!(server.hello.as_deref(), Some("app.example.com"));
        assert!(!format!("{server:?} {server}").contains("p/q"));
        assert_eq!(SmtpServer::parse("smtp://[::1]:26").unwrap().to_string(), "[::1]:26");
    }
}
