//! What a certificate may be used for.

/// A use of a certificate, as certificate signing requests name it. See
/// <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/certificate-signing-request-v1/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage(&'static Row);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    name: &'static str,
    means: Means,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Means {
    /// Bit of the key usage extension, the first one highest.
    Key(u16),
    /// Identifier octets of an extended key usage.
    Extended(&'static [u8]),
}

use Means::{Extended, Key};

const fn row(name: &'static str, means: Means) -> Row {
    Row { name, means }
}

static ROWS: [Row; 23] = [
    row("signing", Key(1 << 15)),
    row("digital signature", Key(1 << 15)),
    row("content commitment", Key(1 << 14)),
    row("key encipherment", Key(1 << 13)),
    row("data encipherment", Key(1 << 12)),
    row("key agreement", Key(1 << 11)),
    row("cert sign", Key(1 << 10)),
    row("crl sign", Key(1 << 9)),
    row("encipher only", Key(1 << 8)),
    row("decipher only", Key(1 << 7)),
    row("any", Extended(&[0x55, 29, 37, 0])),
    row("server auth", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 1])),
    row("client auth", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 2])),
    row("code signing", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 3])),
    row("email protection", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 4])),
    row("s/mime", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 4])),
    row("ipsec end system", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 5])),
    row("ipsec tunnel", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 6])),
    row("ipsec user", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 7])),
    row("timestamping", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 8])),
    row("ocsp signing", Extended(&[0x2b, 6, 1, 5, 5, 7, 3, 9])),
    row("microsoft sgc", Extended(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3])),
    row("netscape sgc", Extended(&[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1])),
];

impl Usage {
    /// Signatures made with the key.
    pub const DIGITAL_SIGNATURE: Self = Self(&ROWS[1]);
    /// Signing of other certificates.
    pub const CERT_SIGN: Self = Self(&ROWS[6]);
    /// The holder acts as a TLS server.
    pub const SERVER_AUTH: Self = Self(&ROWS[11]);
    /// The holder acts as a TLS client.
    pub const CLIENT_AUTH: Self = Self(&ROWS[12]);

    /// The use of this name, for example `client auth`.
    pub fn parse(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name == name).map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

/// Bits of the key usage extension for a set of uses.
pub(crate) fn key_bits(usages: &[Usage]) -> u16 {
    usages.iter().fold(0, |bits, usage| match usage.0.means {
        Key(bit) => bits | bit,
        Extended(_) => bits,
    })
}

/// Identifiers of the extended key usages in a set of uses.
pub(crate) fn extended(usages: &[Usage]) -> Vec<&'static [u8]> {
    let mut ids = Vec::new();
    for usage in usages {
        match usage.0.means {
            Extended(id) if !ids.contains(&id) => ids.push(id),
            Extended(_) | Key(_) => {}
        }
    }
    ids
}
