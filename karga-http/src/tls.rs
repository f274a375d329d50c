//! TLS, the same for both engines.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
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
        let refuse = |source| BuildError::Tls { source };
        // Whoever chose a provider for the process means it.
        let provider = CryptoProvider::get_default()
            .map_or_else(|| Arc::new(aws_lc_rs::default_provider()), Arc::clone);
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
                let certificates = certificates(pem)?;
                let key = PrivateKeyDer::from_pem_slice(pem).map_err(unreadable)?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(refuse)?
            }
        };
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(config)
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, BuildError> {
        let roots: Vec<_> = self
            .roots
            .iter()
            .map(|pem| certificates(pem))
            .collect::<Result<_, _>>()?;
        Ok(roots.into_iter().flatten().collect())
    }

    /// Whether what was given can be read.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        self.roots()?;
        if let Some(pem) = &self.identity {
            certificates(pem)?;
            PrivateKeyDer::from_pem_slice(pem).map_err(unreadable)?;
        }
        Ok(())
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(unreadable("there is no certificate in it"));
    }
    Ok(certificates)
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BuildError {
    BuildError::Certificates { source: why.into() }
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
