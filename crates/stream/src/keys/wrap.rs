//! Wrapping a data key with another key; `docs/formats/pack.md` specifies the 80 bytes.
//!
//! Each wrapping uses a key of its own, derived with 32 random bytes, so that no number of objects wears out the key: with random
//! nonces of 96 bits alone, 2^32 wrappings under one key would be the limit (NIST SP 800-38D, section 8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroize;

use super::{KeyError, KeyId, WrappedKey};
use crate::key::{DataKey, KEY_BYTES};

const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// Salt, key and tag.
const WRAPPED_BYTES: usize = SALT_BYTES + KEY_BYTES + TAG_BYTES;
const PURPOSE: &[u8] = b"rio key wrapping 1\0";

pub(super) fn wrap(
    id: &KeyId,
    with: &DataKey,
    key: &DataKey,
    context: &[u8],
) -> Result<WrappedKey, KeyError> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| KeyError::Random)?;
    let cipher = cipher(id, with, &salt)?;
    let mut bytes = Vec::with_capacity(WRAPPED_BYTES);
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(key.expose());
    let (_, secret) = bytes.split_at_mut(SALT_BYTES);
    match cipher.seal_in_place_separate_tag(nonce(), Aad::from(context), secret) {
        Ok(tag) => bytes.extend_from_slice(tag.as_ref()),
        Err(_) => {
            bytes.zeroize();
            return Err(KeyError::Cryptography);
        }
    }
    Ok(WrappedKey { id: id.clone(), bytes })
}

pub(super) fn unwrap(with: &DataKey, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKey, KeyError> {
    let failure = || KeyError::Unwrap { id: wrapped.id.clone() };
    let bytes: &[u8; WRAPPED_BYTES] = wrapped.bytes.as_slice().try_into().map_err(|_| failure())?;
    let (salt, sealed) = bytes.split_first_chunk::<SALT_BYTES>().ok_or_else(failure)?;
    let (secret, tag) = sealed.split_at(KEY_BYTES);
    let cipher = cipher(&wrapped.id, with, salt)?;
    DataKey::written(|key| cipher.open_separate_gather(nonce(), Aad::from(context), secret, tag, key))
        .map_err(|_| failure())
}

/// The key is used for one message, so its nonce is a constant.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn cipher(id: &KeyId, with: &DataKey, salt: &[u8; SALT_BYTES]) -> Result<LessSafeKey, KeyError> {
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(with.expose());
    let info = [PURPOSE, id.as_str().as_bytes()];
    let okm = key.expand(&info, &AES_256_GCM).map_err(|_| KeyError::Cryptography)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}
