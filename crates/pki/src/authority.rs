//! A certificate authority in two files.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::{Clock, Random};
use jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::der::{self, ToBeSigned};
use crate::files::{read_if_exists, write_private};
use crate::read::{Certificate, Request, certificates};
use crate::usage::{self, Usage};

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * DAY.as_secs());
const LEAF_LIFE: Duration = Duration::from_secs(365 * DAY.as_secs());
/// Certificates begin this much before they are issued, for machines whose clock is a little late.
const SKEW: Duration = Duration::from_secs(300);

/// A certificate authority: a certificate and the key to sign others with.
#[derive(Debug)]
pub struct Authority {
    certificate_pem: String,
    key: KeyPair,
    /// DER of the own name.
    subject: Vec<u8>,
    key_id: Vec<u8>,
    not_after: Timestamp,
    clock: Clock,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Common name: for a client, the user's name.
    pub common_name: String,
    /// Organizations: for a client, the user's groups.
    pub organizations: Vec<String>,
    /// DNS names and addresses of a server.
    pub names: Vec<String>,
    /// Whether the holder acts as a TLS server.
    pub server: bool,
    /// Whether the holder acts as a TLS client.
    pub client: bool,
}

impl Profile {
    /// A server under these DNS names and addresses.
    pub fn server(common_name: &str, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { common_name: common_name.into(), names, server: true, ..Self::default() }
    }

    /// A client that is this user in these groups.
    pub fn client(user: &str, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let organizations = groups.into_iter().map(Into::into).collect();
        Self { common_name: user.into(), organizations, client: true, ..Self::default() }
    }

    fn usages(&self) -> Vec<Usage> {
        let mut usages = vec![Usage::DIGITAL_SIGNATURE];
        usages.extend(self.server.then_some(Usage::SERVER_AUTH));
        usages.extend(self.client.then_some(Usage::CLIENT_AUTH));
        usages
    }

    /// The names as DNS names and addresses.
    fn split_names(&self) -> (Vec<String>, Vec<IpAddr>) {
        let addresses: Vec<IpAddr> = self.names.iter().filter_map(|n| n.parse().ok()).collect();
        let names = self.names.iter().filter(|n| n.parse::<IpAddr>().is_err()).cloned().collect();
        (names, addresses)
    }

    fn is_met_by(&self, certificate: &Certificate) -> bool {
        let (dns_names, addresses) = self.split_names();
        certificate.common_name == self.common_name
            && certificate.organizations == self.organizations
            && certificate.dns_names == dns_names
            && certificate.addresses == addresses
            && certificate.server_auth == self.server
            && certificate.client_auth == self.client
    }
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// The private key in PKCS #8 PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issued(…)")
    }
}

impl Authority {
    /// A new authority that is valid for ten years.
    ///
    /// # Errors
    /// [`Error::Key`] when the machine gives no randomness.
    pub fn create(common_name: &str, clock: &Clock) -> Result<Self, Error> {
        Self::with_key(KeyPair::generate()?, common_name, clock)
    }

    fn with_key(key: KeyPair, common_name: &str, clock: &Clock) -> Result<Self, Error> {
        let public_key = key.subject_public_key_info();
        let (name, key_id) = (der::name(common_name, &[]), key_id(&public_key));
        let now = clock.now();
        let not_after = later(now, AUTHORITY_LIFE);
        let usages = [Usage::DIGITAL_SIGNATURE, Usage::CERT_SIGN];
        let to_be_signed = ToBeSigned {
            serial: serial(),
            algorithm: &algorithm(&key)?,
            issuer: &name,
            not_before: earlier(now, SKEW),
            not_after,
            subject: &name,
            public_key: &public_key,
            is_ca: true,
            key_usage: usage::key_bits(&usages),
            extended_usages: Vec::new(),
            key_id: &key_id,
            issuer_key_id: &key_id,
            dns_names: &[],
            addresses: &[],
        };
        let certificate_pem = sign(&to_be_signed, &key)?;
        Ok(Self { certificate_pem, key, subject: name, key_id, not_after, clock: clock.clone() })
    }

