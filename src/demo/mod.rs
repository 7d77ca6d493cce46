//! `campanile demo`: a page where one can watch a notification arrive, served from inside the binary.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{HttpResponse, guard, web};
use serde_json::{Value, json};

use crate::auth;
use crate::config::Config;
use crate::notification::UserId;

/// The page may load and talk to nothing but this gateway.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// How long the demo users stay signed in.
const TOKEN_TTL: Duration = Duration::from_hours(24);

/// Who is signed in on the page.
pub const USERS: [(&str, &str); 2] = [("ada", "Ada"), ("grace", "Grace")];

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Path, media type and text of each.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/favicon.svg", IMAGE, include_str!("page/icon.svg")),
    ("/demo/style.css", STYLE, include_str!("page/style.css")),
    ("/demo/app.js", SCRIPT, include_str!("page/app.js")),
    ("/demo/campanile.js", SCRIPT, include_str!("page/campanile.js")),
    ("/demo/commands.js", SCRIPT, include_str!("page/commands.js")),
    ("/demo/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/demo/panel.js", SCRIPT, include_str!("page/panel.js")),
    ("/demo/publish.js", SCRIPT, include_str!("page/publish.js")),
];

/// What the page has to know; one demo per process.
static SESSION: OnceLock<Value> = OnceLock::new();

/// Signs the demo users in.
///
/// # Errors
/// The configuration has no secret to sign with.
pub fn prepare(config: &Config) -> anyhow::Result<()> {
    let mut users = Vec::new();
    for (id, name) in USERS {
        let token = auth::mint(&config.auth, &UserId::new(id)?, TOKEN_TTL)?;
        users.push(json!({"id": id, "name": name, "token": token}));
    }
    let key = config.publish.keys.first().map(|key| key.expose().to_owned());
    SESSION.get_or_init(|| {
        json!({
            "users": users,
            "publish_key": key,
            "ops_port": config.listen.ops.port(),
            "redis": config.redis.url.is_some(),
            "redis_cli": config.redis.url.as_ref().map(|url| redis_cli(url.expose())),
            "user_channel": config.channels.user,
            "broadcast_channel": config.channels.broadcast,
            "program": program(),
        })
    });
    Ok(())
}

/// How to start this program again in another terminal: by name, if that is how it was found.
pub fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.is_empty() && !called.contains('/') {
        return called;
    }
    std::env::current_exe().map_or(called, |path| path.display().to_string())
}

/// `redis-cli` for the server at `url`, without user and password: `REDISCLI_AUTH` takes those.
pub fn redis_cli(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    let server = rest.rsplit_once('@').map_or(rest, |(_, server)| server);
    match server.trim_end_matches('/') {
        "localhost" | "127.0.0.1" | "localhost:6379" | "127.0.0.1:6379" if scheme == "redis" => {
            "redis-cli".to_owned()
        }
        server => format!("redis-cli -u {scheme}://{server}"),
    }
}

/// The routes of the page.
pub fn pages(config: &mut web::ServiceConfig) {
    for (path, kind, text) in FILES {
        let read = guard::Any(guard::Get()).or(guard::Head());
        config.route(path, web::route().guard(read).to(move || async move { page(kind, text) }));
    }
    config.route("/demo/session.json", web::get().to(session));
}

fn page(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("content-security-policy", CONTENT_SECURITY_POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("referrer-policy", "no-referrer"))
        .insert_header(("cache-control", "no-store"))
        .body(text)
}

async fn session() -> HttpResponse {
    HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(SESSION.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_the_page_names_is_served_and_none_in_vain() {
        let served: Vec<&str> = FILES.iter().map(|(path, ..)| *path).skip(1).collect();
        let texts: String = FILES.iter().map(|(.., text)| *text).collect();
        let mut named: Vec<&str> = texts
            .split(['"', '\''])
            .filter(|word| word.starts_with("/demo/") || *word == "/favicon.svg")
            .filter(|word| *word != "/demo/session.json")
            .collect();
        named.sort_unstable();
        named.dedup();
        let mut expected = served;
        expected.sort_unstable();
        assert_eq!(named, expected);
    }

    #[test]
    fn nothing_in_the_page_breaks_its_own_content_security_policy() {
        let (_, _, html) = FILES[0];
        for forbidden in ["style=", "<style", " onclick", " onload", "https://", "http://"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("<script type=\"module\" src=").count()
        );
    }

    #[test]
    fn redis_cli_is_told_where_to_connect_but_never_a_password() {
        for (url, expected) in [
            ("redis://127.0.0.1:6379", "redis-cli"),
            ("redis://localhost/", "redis-cli"),
            ("redis://127.0.0.1:7000", "redis-cli -u redis://127.0.0.1:7000"),
            ("redis://user:secret@redis.internal/2", "redis-cli -u redis://redis.internal/2"),
            ("rediss://127.0.0.1:6379", "redis-cli -u rediss://127.0.0.1:6379"),
        ] {
            assert_eq!(redis_cli(url), expected, "{url}");
        }
    }
}
