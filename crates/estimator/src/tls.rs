//! TLS on both sides, from the files that flags name.
//!
//! Upstream: [`pkg/util/grpcconnection`](https://github.com/karmada-io/karmada/tree/master/pkg/util/grpcconnection).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::TlsAcceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::Error;

/// How the scheduler calls estimators. Files are read for every new connection, so that renewed certificates
/// take effect without a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// `--scheduler-estimator-ca-file`: certificate of the authority that signs the estimators' certificates.
    /// Without it, and unless verification is skipped, connections are not encrypted.
    pub ca_file: Option<PathBuf>,
    /// `--scheduler-estimator-cert-file`: the own certificate; used with the key only.
    pub cert_file: Option<PathBuf>,
    /// `--scheduler-estimator-key-file`: the own key.
    pub key_file: Option<PathBuf>,
    /// `--insecure-skip-estimator-verify`: take any certificate for the estimator's.
    pub insecure_skip_verify: bool,
}

impl ClientTls {
    /// Whether connections are encrypted.
    pub fn is_used(&self) -> bool {
        self.ca_file.is_some() || self.insecure_skip_verify
    }

    pub(crate) fn apply(&self, endpoint: Endpoint, address: &str) -> Result<Endpoint, Error> {
        if !self.is_used() {
            return Ok(endpoint);
        }
        let mut config = ClientTlsConfig::new();
        if let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) {
            config = config.identity(Identity::from_pem(read_certificates(certificate)?, read_key(key)?));
        }
        let endpoint = match &self.ca_file {
            Some(ca) if !self.insecure_skip_verify => {
                endpoint.tls_config(config.ca_certificate(Certificate::from_pem(read_certificates(ca)?)))
            }
            _ => endpoint.tls_config_with_verifier(config, Arc::new(TakesAny::new())),
        };
        endpoint.map_err(|source| Error::Address { address: address.to_owned(), source })
    }
}

/// How an estimator serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerTls {
    /// `--grpc-auth-cert-file`: the own certificate. Without it or the key, connections are not encrypted.
    pub cert_file: Option<PathBuf>,
    /// `--grpc-auth-key-file`: the own key.
    pub key_file: Option<PathBuf>,
    /// `--grpc-client-ca-file`: certificate of the authority that signs the clients' certificates. With it, a
    /// client without such a certificate is refused.
    pub client_ca_file: Option<PathBuf>,
    /// `--insecure-skip-grpc-client-verify`: take any client nevertheless.
    pub insecure_skip_client_verify: bool,
}

impl ServerTls {
    /// What turns connections into encrypted ones; nothing when they stay as they are.
    pub(crate) fn acceptor(&self) -> Result<Option<TlsAcceptor>, Error> {
        let (Some(cert_file), Some(key_file)) = (&self.cert_file, &self.key_file) else { return Ok(None) };
        let provider = Arc::new(ring::default_provider());
        // TLS 1.3 only, as upstream.
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(Error::Tls)?;
        let builder = match &self.client_ca_file {
            Some(path) if !self.insecure_skip_client_verify => {
                let roots = Arc::new(roots(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|source| Error::ClientAuthority { path: path.clone(), source })?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let certificates = parse_certificates(cert_file)?;
        let key = pki::private_key(&read_key(key_file)?)
            .map_err(|source| Error::Material { path: key_file.clone(), source })?;
        let mut config = builder.with_single_cert(certificates, key).map_err(Error::Tls)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn read_key(path: &Path) -> Result<String, Error> {
    read(path)
}

/// The text of a file that is known to hold certificates.
fn read_certificates(path: &Path) -> Result<String, Error> {
    let text = read(path)?;
    checked(path, &text)?;
    Ok(text)
}

fn parse_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    checked(path, &read(path)?)
}

fn checked(path: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found =
        pki::certificates(text).map_err(|source| Error::Material { path: path.to_owned(), source })?;
    if found.is_empty() { Err(Error::NoCertificate { path: path.to_owned() }) } else { Ok(found) }
}

fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in parse_certificates(path)? {
        roots.add(certificate).map_err(Error::Tls)?;
    }
    Ok(roots)
}

/// Takes any certificate for the server's; that the server has its key is still checked.
#[derive(Debug)]
struct TakesAny {
    provider: CryptoProvider,
}

impl TakesAny {
    fn new() -> Self {
        Self { provider: ring::default_provider() }
    }
}

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