    /// An authority from its certificate and key in PEM.
    ///
    /// # Errors
    /// [`Error::Malformed`] when either cannot be read, the certificate is no authority's, or the key is
    /// not its key.
    pub fn parse(certificate_pem: &str, key_pem: &str, clock: &Clock) -> Result<Self, Error> {
        let bad = |why: &str| Error::malformed("certificate authority", why);
        let key = KeyPair::from_pem(key_pem).map_err(|e| Error::malformed("key of the authority", e))?;
        let first = certificates(certificate_pem)?.into_iter().next().ok_or_else(|| bad("no certificate"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&first).map_err(|e| bad(&e.to_string()))?;
        if !parsed.is_ca() {
            return Err(bad("the certificate is not an authority's"));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(bad("the key does not belong to the certificate"));
        }
        let own_id = parsed.iter_extensions().find_map(|e| match e.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Ok(Self {
            certificate_pem: certificate_pem.into(),
            subject: parsed.subject().as_raw().to_vec(),
            key_id: own_id.unwrap_or_else(|| key_id(parsed.public_key().raw)),
            not_after: Certificate::parse(&first)?.not_after,
            key,
            clock: clock.clone(),
        })
    }

    /// The authority in `{dir}/{name}.crt` and `{dir}/{name}.key`; when neither is there, a new one
    /// called `common_name`.
    ///
    /// # Errors
    /// Those of [`Authority::parse`], and [`Error::File`]. A certificate without its key is an error: a
    /// new authority would lock out everybody the old one certified.
    pub fn load_or_create(dir: &Path, name: &str, common_name: &str, clock: &Clock) -> Result<Self, Error> {
        let (certificate_path, key_path) = paths(dir, name);
        match (read_if_exists(&certificate_path)?, read_if_exists(&key_path)?) {
            (Some(certificate), Some(key)) => Self::parse(&certificate, &key, clock),
            (None, None) => {
                let authority = Self::create(common_name, clock)?;
                write_private(&key_path, &authority.key_pem())?;
                write_private(&certificate_path, &authority.certificate_pem)?;
                Ok(authority)
            }
            // Stopped between the two writes above. The same key also keeps good what it signed.
            (None, Some(key)) => {
                let key = KeyPair::from_pem(&key)
                    .map_err(|e| Error::malformed(key_path.display().to_string(), e))?;
                let authority = Self::with_key(key, common_name, clock)?;
                write_private(&certificate_path, &authority.certificate_pem)?;
                Ok(authority)
            }
            (Some(_), None) => {
                let what = key_path.display().to_string();
                Err(Error::malformed(what, "missing, but its certificate is there"))
            }
        }
    }

    /// The certificate in PEM, to be trusted by those who shall trust what it issues.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PKCS #8 PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Issues a certificate with a new key, valid for a year.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn issue(&self, profile: &Profile) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let (dns_names, addresses) = profile.split_names();
        let certificate_pem = self.certify(&Leaf {
            subject: &der::name(&profile.common_name, &profile.organizations),
            public_key: &key.subject_public_key_info(),
            usages: &profile.usages(),
            dns_names: &dns_names,
            addresses: &addresses,
            life: LEAF_LIFE,
        })?;
        Ok(Issued { certificate_pem, key_pem: key.serialize_pem() })
    }

    /// The certificate in `{dir}/{name}.crt` with its key in `{dir}/{name}.key`. Issued anew when absent,
    /// unreadable, for somebody else, from another authority, or with less than a third of its life left.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Key`].
    pub fn ensure(&self, dir: &Path, name: &str, profile: &Profile) -> Result<Issued, Error> {
        let (certificate_path, key_path) = paths(dir, name);
        if let (Some(certificate_pem), Some(key_pem)) =
            (read_if_exists(&certificate_path)?, read_if_exists(&key_path)?)
        {
            let issued = Issued { certificate_pem, key_pem };
            if self.is_good(&issued, profile) {
                return Ok(issued);
            }
        }
        let issued = self.issue(profile)?;
        write_private(&key_path, &issued.key_pem)?;
        write_private(&certificate_path, &issued.certificate_pem)?;
        Ok(issued)
    }

    fn is_good(&self, issued: &Issued, profile: &Profile) -> bool {
        let Ok(key) = KeyPair::from_pem(&issued.key_pem) else { return false };
        let Some(der) = certificates(&issued.certificate_pem).ok().and_then(|all| all.into_iter().next())
        else {
            return false;
        };
        let belongs = x509_parser::parse_x509_certificate(&der)
            .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info());
        belongs
            && self.has_signed(&der)
            && Certificate::parse(&der)
                .is_ok_and(|c| profile.is_met_by(&c) && !c.is_due_for_renewal(self.clock.now()))
    }

