//! TLS of the clients, with the cryptography chosen here and not by whoever installs a process-wide default first.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::Verifier;

use crate::error::LlmError;

/// For upstreams at `http:` addresses: trusts nobody, and reads no certificate, so that a server without a remote upstream
/// starts at once and stays small.
pub(crate) fn trusting_nobody() -> Result<ClientConfig, LlmError> {
    let config = builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    Ok(config)
}

/// For upstreams at `https:` addresses: the machine's own certificates, so that a company's own authority counts, and where
/// the machine has none (a bare container), those that browsers trust.
pub(crate) fn trusting_the_web() -> Result<ClientConfig, LlmError> {
    let config = match Verifier::new(cryptography()) {
        Ok(verifier) => {
            builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        Err(error) => {
            tracing::warn!(%error, "this machine has no certificates of its own; using those built in");
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
            builder()?.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(config)
}

fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, LlmError> {
    ClientConfig::builder_with_provider(cryptography())
        .with_safe_default_protocol_versions()
        .map_err(|error| LlmError::configuration(format!("TLS cannot be set up ({error})")))
}
