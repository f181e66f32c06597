//! Sizes, headers and nonces of DARE 2.0; `docs/formats/dare-v2.md` specifies them.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;

use super::DareError;
use crate::key::DataKey;

/// First byte of every package.
pub const VERSION: u8 = 0x20;
/// Header of a package, in bytes.
pub const HEADER_BYTES: usize = 16;
/// Payload of a package, in bytes: exactly, except for the last one of a part.
pub const PAYLOAD_BYTES: usize = 64 * 1024;
/// Authentication tag at the end of a package, in bytes.
pub const TAG_BYTES: usize = 16;
/// The longest package, in bytes.
pub const PACKAGE_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES + TAG_BYTES;

/// Bytes of a header that are authenticated as they are; the others are the nonce.
const AAD_BYTES: usize = 4;
const FINAL_FLAG: u8 = 0x80;

/// What encrypts and authenticates a package. Both are of the AEAD kind (RFC 5116) and use keys of 32 and nonces of 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// AES-256 in Galois/counter mode (NIST SP 800-38D); byte `00`. Fast where the processor has AES instructions.
    #[default]
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439); byte `01`. Fast, and free of secret-dependent timing, without such instructions.
    ChaCha20Poly1305,
}

impl Cipher {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Aes256Gcm => 0,
            Self::ChaCha20Poly1305 => 1,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Aes256Gcm),
            1 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// The scheduled key. The library keeps it in memory that it overwrites before freeing.
    pub(super) fn key(self, key: &DataKey) -> Result<LessSafeKey, DareError> {
        let algorithm = match self {
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, key.expose()).map_err(|_| DareError::Cryptography)?;
        Ok(LessSafeKey::new(key))
    }
}

/// The nonce of a stream: 95 bits; the highest bit of the first byte belongs to the format and is always 0 here.
///
/// It is not secret. No two streams under one key may have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StreamNonce([u8; 12]);

impl StreamNonce {
    /// A nonce of given bytes; the highest bit of the first one is cleared.
    pub fn new(mut bytes: [u8; 12]) -> Self {
        bytes[0] &= !FINAL_FLAG;
        Self(bytes)
    }

    /// A nonce from the operating system's random source.
    ///
    /// # Errors
    ///
    /// [`DareError::Random`].
    pub fn random() -> Result<Self, DareError> {
        let mut bytes = [0; 12];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| DareError::Random)?;
        Ok(Self::new(bytes))
    }

    /// The bytes, with the highest bit of the first one clear.
    pub fn bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl fmt::Debug for StreamNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamNonce(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A decoded header. Nothing in it is to be trusted before the package is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u8,
    pub cipher: u8,
    /// 1 to [`PAYLOAD_BYTES`].
    pub payload: usize,
    pub last: bool,
    pub nonce: StreamNonce,
}

impl Header {
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [version, cipher, low, high, nonce @ ..] = *bytes;
        Self {
            version,
            cipher,
            payload: usize::from(u16::from_le_bytes([low, high])) + 1,
            last: nonce[0] & FINAL_FLAG != 0,
            nonce: StreamNonce::new(nonce),
        }
    }

    /// `payload` is 1 to [`PAYLOAD_BYTES`]; the callers checked it.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.version;
        bytes[1] = self.cipher;
        let length = u16::try_from(self.payload.saturating_sub(1)).unwrap_or(u16::MAX);
        bytes[2..AAD_BYTES].copy_from_slice(&length.to_le_bytes());
        bytes[AAD_BYTES..].copy_from_slice(&self.nonce.0);
        if self.last {
            bytes[AAD_BYTES] |= FINAL_FLAG;
        }
        bytes
    }
}

/// What the cipher takes besides the key and the payload. The nonce holds the final flag and the number of the package, so that
/// neither can be changed without failing authentication.
pub(super) fn aead_input(header: &[u8; HEADER_BYTES], sequence: u32) -> (aead::Nonce, Aad<[u8; AAD_BYTES]>) {
    let [a, b, c, d, nonce @ ..] = *header;
    let mut nonce = nonce;
    for (byte, number) in nonce[8..].iter_mut().zip(sequence.to_le_bytes()) {
        *byte ^= number;
    }
    (aead::Nonce::assume_unique_for_key(nonce), Aad::from([a, b, c, d]))
}

/// Length in bytes of the stream that a part of `payload` bytes becomes; `None` above 2^64 - 1.
pub fn encrypted_bytes(payload: u64) -> Option<u64> {
    let packages = payload.div_ceil(PAYLOAD_BYTES as u64);
    payload.checked_add(packages.checked_mul((HEADER_BYTES + TAG_BYTES) as u64)?)
}

/// The key of part `number` of an object: HMAC-SHA-256 (RFC 2104) under the object's key of the number, 4 bytes little-endian.
///
/// Every part has a key of its own, so that each may count its packages from 0.
///
/// # Errors
///
/// [`DareError::Cryptography`].
pub fn part_key(object: &DataKey, number: u32) -> Result<DataKey, DareError> {
    let signing = hmac::Key::new(hmac::HMAC_SHA256, object.expose());
    DataKey::written(|key| match hmac::sign_to_buffer(&signing, &number.to_le_bytes(), key) {
        Ok(_) => Ok(()),
        Err(_) => Err(DareError::Cryptography),
    })
}
