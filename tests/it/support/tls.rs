//! A private certificate authority, and what it signed, as files.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// PEM files in one directory: the authority, a server for 127.0.0.1 and localhost, a client.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) server: CertificateAndKey,
    pub(crate) client: CertificateAndKey,
}

/// One certificate and its private key, both PEM files.
#[derive(Clone, Debug)]
pub(crate) struct CertificateAndKey {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes a fresh authority and writes everything into `directory`.
    pub(crate) fn write_into(directory: &Path) -> Self {
        let mut params = params("campanile test authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = rcgen::CertifiedIssuer::self_signed(params, key()).expect("signs itself");
        let ca = write(directory, "ca.pem", &authority.pem());
        Self {
            ca,
            server: issue(directory, "server", &["127.0.0.1", "localhost"], &authority),
            client: issue(directory, "client", &[], &authority),
        }
    }
}

fn issue(
    directory: &Path,
    name: &str,
    subject_alt_names: &[&str],
    issuer: &Issuer<'_, KeyPair>,
) -> CertificateAndKey {
    let key = key();
    let cert = params(name, subject_alt_names).signed_by(&key, issuer).expect("signs");
    CertificateAndKey {
        cert: write(directory, &format!("{name}.pem"), &cert.pem()),
        key: write(directory, &format!("{name}.key"), &key.serialize_pem()),
    }
}

fn params(name: &str, subject_alt_names: &[&str]) -> CertificateParams {
    let names: Vec<String> = subject_alt_names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names are valid");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("generates a key")
}

fn write(directory: &Path, name: &str, pem: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, pem).expect("writes a PEM file");
    path
}
