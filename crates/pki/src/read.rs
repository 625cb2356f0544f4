//! Reading certificates, requests and keys.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::Error;

/// What a certificate says, as far as a control plane asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Common name of the subject: the user's name.
    pub common_name: String,
    /// Organizations of the subject: the user's groups.
    pub organizations: Vec<String>,
    /// Common name of the issuer.
    pub issuer: String,
    /// DNS names it is valid for.
    pub dns_names: Vec<String>,
    /// Addresses it is valid for.
    pub addresses: Vec<IpAddr>,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Whether its holder may act as a TLS client.
    pub client_auth: bool,
    /// Whether its holder may act as a TLS server.
    pub server_auth: bool,
    /// Whether it may sign others.
    pub is_ca: bool,
}

impl Certificate {
    /// Reads DER. Says nothing about who signed it.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let bad = |why: String| Error::malformed("certificate", why);
        let (_, parsed) = x509_parser::parse_x509_certificate(der).map_err(|e| bad(e.to_string()))?;
        let names = parsed.subject_alternative_name().map_err(|e| bad(e.to_string()))?;
        let (dns_names, addresses) =
            names.map(|san| alternative_names(&san.value.general_names)).unwrap_or_default();
        let usage = parsed.extended_key_usage().map_err(|e| bad(e.to_string()))?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(|e| bad(e.to_string()));
        Ok(Self {
            common_name: common_name(parsed.subject()),
            organizations: organizations(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            dns_names,
            addresses,
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            client_auth: usage.as_ref().is_some_and(|u| u.value.client_auth || u.value.any),
            server_auth: usage.as_ref().is_some_and(|u| u.value.server_auth || u.value.any),
            is_ca: parsed.is_ca(),
        })
    }

    /// Reads the first certificate in PEM.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse_pem(pem: &str) -> Result<Self, Error> {
        let first = certificates(pem)?.into_iter().next();
        Self::parse(&first.ok_or_else(|| Error::malformed("certificate", "no PEM block of that type"))?)
    }

    /// Whether less than a third of its life is left.
    pub fn is_due_for_renewal(&self, now: Timestamp) -> bool {
        let life = self.not_after.as_second() - self.not_before.as_second();
        self.not_after.as_second() - now.as_second() < life / 3
    }
}

/// What a certificate signing request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Common name of the subject.
    pub common_name: String,
    /// Organizations of the subject.
    pub organizations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether it names e-mail addresses or URIs, which no certificate issued here carries.
    pub has_other_names: bool,
    /// DER of the subject, as asked for.
    pub(crate) subject: Vec<u8>,
    /// DER of the public key.
    pub(crate) public_key: Vec<u8>,
}

impl Request {
    /// Reads a request in PEM and checks that it is signed with the key it asks for.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse_pem(pem: &str) -> Result<Self, Error> {
        let bad = |why: String| Error::malformed("certificate request", why);
        let der =
            CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).map_err(|e| bad(e.to_string()))?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|e| bad(e.to_string()))?;
        parsed.verify_signature().map_err(|e| bad(e.to_string()))?;
        let info = &parsed.certification_request_info;
        let mut request = Self {
            common_name: common_name(&info.subject),
            organizations: organizations(&info.subject),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            has_other_names: false,
            subject: info.subject.as_raw().to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
        };
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(san) = extension {
                let (dns_names, addresses) = alternative_names(&san.general_names);
                request.has_other_names |= dns_names.len() + addresses.len() != san.general_names.len();
                request.dns_names.extend(dns_names);
                request.addresses.extend(addresses);
            }
        }
        Ok(request)
    }
}

fn common_name(name: &X509Name<'_>) -> String {
    name.iter_common_name().filter_map(|a| a.as_str().ok()).last().unwrap_or_default().to_owned()
}

fn organizations(name: &X509Name<'_>) -> Vec<String> {
    name.iter_organization().filter_map(|a| a.as_str().ok()).map(Into::into).collect()
}

fn alternative_names(names: &[GeneralName<'_>]) -> (Vec<String>, Vec<IpAddr>) {
    let mut dns_names = Vec::new();
    let mut addresses = Vec::new();
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
            _ => {}
        }
    }
    (dns_names, addresses)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The certificates in a PEM text, in order, for use with rustls.
///
/// # Errors
/// [`Error::Malformed`] when a block is damaged. None at all is no error.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| Error::malformed("certificate", e))
}

/// The private key in a PEM text, for use with rustls.
///
/// # Errors
/// [`Error::Malformed`] when there is none.
pub fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| Error::malformed("private key", e))
}
