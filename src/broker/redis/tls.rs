//! What TLS to Redis needs, for the connections that the library does not make.

use std::sync::Arc;

use redis::ClientTlsConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Trusts `root_cert`, or the public authorities; shows `client`.
pub(super) fn client_config(
    root_cert: Option<&[u8]>,
    client: Option<&ClientTlsConfig>,
) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match root_cert {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| format!("CA file: {error}"))?;
                roots.add(certificate).map_err(|error| format!("CA file: {error}"))?;
            }
            if roots.is_empty() {
                return Err("the CA file holds no certificate".into());
            }
        }
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
    let Some(client) = client else { return Ok(config.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(&client.client_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("client certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&client.client_key)
        .map_err(|error| format!("client key: {error}"))?;
    config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))
}
