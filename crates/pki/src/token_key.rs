//! The key that signs service-account tokens.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::files::{read_if_exists, write_private};

/// A key for ES256 tokens.
#[derive(Debug)]
pub struct TokenKey {
    key: KeyPair,
}

impl TokenKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Key`] when the machine gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self { key: KeyPair::generate()? })
    }

    /// Reads a P-256 private key in PKCS #8 PEM.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is another key or none.
    pub fn parse(pem: &str) -> Result<Self, Error> {
        KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map(|key| Self { key })
            .map_err(|e| Error::malformed("service-account signing key", e))
    }

    /// Reads the key in a file, which is created with a new key when absent.
    ///
    /// # Errors
    /// Those of [`TokenKey::parse`], and [`Error::File`].
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        if let Some(pem) = read_if_exists(path)? {
            return Self::parse(&pem);
        }
        let key = Self::generate()?;
        write_private(path, &key.private_pem())?;
        Ok(key)
    }

    /// The private key in PKCS #8 PEM.
    pub fn private_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The public key in PEM.
    pub fn public_pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// The `kid` of tokens signed with this key: the SHA-256 of the public key's DER, in base64url.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.key.subject_public_key_info()))
    }

    /// The public point's x and y in base64url, as a JSON Web Key (RFC 7517) wants them.
    pub fn coordinates(&self) -> (String, String) {
        // Uncompressed: a leading 4, then 32 bytes each.
        let (x, y) = self.key.public_key_raw()[1..].split_at(32);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }
}
