use std::path::PathBuf;
use std::time::Duration;

use super::kind::{DURATION_OR_ZERO, Kind, PEM_FILE, SWITCH, TEXT};
use super::{JwtKey, Reader, Refused, Secret, Setting, secret, url};

/// Who may connect, and how the token travels.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// HS256/384/512 secrets; several while rotating.
    pub secrets: Vec<Secret>,
    /// PEM of an RSA, EC or Ed25519 public key (or several, concatenated).
    pub public_key_file: Option<PathBuf>,
    /// `http://` or `https://` address of a JWK Set (RFC 7517 §5), without user and password.
    pub jwks_url: Option<String>,
    /// What `iss` must equal (RFC 7519 §4.1.1); `None`: not checked.
    pub issuer: Option<String>,
    /// What `aud` must be or contain (RFC 7519 §4.1.3); `None`: not checked.
    pub audience: Option<String>,
    /// Clock skew forgiven with `exp` and `nbf` (RFC 7519 §4.1.4).
    pub leeway: Duration,
    /// `None`: the first present of `sub`, `user_id`, `userId`.
    pub user_claim: Option<String>,
    /// Accept `?token=`.
    pub query_token: bool,
    /// Accept the token from this cookie; an Origin is then required.
    pub token_cookie: Option<String>,
}

/// Raw options of [`Auth`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct AuthArgs {
    #[command(flatten)]
    pub(crate) secret: JwtSecretArgs,

    /// PEM file with one or more public keys (RSA, EC, Ed25519) that verify tokens. Default: none.
    #[arg(long, env = "CAMPANILE_JWT_PUBLIC_KEY_FILE", value_name = "FILE")]
    pub jwt_public_key_file: Option<String>,

    /// Address of a JSON Web Key Set that verifies tokens. Default: none.
    ///
    /// Cached, and fetched again for an unknown key id, at most every 30 seconds.
    #[arg(long, env = "CAMPANILE_JWKS_URL", value_name = "URL", hide_env_values = true)]
    pub jwks_url: Option<Secret>,

    #[command(flatten)]
    pub(crate) claims: JwtClaimsArgs,

    /// How far clocks may disagree when `exp` and `nbf` are checked; 0 for not at all.
    #[arg(long, env = "CAMPANILE_JWT_LEEWAY", value_name = "DURATION", default_value = "5s")]
    pub jwt_leeway: String,

    /// Whether the token may come as `?token=` (it is never logged): `true` or `false`.
    ///
    /// Browsers cannot set headers on a WebSocket, so turning this off leaves them the
    /// subprotocol, the first frame and the cookie.
    #[arg(long, env = "CAMPANILE_QUERY_TOKEN", value_name = "BOOL", default_value = "true")]
    pub query_token: String,

    /// Name of a cookie that may carry the token; such requests need an Origin. Default: none.
    ///
    /// Cannot be combined with `--allowed-origins '*'`: every website could then act for the user.
    #[arg(long, env = "CAMPANILE_TOKEN_COOKIE", value_name = "NAME")]
    pub token_cookie: Option<String>,
}

/// The secret that signs and verifies tokens.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct JwtSecretArgs {
    /// Secret that verifies HS256, HS384 and HS512 tokens; several, separated by commas, rotate.
    /// Default: none.
    ///
    /// When unset, the variable `ACCESS_SECRET_KEY` is read instead. Use 32 random bytes or more; a comma always
    /// separates. Flags show in the process list, so prefer the variable.
    #[arg(
        long,
        env = "CAMPANILE_JWT_SECRET",
        value_name = "SECRETS",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub jwt_secret: Option<Secret>,

    /// What `--jwt-secret` is called where Campanile replaces another gateway.
    #[arg(
        long,
        env = "ACCESS_SECRET_KEY",
        hide = true,
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub access_secret_key: Option<Secret>,
}

/// What a token must say.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct JwtClaimsArgs {
    /// Required value of the claim `iss`. Default: not checked.
    #[arg(long, env = "CAMPANILE_JWT_ISSUER", value_name = "TEXT")]
    pub jwt_issuer: Option<String>,

    /// Required member of the claim `aud`. Default: not checked.
    #[arg(long, env = "CAMPANILE_JWT_AUDIENCE", value_name = "TEXT")]
    pub jwt_audience: Option<String>,

    /// Claim that names the user. Default: the first present of `sub`, `user_id`, `userId`.
    #[arg(long, env = "CAMPANILE_JWT_USER_CLAIM", value_name = "NAME")]
    pub jwt_user_claim: Option<String>,
}

/// What a token must say, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtClaims {
    /// See [`Auth::issuer`].
    pub issuer: Option<String>,
    /// See [`Auth::audience`].
    pub audience: Option<String>,
    /// `None`: the first present of `sub`, `user_id`, `userId`.
    pub user_claim: Option<String>,
}

const SECRETS: Kind<Vec<Secret>> = Kind {
    allowed: "one secret, or several separated by commas, none of them empty",
    example: "the output of `openssl rand -base64 48`",
    parse: secret::list,
};

