//! Digests as text: SHA-256 in lower-case hexadecimal digits, the one form in which files and reports name them.

use sha2::{Digest, Sha256};

/// The SHA-256 digest of bytes in hexadecimal digits.
pub fn hex_digest(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}
