//! TLS of the requests, with the cryptography chosen here and not by whoever installs a process-wide default first.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

/// Trusts the machine's own certificates, so that a company's own authority counts, and where the machine has none (a bare container),
/// those that browsers trust.
pub(super) fn trusting_the_web() -> Result<ClientConfig, rustls::Error> {
    match Verifier::new(cryptography()) {
        Ok(verifier) => {
            Ok(builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
        }
        Err(error) => {
            tracing::warn!(%error, "this machine has no certificates of its own; using those built in");
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
            trusting(roots)
        }
    }
}

/// Trusts these authorities.
pub(super) fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(cryptography()).with_safe_default_protocol_versions()
}
