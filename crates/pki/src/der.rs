//! Writing certificates in DER.
//!
//! Kubernetes keeps a user's groups in the subject as several organizations, and a signed request keeps
//! the subject it asked for, byte by byte. Neither can be said through the certificate builder that
//! makes our keys (its subject holds one value per attribute), so the certificate itself is written
//! here: <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>.

use std::net::IpAddr;

use jiff::Timestamp;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// Identifier octets of the extension 2.5.29.n.
const fn extension_id(n: u8) -> [u8; 3] {
    [0x55, 29, n]
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let length = content.len();
    if length < 0x80 {
        der.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|&&b| b == 0).count();
        der.push(0x80 | (bytes.len() - skip) as u8);
        der.extend_from_slice(&bytes[skip..]);
    }
    der.extend_from_slice(content);
    der
}

fn joined(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    tagged(tag, &parts.concat())
}

fn integer(unsigned: &[u8]) -> Vec<u8> {
    let skip = unsigned.iter().take_while(|&&b| b == 0).count();
    let digits = &unsigned[skip.min(unsigned.len().saturating_sub(1))..];
    match digits.first() {
        Some(first) if *first >= 0x80 => joined(INTEGER, &[&[0], digits]),
        _ => tagged(INTEGER, digits),
    }
}

fn bits(content: &[u8], unused: u8) -> Vec<u8> {
    joined(BIT_STRING, &[&[unused], content])
}

/// UTCTime through 2049, GeneralizedTime after, as the standard demands.
fn time(at: Timestamp) -> Vec<u8> {
    let utc = at.to_zoned(jiff::tz::TimeZone::UTC);
    if utc.year() < 2050 {
        tagged(UTC_TIME, utc.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        tagged(GENERALIZED_TIME, utc.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

/// A distinguished name: the organizations in order, then the common name.
pub(crate) fn name(common_name: &str, organizations: &[String]) -> Vec<u8> {
    let attribute = |id: &[u8], text: &str| {
        tagged(SET, &joined(SEQUENCE, &[&tagged(OID, id), &tagged(UTF8_STRING, text.as_bytes())]))
    };
    let mut attributes: Vec<u8> = organizations.iter().flat_map(|o| attribute(ORGANIZATION, o)).collect();
    attributes.extend(attribute(COMMON_NAME, common_name));
    tagged(SEQUENCE, &attributes)
}

fn extension(n: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tagged(BOOLEAN, &[0xff]) } else { Vec::new() };
    joined(SEQUENCE, &[&tagged(OID, &extension_id(n)), &critical, &tagged(OCTET_STRING, value)])
}

/// What is to be certified.
pub(crate) struct ToBeSigned<'a> {
    pub(crate) serial: [u8; 16],
    /// DER of the signature algorithm.
    pub(crate) algorithm: &'a [u8],
    /// DER of the issuer's name.
    pub(crate) issuer: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// DER of the subject's name.
    pub(crate) subject: &'a [u8],
    /// DER of the subject's public key with its algorithm.
    pub(crate) public_key: &'a [u8],
    pub(crate) is_ca: bool,
    /// Bits of the key usage, the first named one highest.
    pub(crate) key_usage: u16,
    /// Identifier octets of the extended key usages.
    pub(crate) extended_usages: Vec<&'a [u8]>,
    pub(crate) key_id: &'a [u8],
    pub(crate) issuer_key_id: &'a [u8],
    pub(crate) dns_names: &'a [String],
    pub(crate) addresses: &'a [IpAddr],
}

impl ToBeSigned<'_> {
    /// The bytes to sign.
    pub(crate) fn encode(&self) -> Vec<u8> {
        joined(
            SEQUENCE,
            &[
                // Version 3.
                &tagged(0xa0, &integer(&[2])),
                &integer(&self.serial),
                self.algorithm,
                self.issuer,
                &joined(SEQUENCE, &[&time(self.not_before), &time(self.not_after)]),
                self.subject,
                self.public_key,
                &tagged(0xa3, &tagged(SEQUENCE, &self.extensions())),
            ],
        )
    }

    fn extensions(&self) -> Vec<u8> {
        let constraints = if self.is_ca { tagged(BOOLEAN, &[0xff]) } else { Vec::new() };
        let mut all = Vec::new();
        if self.key_usage != 0 {
            all.extend(extension(15, true, &key_usage_bits(self.key_usage)));
        }
        if !self.extended_usages.is_empty() {
            let ids: Vec<u8> = self.extended_usages.iter().flat_map(|id| tagged(OID, id)).collect();
            all.extend(extension(37, false, &tagged(SEQUENCE, &ids)));
        }
        all.extend(extension(19, true, &tagged(SEQUENCE, &constraints)));
        all.extend(extension(14, false, &tagged(OCTET_STRING, self.key_id)));
        all.extend(extension(35, false, &tagged(SEQUENCE, &tagged(0x80, self.issuer_key_id))));
        let names = self.alternative_names();
        if !names.is_empty() {
            all.extend(extension(17, false, &tagged(SEQUENCE, &names)));
        }
        all
    }

    fn alternative_names(&self) -> Vec<u8> {
        let names = self.dns_names.iter().flat_map(|name| tagged(0x82, name.as_bytes()));
        let addresses = self.addresses.iter().flat_map(|address| match address {
            IpAddr::V4(v4) => tagged(0x87, &v4.octets()),
            IpAddr::V6(v6) => tagged(0x87, &v6.octets()),
        });
        names.chain(addresses).collect()
    }
}

/// Named bits are written without trailing zeros.
fn key_usage_bits(usage: u16) -> Vec<u8> {
    let unused = (usage.trailing_zeros() % 8) as u8;
    let bytes = usage.to_be_bytes();
    bits(if bytes[1] == 0 { &bytes[..1] } else { &bytes }, unused)
}

/// A certificate from the bytes that were signed and their signature.
pub(crate) fn certificate(signed: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    joined(SEQUENCE, &[signed, algorithm, &bits(signature, 0)])
}

/// A signature algorithm by its identifier octets; RSA carries an explicit NULL.
pub(crate) fn algorithm(id: &[u8], with_null: bool) -> Vec<u8> {
    joined(SEQUENCE, &[&tagged(OID, id), if with_null { &[5, 0] } else { &[] }])
}
