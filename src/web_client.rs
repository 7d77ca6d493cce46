//! Blocking HTTP requests to others, for the few that a gateway makes. Run them in a blocking thread.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use ureq::config::ConfigBuilder;
use ureq::tls::{TlsConfig, TlsProvider};
use ureq::typestate::AgentScope;

/// A client whose requests take at most `timeout`, with the TLS that the rest of the gateway uses.
pub(crate) fn client(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(timeout))
        .max_idle_connections(0) // every request is the last for minutes
        .user_agent("campanile")
}
