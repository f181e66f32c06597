//! What authenticates, and encrypts, the segments of one object.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hkdf, hmac};

use super::PackError;
use super::format::{MAC_BYTES, SEGMENT_HEADER_BYTES, TAG_BYTES};
use crate::dare::Cipher;
use crate::key::DataKey;

const HEADER_PURPOSE: &[u8] = b"rio pack 1 header\0";
const FRAMES_PURPOSE: &[u8] = b"rio pack 1 segments\0";
const CHECKSUM_PURPOSE: &str = "rio pack 1 checksum of segments";

/// What protects a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// Byte 0: checksums. BLAKE3 finds every accident; who wants to forge a segment can.
    #[default]
    Blake3,
    /// Byte 1: AES-256-GCM (NIST SP 800-38D).
    Aes256Gcm,
    /// Byte 2: ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305,
}

impl Protection {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Blake3 => 0,
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Blake3, Self::Aes256Gcm, Self::ChaCha20Poly1305].into_iter().find(|kind| kind.byte() == byte)
    }

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
        }
    }

    /// Whether the content is secret.
    pub fn encrypts(self) -> bool {
        self != Self::Blake3
    }
}

impl From<Cipher> for Protection {
    fn from(cipher: Cipher) -> Self {
        match cipher {
            Cipher::Aes256Gcm => Self::Aes256Gcm,
            Cipher::ChaCha20Poly1305 => Self::ChaCha20Poly1305,
        }
    }
}

/// Seals and opens the segments of one object.
pub(super) enum Guard {
    Checksum([u8; 32]),
    Cipher(LessSafeKey),
}

/// Length of an HKDF output.
struct Bytes32;

impl hkdf::KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// The MAC of a header (all of it before the MAC) and the guard that is bound to all of the header.
pub(super) fn seal_header(
    protection: Protection,
    object: &[u8; 16],
    header: &[u8],
    key: Option<&DataKey>,
) -> Result<([u8; MAC_BYTES], Guard), PackError> {
    let (Some(key), true) = (key, protection.encrypts()) else {
        let mac = *blake3::hash(header).as_bytes();
        return Ok((mac, Guard::Checksum(blake3::derive_key(CHECKSUM_PURPOSE, &mac))));
    };
    let root = hkdf::Salt::new(hkdf::HKDF_SHA256, object).extract(key.expose());
    let failed = |_: aws_lc_rs::error::Unspecified| PackError::Cryptography;
    let mac_key = DataKey::written(|bytes| {
        root.expand(&[HEADER_PURPOSE], Bytes32).and_then(|okm| okm.fill(bytes)).map_err(failed)
    })?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, mac_key.expose()), header);
    let mac: [u8; MAC_BYTES] = tag.as_ref().try_into().map_err(|_| PackError::Cryptography)?;
    let algorithm =
        if protection == Protection::Aes256Gcm { &aead::AES_256_GCM } else { &aead::CHACHA20_POLY1305 };
    let info: [&[u8]; 2] = [FRAMES_PURPOSE, &mac];
    let okm = root.expand(&info, algorithm).map_err(failed)?;
    Ok((mac, Guard::Cipher(LessSafeKey::new(UnboundKey::from(okm)))))
}

/// The guard of a header that was read, if its MAC is right.
pub(super) fn open_header(
    protection: Protection,
    object: &[u8; 16],
    header: &[u8],
    mac: &[u8; MAC_BYTES],
    key: Option<&DataKey>,
) -> Result<Guard, PackError> {
    let (expected, guard) = seal_header(protection, object, header, key)?;
    constant_time::verify_slices_are_equal(&expected, mac).map_err(|_| PackError::HeaderAuthentication)?;
    Ok(guard)
}

/// The nonce of a segment: its number, and whether it is the last one (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
/// Vizar 2015). The key is that of one object, so that a counter never repeats.
fn nonce(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    nonce[11] = u8::from(last);
    nonce
}

impl Guard {
    /// Encrypts what stands in `out` from `body` on and appends the tag.
    pub(super) fn seal(
        &self,
        number: u64,
        last: bool,
        header: &[u8; SEGMENT_HEADER_BYTES],
        body: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), PackError> {
        let nonce = nonce(number, last);
        let (_, bytes) = out.split_at_mut(body);
        match self {
            Self::Checksum(key) => {
                let tag = checksum(key, &nonce, header, bytes);
                out.extend_from_slice(&tag);
            }
            Self::Cipher(key) => {
                let aad = Aad::from(header);
                let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, bytes);
                match tag {
                    Ok(tag) => out.extend_from_slice(tag.as_ref()),
                    Err(_) => {
                        // What the cipher left may be the content itself.
                        bytes.fill(0);
                        return Err(PackError::Cryptography);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether `stored` is authentic; decrypts it into `plain`, which has its length, if it is encrypted.
    pub(super) fn open(
        &self,
        number: u64,
        last: bool,
        header: &[u8; SEGMENT_HEADER_BYTES],
        stored: &[u8],
        tag: &[u8; TAG_BYTES],
        plain: &mut [u8],
    ) -> bool {
        let nonce = nonce(number, last);
        match self {
            Self::Checksum(key) => {
                constant_time::verify_slices_are_equal(&checksum(key, &nonce, header, stored), tag).is_ok()
            }
            Self::Cipher(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let opened = key.open_separate_gather(nonce, Aad::from(header), stored, tag, plain).is_ok();
                if !opened {
                    plain.fill(0);
                }
                opened
            }
        }
    }

    /// Whether bodies stand in clear.
    pub(super) fn is_clear(&self) -> bool {
        matches!(self, Self::Checksum(_))
    }
}

fn checksum(
    key: &[u8; 32],
    nonce: &[u8; 12],
    header: &[u8; SEGMENT_HEADER_BYTES],
    body: &[u8],
) -> [u8; TAG_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(nonce).update(header).update(body);
    let mut tag = [0; TAG_BYTES];
    hasher.finalize_xof().fill(&mut tag);
    tag
}