    /// Whether this authority signed the certificate. Says nothing about its validity in time.
    pub fn has_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(own) = certificates(&self.certificate_pem) else { return false };
        let own = own.first().and_then(|der| x509_parser::parse_x509_certificate(der).ok());
        let theirs = x509_parser::parse_x509_certificate(certificate).ok();
        matches!((own, theirs), (Some((_, own)), Some((_, theirs)))
            if theirs.verify_signature(Some(own.public_key())).is_ok())
    }

    /// Signs a request: subject, key and names as asked for, usages and life as given. The life is cut
    /// to the authority's own. Returns the certificate in PEM.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn sign_request(&self, request: &Request, usages: &[Usage], life: Duration) -> Result<String, Error> {
        self.certify(&Leaf {
            subject: &request.subject,
            public_key: &request.public_key,
            usages,
            dns_names: &request.dns_names,
            addresses: &request.addresses,
            life,
        })
    }

    fn certify(&self, leaf: &Leaf<'_>) -> Result<String, Error> {
        let now = self.clock.now();
        let to_be_signed = ToBeSigned {
            serial: serial(),
            algorithm: &algorithm(&self.key)?,
            issuer: &self.subject,
            not_before: earlier(now, SKEW),
            not_after: later(now, leaf.life).min(self.not_after),
            subject: leaf.subject,
            public_key: leaf.public_key,
            is_ca: false,
            key_usage: usage::key_bits(leaf.usages),
            extended_usages: usage::extended(leaf.usages),
            key_id: &key_id(leaf.public_key),
            issuer_key_id: &self.key_id,
            dns_names: leaf.dns_names,
            addresses: leaf.addresses,
        };
        sign(&to_be_signed, &self.key)
    }
}

struct Leaf<'a> {
    subject: &'a [u8],
    public_key: &'a [u8],
    usages: &'a [Usage],
    dns_names: &'a [String],
    addresses: &'a [IpAddr],
    life: Duration,
}

fn paths(dir: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn serial() -> [u8; 16] {
    let mut serial = [0; 16];
    Random::system().fill(&mut serial);
    serial
}

fn key_id(public_key: &[u8]) -> Vec<u8> {
    Sha256::digest(public_key)[..20].to_vec()
}

/// DER of the signature algorithm a key signs with.
fn algorithm(key: &KeyPair) -> Result<Vec<u8>, Error> {
    let algorithms: [(&rcgen::SignatureAlgorithm, &[u8], bool); 4] = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], false),
        (&rcgen::PKCS_ECDSA_P384_SHA384, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], false),
        (&rcgen::PKCS_RSA_SHA256, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], true),
        (&rcgen::PKCS_ED25519, &[0x2b, 0x65, 0x70], false),
    ];
    algorithms
        .iter()
        .find(|(known, ..)| *known == key.algorithm())
        .map(|(_, id, with_null)| der::algorithm(id, *with_null))
        .ok_or_else(|| Error::malformed("key of the authority", "not of a kind that signs certificates"))
}

fn sign(to_be_signed: &ToBeSigned<'_>, key: &KeyPair) -> Result<String, Error> {
    let bytes = to_be_signed.encode();
    let signature = key.sign(&bytes)?;
    Ok(pem("CERTIFICATE", &der::certificate(&bytes, to_be_signed.algorithm, &signature)))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
