use super::{Secret, url};

/// What a Redis address names.
#[derive(Clone, Debug)]
pub struct Servers {
    /// How the nodes belong together.
    pub topology: Topology,
    /// Host and port of each that is named, at least one: of the server, of the sentinels, or of some of
    /// the cluster.
    pub nodes: Vec<(String, u16)>,
    /// Applies to sentinels too.
    pub is_tls: bool,
    /// The address of a server as if it were a single one at the first of [`nodes`](Self::nodes): with
    /// user, password and database.
    pub server: Secret,
}

/// How the nodes of a Redis address belong together.
#[derive(Clone, Debug)]
pub enum Topology {
    /// One server.
    Single,
    /// One master at a time, which sentinels name.
    Sentinel {
        /// What the sentinels call the master.
        master: String,
        /// The address of the first sentinel, with the sentinels' own user and password.
        sentinel: Secret,
    },
    /// Several masters, each with a part of the hash slots.
    Cluster,
}

impl Servers {
    /// The error completes "the value …" and never repeats a part of it: a password may stand anywhere in
    /// an address gone wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        const SCHEMES: &str = "does not begin with redis://, redis+sentinel:// or redis+cluster:// \
                               (or, with TLS, rediss…)";
        let no = |reason: &str| Err(reason.to_owned());
        let Some((scheme, rest)) = text.split_once("://") else { return no(SCHEMES) };
        let scheme = scheme.to_ascii_lowercase();
        let (protocol, kind) = scheme.split_once('+').unwrap_or((&scheme, ""));
        if !matches!(protocol, "redis" | "rediss") || !matches!(kind, "" | "sentinel" | "cluster") {
            return no(SCHEMES);
        }
        if rest.contains('#') {
            return no("has a # (in a password it is written %23)");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return no("has white space or control characters");
        }
        let address = url::split(rest);
        if kind.is_empty() && address.authority.contains(',') {
            return no("names several nodes, which only redis+sentinel:// and redis+cluster:// do");
        }
        let default_port = if kind == "sentinel" { 26379 } else { 6379 };
        let node = |node| url::host_and_port(node).map(|(h, p)| (h, p.unwrap_or(default_port)));
        let nodes: Option<Vec<_>> = address.authority.split(',').map(node).collect();
        let Some(nodes) = nodes else {
            return no("has no valid host and port (reserved characters in a password are \
                       percent-encoded, / as %2F)");
        };
        let path = address.path.trim_start_matches('/');
        let (master, database) = match kind {
            "sentinel" => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return no("has a path that is no database number");
        }
        let login = address.credentials.map(|login| format!("{login}@")).unwrap_or_default();
        let (host, port) = &nodes[0];
        let topology = match kind {
            "sentinel" if master.is_empty() => {
                return no("does not name the master after the nodes");
            }
            "sentinel" => {
                let login = sentinel_login(address.more.unwrap_or_default())?;
                let sentinel = Secret::new(format!("{protocol}://{login}{host}:{port}"));
                Topology::Sentinel { master: master.to_owned(), sentinel }
            }
            "cluster" if !matches!(database, "" | "0") => {
                return no("has a database other than 0, which a cluster does not have");
            }
            "cluster" if address.more.is_some() => return no("has a parameter"),
            "cluster" => Topology::Cluster,
            _ => Topology::Single,
        };
        let server = match topology {
            Topology::Single => Secret::new(text),
            _ => Secret::new(format!("{protocol}://{login}{host}:{port}/{database}")),
        };
        Ok(Self { topology, nodes, is_tls: protocol == "rediss", server })
    }
}

/// `user:password@` out of `sentinel_username=…&sentinel_password=…`.
fn sentinel_login(query: &str) -> Result<String, String> {
    let (mut user, mut password) = ("", "");
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("sentinel_username", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => {
                return Err("has a parameter other than sentinel_username and sentinel_password \
                            (reserved characters in them are percent-encoded)"
                    .to_owned());
            }
        }
    }
    Ok(if user.is_empty() && password.is_empty() {
        String::new()
    } else {
        format!("{user}:{password}@")
    })
}
