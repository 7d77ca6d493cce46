use super::kind::{Kind, list};
use super::{Reader, Refused, url};

/// Which web origins may open sockets and call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// The origin's host must equal the `Host` header.
    SameHost,
    /// `*`; not together with a token cookie, which would let every site act for the user.
    Any,
    /// Compared as scheme, host and port, lower case.
    List(Vec<String>),
}

/// Raw options of [`Origins`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Browsers")]
pub struct OriginsArgs {
    /// Web origins that may open sockets and call the API, separated by commas, or `*` for all.
    /// Default: same host only.
    ///
    /// Applies to sockets and CORS. A request without an Origin, so not from a browser, passes.
    #[arg(long, env = "CAMPANILE_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    pub allowed_origins: Option<String>,
}

const ORIGINS: Kind<Origins> = Kind {
    allowed: "* alone, or origins (scheme, host, optional port) separated by commas",
    example: "https://app.example.com,http://localhost:3000",
    parse: |text| match text {
        "*" => Ok(Origins::Any),
        _ => list(text, normalise_origin).map(Origins::List),
    },
};

impl OriginsArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Origins, Refused> {
        let origins =
            reader.optional("allowed-origins", self.allowed_origins.as_deref(), &ORIGINS)?;
        Ok(origins.unwrap_or(Origins::SameHost))
    }
}

/// Brings an origin into the one form in which origins are compared: lower case, without the
/// port its scheme implies (RFC 6454, 6.2). The error completes "the origin …".
pub fn normalise_origin(text: &str) -> Result<String, String> {
    let no = |reason: &str| Err(reason.to_owned());
    let Some((scheme, rest)) = text.split_once("://") else {
        return no("has no scheme such as https://");
    };
    let part_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(part_of_scheme)
    {
        return no("has an invalid scheme");
    }
    let address = url::split(rest);
    if address.credentials.is_some() || address.more.is_some() || !matches!(address.path, "" | "/")
    {
        return no("has more than scheme, host and port");
    }
    if address.authority.contains('*') {
        return no("has a wildcard, which is not supported");
    }
    if !address.authority.is_ascii() {
        return no("has a host beyond ASCII (write it as xn--…, as browsers send it)");
    }
    let Some((host, port)) = url::host_and_port(address.authority) else {
        return no("has no valid host and port");
    };
    let scheme = scheme.to_ascii_lowercase();
    Ok(match (scheme.as_str(), port) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}