const CLAIM: Kind<String> =
    Kind { allowed: "the name of a claim", example: "sub", parse: TEXT.parse };

const JWKS: Kind<String> = Kind {
    allowed: "an http:// or https:// address without user and password",
    example: "https://id.example.com/.well-known/jwks.json",
    parse: jwks_url,
};

const COOKIE: Kind<String> = Kind {
    allowed: "a cookie name (RFC 6265: letters, digits and !#$%&'*+-.^_`|~)",
    example: "access_token",
    parse: |text| {
        let part_of_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let valid = text.bytes().all(part_of_token);
        if valid { Ok(text.to_owned()) } else { Err("is no cookie name".to_owned()) }
    },
};

impl AuthArgs {
    pub(super) fn read(&self, reader: &mut Reader, key: JwtKey) -> Result<Auth, Refused> {
        let secrets = self.secret.read(reader);
        let public_key_file =
            reader.optional("jwt-public-key-file", self.jwt_public_key_file.as_deref(), &PEM_FILE);
        let jwks_url = self.read_jwks_url(reader);
        let claims = self.claims.read(reader);
        let leeway = reader.value("jwt-leeway", &self.jwt_leeway, &DURATION_OR_ZERO);
        let query_token = reader.value("query-token", &self.query_token, &SWITCH);
        let token_cookie = reader.optional("token-cookie", self.token_cookie.as_deref(), &COOKIE);

        if key == JwtKey::Required && !self.has_key() {
            reader.problem(
                "jwt-secret",
                "there is no key to verify tokens with; allowed: this, or --jwt-public-key-file \
                 (CAMPANILE_JWT_PUBLIC_KEY_FILE), or --jwks-url (CAMPANILE_JWKS_URL); \
                 example: the output of `openssl rand -base64 48`",
            );
        }
        let JwtClaims { issuer, audience, user_claim } = claims?;
        Ok(Auth {
            secrets: secrets?,
            public_key_file: public_key_file?,
            jwks_url: jwks_url?,
            issuer,
            audience,
            leeway: leeway?,
            user_claim,
            query_token: query_token?,
            token_cookie: token_cookie?,
        })
    }

    fn has_key(&self) -> bool {
        self.secret.given().is_some()
            || self.jwt_public_key_file.is_some()
            || self.jwks_url.is_some()
    }

    fn read_jwks_url(&self, reader: &mut Reader) -> Result<Option<String>, Refused> {
        let setting = Setting::new("jwks-url");
        let Some(raw) = &self.jwks_url else { return Ok(None) };
        let url = reader.secret(setting, raw.expose().trim(), &JWKS)?;
        if url.starts_with("http:") {
            reader.warn(setting, "keys that come over plain http can be replaced on their way");
        }
        Ok(Some(url))
    }
}

impl JwtSecretArgs {
    /// The secrets; empty when none is configured.
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<Vec<Secret>, Refused> {
        let Some((setting, raw)) = self.given() else { return Ok(Vec::new()) };
        let ignored = self.access_secret_key.as_ref().filter(|other| *other != raw);
        if ignored.is_some() {
            reader.warn(setting, "ACCESS_SECRET_KEY is set to another value, which is ignored");
        }
        let secrets = reader.secret(setting, raw.expose(), &SECRETS)?;
        secret::warn_if_short(reader, setting, &secrets);
        if secrets.iter().any(|secret| secret.expose().trim() != secret.expose()) {
            reader.warn(setting, "white space around a secret is part of it");
        }
        Ok(secrets)
    }

    fn given(&self) -> Option<(Setting, &Secret)> {
        let own = self.jwt_secret.as_ref().map(|raw| (Setting::new("jwt-secret"), raw));
        let alias = || self.access_secret_key.as_ref();
        own.or_else(|| alias().map(|raw| (Setting::foreign("access-secret-key"), raw)))
    }
}

impl JwtClaimsArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<JwtClaims, Refused> {
        let issuer = reader.optional("jwt-issuer", self.jwt_issuer.as_deref(), &TEXT);
        let audience = reader.optional("jwt-audience", self.jwt_audience.as_deref(), &TEXT);
        let user_claim = reader.optional("jwt-user-claim", self.jwt_user_claim.as_deref(), &CLAIM);
        Ok(JwtClaims { issuer: issuer?, audience: audience?, user_claim: user_claim? })
    }
}

/// Does not repeat the text, which may hold a password until this function has refused it.
fn jwks_url(text: &str) -> Result<String, String> {
    let no = |reason: &str| Err(reason.to_owned());
    let Some((scheme @ ("http" | "https"), rest)) = text.split_once("://") else {
        return no("does not begin with https:// or http://");
    };
    let address = url::split(rest);
    if address.credentials.is_some() {
        return no("has a user or password");
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return no("has white space or control characters");
    }
    if url::host_and_port(address.authority).is_none() {
        return no("has no valid host and port");
    }
    Ok(format!("{scheme}://{rest}"))
}
