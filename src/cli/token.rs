use std::process::ExitCode;

use super::{Token, terminal};
use crate::auth;
use crate::config::{self, collect};

/// `campanile token`
pub(super) fn run(args: &Token) -> anyhow::Result<ExitCode> {
    let ((secrets, claims), warnings) = collect(|reader| {
        let (secrets, claims) = (args.secret.read(reader), args.claims.read(reader));
        Ok((secrets?, claims?))
    })?;
    for warning in warnings {
        terminal::note(format!("campanile: {warning}"));
    }
    let auth = config::Auth {
        secrets,
        issuer: claims.issuer,
        audience: claims.audience,
        user_claim: claims.user_claim,
        ..config::Auth::default()
    };
    terminal::say(auth::mint(&auth, &args.user, args.ttl)?);
    Ok(ExitCode::SUCCESS)
}
