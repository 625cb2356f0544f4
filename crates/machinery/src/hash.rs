//! The short hashes that names of derived objects carry.

/// Letters that neither spell words nor look alike; safe in every Kubernetes name.
const SAFE_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// 32-bit FNV-1a of some bytes.
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Spells text with the safe alphabet: each byte becomes the letter at its code modulo 27.
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|byte| char::from(SAFE_ALPHABET[usize::from(byte) % SAFE_ALPHABET.len()])).collect()
}

/// The hash that stands in names and labels for `text`: FNV-1a in decimal, safely encoded.
pub fn name_hash(text: &str) -> String {
    safe_encode(&fnv1a_32(text.as_bytes()).to_string())
}

/// The letter of the safe alphabet that a random number picks.
pub(crate) fn safe_letter(random: u32) -> char {
    char::from(SAFE_ALPHABET[random as usize % SAFE_ALPHABET.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_name_has_upstreams_hash() {
        assert_eq!(name_hash("default-nginx-deployment"), "687f7fb96f");
    }

    #[test]
    fn fnv_of_nothing_is_the_offset_basis() {
        assert_eq!(fnv1a_32(b""), 0x811c_9dc5);
        assert_eq!(fnv1a_32(b"foobar"), 0xbf9c_f968);
    }
}
