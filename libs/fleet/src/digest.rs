//! Digests as text: hex for content hashes, base32 for ids.

use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The first `N` letters of the digest in RFC 4648 base32, lower case, without padding.
pub(crate) fn base32<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    std::array::from_fn(|letter| {
        let bit = letter * 5;
        let high = u16::from(bytes.get(bit / 8).copied().unwrap_or(0)) << 8;
        let low = u16::from(bytes.get(bit / 8 + 1).copied().unwrap_or(0));
        LETTERS[usize::from((high | low) >> (11 - bit % 8) & 31)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base32_match_their_standards() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(&base32::<10>(b"foobar"), b"mzxw6ytboi");
    }
}
