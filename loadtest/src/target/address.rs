//! Addresses of the servers, and the rule that only loopback is loaded without being asked.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail, ensure};

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub(crate) struct HttpAddress {
    /// For the Host header.
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
}

/// Where Redis listens, and who we are there.
#[derive(Clone)]
pub(crate) struct RedisAddress {
    pub(crate) address: SocketAddr,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl HttpAddress {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("`{url}` is no http:// address; TLS is not loaded here"))?;
        let host = rest.trim_end_matches('/');
        ensure!(!host.contains(['/', '?', '@']), "`{url}` should end behind the port");
        Ok(Self { host: host.to_owned(), address: resolve(host, 80)? })
    }
}

impl RedisAddress {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let rest = url.strip_prefix("redis://").with_context(|| {
            format!(
                "`{shown}` is no redis:// address; TLS, Sentinel and Cluster are not loaded here"
            )
        })?;
        let (credentials, host) = match rest.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, rest),
        };
        // Publishing ignores the database, so its number behind the slash does not matter.
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let (user, password) = match credentials.map(|c| c.split_once(':').unwrap_or(("", c))) {
            Some((user, password)) => (Some(decode(user)?), Some(decode(password)?)),
            None => (None, None),
        };
        let user = user.filter(|user| !user.is_empty());
        Ok(Self { address: resolve(host, 6379)?, user, password })
    }
}

/// Fails unless the address is this machine's loopback or the operator vouches for it.
pub(crate) fn allow(address: SocketAddr, vouched: bool) -> Result<()> {
    ensure!(
        vouched || address.ip().is_loopback(),
        "{address} is not loopback: add --i-own-this-server if it may be loaded"
    );
    Ok(())
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let full = if has_port { host.to_owned() } else { format!("{host}:{port}") };
    let mut found = full.to_socket_addrs().with_context(|| format!("cannot resolve `{host}`"))?;
    match found.next() {
        Some(address) => Ok(address),
        None => bail!("`{host}` has no address"),
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let pair = if byte == b'%' { bytes.next().zip(bytes.next()) } else { None };
        match (byte, pair) {
            (b'%', Some((a, b))) => {
                let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
                let (a, b) = digit(a).zip(digit(b)).context("bad %-escape in the Redis URL")?;
                out.push(a * 16 + b);
            }
            (b'%', None) => bail!("bad %-escape in the Redis URL"),
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).context("the Redis URL's credentials are not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_addresses_carry_their_credentials() {
        for (url, address, user, password) in [
            ("redis://127.0.0.1", "127.0.0.1:6379", None, None),
            ("redis://127.0.0.1:7000/2", "127.0.0.1:7000", None, None),
            ("redis://:p%40ss@127.0.0.1:1", "127.0.0.1:1", None, Some("p@ss")),
            ("redis://ann:b:c@127.0.0.1:1/", "127.0.0.1:1", Some("ann"), Some("b:c")),
            ("redis://[::1]:7000", "[::1]:7000", None, None),
        ] {
            let redis = RedisAddress::parse(url).unwrap();
            assert_eq!(redis.address, address.parse().unwrap(), "{url}");
            assert_eq!((redis.user.as_deref(), redis.password.as_deref()), (user, password));
        }
    }

    #[test]
    fn an_address_that_cannot_be_loaded_is_named_without_its_password() {
        let error = RedisAddress::parse("rediss://u:secret@127.0.0.1").err().unwrap().to_string();
        assert!(error.contains("127.0.0.1") && !error.contains("secret"), "{error}");
        assert!(HttpAddress::parse("https://127.0.0.1").is_err());
        assert!(HttpAddress::parse("http://127.0.0.1:80/api").is_err());
        assert_eq!(HttpAddress::parse("http://127.0.0.1:81/").unwrap().host, "127.0.0.1:81");
    }

    #[test]
    fn only_loopback_is_loaded_unasked() {
        assert!(allow("127.3.2.1:80".parse().unwrap(), false).is_ok());
        assert!(allow("10.0.0.1:80".parse().unwrap(), false).is_err());
        assert!(allow("10.0.0.1:80".parse().unwrap(), true).is_ok());
    }
}
