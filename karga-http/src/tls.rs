//! TLS, the same for both engines.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::Resumption,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
};
use rustls_platform_verifier::Verifier;

use crate::BuildError;

/// Whom to trust, and who to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsSettings {
    /// PEM, beside the certificates of the system.
    pub(crate) roots: Vec<Vec<u8>>,
    /// PEM: certificates and a private key.
    pub(crate) identity: Option<Vec<u8>>,
    pub(crate) accept_invalid: bool,
}

impl TlsSettings {
    /// A configuration for these application protocols.
    pub(crate) fn config(&self, protocols: &[&str]) -> Result<ClientConfig, BuildError> {
        let refuse = |source: rustls::Error| BuildError::Tls {
            source: source.into(),
        };
        let provider = provider();
        let roots = self.roots()?;
        let verifier: Arc<dyn ServerCertVerifier> = if self.accept_invalid {
            Arc::new(AcceptAll(Arc::clone(&provider)))
        } else if roots.is_empty() {
            Arc::new(Verifier::new(Arc::clone(&provider)).map_err(refuse)?)
        } else {
            let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider));
            Arc::new(verifier.map_err(refuse)?)
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refuse)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let (certificates, key) = identity(pem)?;
                let config = builder.with_client_auth_cert(certificates, key);
                config.map_err(|error| unusable(IDENTITY, error))?
            }
        };
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(config)
    }

    /// A configuration that trusts nobody, where there is no TLS to speak: it reads
    /// no certificates.
    pub(crate) fn unused() -> Result<ClientConfig, BuildError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|source| BuildError::Tls {
                source: source.into(),
            })?;
        let nobody = RootCertStore::empty();
        Ok(builder.with_root_certificates(nobody).with_no_client_auth())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, BuildError> {
        let roots: Vec<_> = self
            .roots
            .iter()
            .map(|pem| certificates(pem, "root certificates"))
            .collect::<Result<_, _>>()?;
        Ok(roots.into_iter().flatten().collect())
    }

    /// Whether what was given can be read.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        self.roots()?;
        self.identity
            .as_deref()
            .map_or(Ok(()), |pem| identity(pem).map(drop))
    }
}

/// The same configuration, without the sessions of others to resume.
pub(crate) fn with_own_sessions(config: &ClientConfig) -> ClientConfig {
    let mut own = config.clone();
    own.resumption = Resumption::in_memory_sessions(SESSIONS);
    own
}

/// How many servers a user keeps a session of.
const SESSIONS: usize = 8;

/// Whoever chose a provider for the process means it.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .map_or_else(|| Arc::new(aws_lc_rs::default_provider()), Arc::clone)
}

const IDENTITY: &str = "client's certificate and its key";

/// A client's certificates and its key.
fn identity(
    pem: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), BuildError> {
    let certificates = certificates(pem, IDENTITY)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => unusable(IDENTITY, "there is no key in it"),
        other => unusable(IDENTITY, other),
    })?;
    Ok((certificates, key))
}

fn certificates(
    pem: &[u8],
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(what, error))?;
    if certificates.is_empty() {
        return Err(unusable(what, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn unusable(
    what: &'static str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> BuildError {
    BuildError::Certificates {
        what,
        source: why.into(),
    }
}

/// Takes every certificate. Signatures are checked all the same: who speaks has
/// the key of the certificate, whoever that is.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
