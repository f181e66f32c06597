//! Writing an encrypted stream.

use std::fmt;

use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::block::{checksum, header};
use super::sealed::{
    BLOCK, END_FRAME, HEADER_BYTES, LENGTH_EXCESS, SEALED_BLOCK_BYTES, SealedError, TAG_BYTES, aead_nonce,
    block_nonce, cipher, multipart_part_nonce,
};
use crate::key::DataKey;
use crate::varint;

/// Makes the encrypted stream of one object or part from pieces of any size, as RustFS 1.0.0-beta.6 writes it: blocks of
/// [`SEALED_BLOCK_BYTES`], each under a nonce of its own, and an end frame.
///
/// The format leaves order and end of the blocks unauthenticated; [`crate::dare`] does not.
pub struct SealEncoder {
    key: Result<LessSafeKey, SealedError>,
    nonce: [u8; 12],
    part: usize,
    /// Number of the next block; `None` when there are no more numbers.
    next: Option<u32>,
    held: Vec<u8>,
    finished: bool,
}

impl SealEncoder {
    /// A stream of one object. The same key and nonce must never be used for two contents: an attacker who sees both can decrypt
    /// them and forge others.
    pub fn new(key: &DataKey, nonce: [u8; 12]) -> Self {
        Self { key: cipher(key), nonce, part: 1, next: Some(0), held: Vec::new(), finished: false }
    }

    /// A stream of one part of a multipart object.
    pub fn part(key: &DataKey, base_nonce: [u8; 12], part_number: usize) -> Self {
        let nonce = multipart_part_nonce(base_nonce, part_number);
        Self { part: part_number, ..Self::new(key, nonce) }
    }

    /// Takes the next bytes of the content and appends the blocks that are full to `out`.
    ///
    /// # Errors
    ///
    /// [`SealedError::TooLong`], [`SealedError::Cryptography`]; [`SealedError::Finished`] after [`SealEncoder::finish`].
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), SealedError> {
        if self.finished {
            return Err(SealedError::Finished);
        }
        while !input.is_empty() {
            if self.held.is_empty()
                && let Some((block, rest)) = input.split_at_checked(SEALED_BLOCK_BYTES)
            {
                self.seal(block, out)?;
                input = rest;
                continue;
            }
            let (now, rest) = input.split_at(input.len().min(SEALED_BLOCK_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
            if self.held.len() == SEALED_BLOCK_BYTES {
                self.seal_held(out)?;
            }
        }
        Ok(())
    }

    /// Appends what was held back and the end frame, once.
    ///
    /// # Errors
    ///
    /// As [`SealEncoder::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SealedError> {
        if self.finished {
            return Err(SealedError::Finished);
        }
        if !self.held.is_empty() {
            self.seal_held(out)?;
        }
        out.extend_from_slice(&END_FRAME);
        self.finished = true;
        Ok(())
    }

    fn seal_held(&mut self, out: &mut Vec<u8>) -> Result<(), SealedError> {
        let mut held = std::mem::take(&mut self.held);
        self.seal(&held, out)?;
        held.clear();
        self.held = held;
        Ok(())
    }

    fn seal(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), SealedError> {
        let key = self.key.as_ref().map_err(|error| *error)?;
        // Taken before the cipher runs: a number is never used again, whatever happens.
        let number = self.next.ok_or(SealedError::TooLong { part: self.part })?;
        self.next = number.checked_add(1);
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        varint::put(out, block.len() as u64);
        let body = out.len();
        let length = body - start - HEADER_BYTES + block.len() + TAG_BYTES + LENGTH_EXCESS;
        if let Some(place) = out.get_mut(start..start + HEADER_BYTES) {
            place.copy_from_slice(&header(BLOCK, length, checksum(block)));
        }
        out.resize(body + block.len() + TAG_BYTES, 0);
        let nonce = aead_nonce(block_nonce(self.nonce, number));
        let (_, target) = out.split_at_mut(body);
        // From one buffer into the other: the content is not copied first.
        if key.seal_in_place_scatter(nonce, Aad::empty(), &mut [], block, target).is_err() {
            out.truncate(start);
            self.next = None;
            return Err(SealedError::Cryptography);
        }
        Ok(())
    }
}

impl fmt::Debug for SealEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealEncoder")
            .field("part", &self.part)
            .field("next", &self.next)
            .field("held", &self.held.len())
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}
