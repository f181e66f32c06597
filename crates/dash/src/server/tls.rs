//! TLS from PEM files.

use crate::error::DashError;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// What accepts TLS connections with this certificate chain and key. HTTP/1.1 only.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, DashError> {
    let bad = |what, path: &Path, problem: &dyn std::fmt::Display| DashError::Certificate {
        what,
        path: path.to_owned(),
        problem: problem.to_string(),
    };
    let in_certificate = |error: rustls_pki_types::pem::Error| bad("certificate", certificate, &error);
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .map_err(in_certificate)?
        .collect::<Result<_, _>>()
        .map_err(in_certificate)?;
    if chain.is_empty() {
        return Err(bad("certificate", certificate, &"holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad("private key", key, &error))?;
    let tls = |error: tokio_rustls::rustls::Error| DashError::Tls(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
