//! A checksum's value, and what can be done with it.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum_combine};

use super::algorithm::Algorithm;
use super::kind::ChecksumType;
use super::list::append;
use crate::error::ChecksumMismatch;

/// A type and the value that was announced or computed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checksum {
    /// What it is.
    pub checksum_type: ChecksumType,
    /// The value in Base64 with padding; empty while it is not known.
    pub encoded: String,
    /// The value's bytes, big-endian.
    pub raw: Vec<u8>,
    /// Parts that the object must have; 0 if any number will do.
    pub want_parts: i32,
}

impl Checksum {
    /// The checksum of `data`; `None` without an algorithm.
    pub fn new_from_data(checksum_type: ChecksumType, data: &[u8]) -> Option<Self> {
        if !checksum_type.is_set() {
            return None;
        }
        let digest = checksum_type.algorithm()?.digest(data);
        let raw = digest.as_bytes().to_vec();
        Some(Self { checksum_type, encoded: digest.to_base64(), raw, want_parts: 0 })
    }

    /// The value that a header gives for the algorithm named `alg`; `None` if either cannot be understood.
    pub fn new_from_string(alg: &str, value: &str) -> Option<Self> {
        Self::new_with_type(ChecksumType::from_string(alg), value)
    }

    /// The value that a header gives: Base64, and with `-N` behind it that of an object of `N` parts.
    ///
    /// `None` if it cannot be understood or has the wrong length.
    pub fn new_with_type(checksum_type: ChecksumType, value: &str) -> Option<Self> {
        if !checksum_type.is_set() {
            return None;
        }
        let (mut checksum_type, mut want_parts) = (checksum_type, 0);
        let mut encoded = value;
        if let Some((before, parts)) = value.split_once('-') {
            encoded = before;
            want_parts = parts.parse().ok().filter(|parts| *parts >= 0)?;
            checksum_type.merge(ChecksumType::MULTIPART);
        }
        let raw = STANDARD.decode(encoded).ok()?;
        let checksum = Self { checksum_type, encoded: encoded.to_owned(), raw, want_parts };
        checksum.valid().then_some(checksum)
    }

    /// Whether type and value go together. A trailing checksum may be without a value.
    pub fn valid(&self) -> bool {
        if self.checksum_type.is(ChecksumType::INVALID) {
            return false;
        }
        if self.encoded.is_empty() && self.raw.is_empty() {
            return self.checksum_type == ChecksumType::NONE || self.checksum_type.trailing();
        }
        self.checksum_type.is_set() && self.raw.len() == self.checksum_type.raw_byte_len()
    }

    /// Compares with the checksum of `content`, and the number of parts if one is wanted. Without a value everything matches.
    ///
    /// # Errors
    ///
    /// [`ChecksumMismatch`] with both values in Base64.
    pub fn matches(&self, content: &[u8], parts: i32) -> Result<(), ChecksumMismatch> {
        if self.encoded.is_empty() {
            return Ok(());
        }
        let Some(found) = Self::new_from_data(self.checksum_type, content) else {
            return Err(ChecksumMismatch { want: self.encoded.clone(), got: String::new() });
        };
        if self.want_parts > 0 && self.want_parts != parts {
            return Err(ChecksumMismatch {
                want: format!("{}-{}", self.encoded, self.want_parts),
                got: format!("{}-{parts}", found.encoded),
            });
        }
        if found.raw == self.raw {
            return Ok(());
        }
        Err(ChecksumMismatch { want: self.encoded.clone(), got: found.encoded })
    }

    /// The algorithm's name and the value in Base64; `None` if the checksum is not valid.
    pub fn as_map(&self) -> Option<HashMap<String, String>> {
        self.valid().then(|| HashMap::from([(self.checksum_type.to_string(), self.encoded.clone())]))
    }

    /// The form that object metadata holds, with the values of `parts`, one behind the other, if the type includes them.
    pub fn to_bytes(&self, parts: &[u8]) -> Bytes {
        self.append_to(Vec::new(), parts).into()
    }

    /// As [`Checksum::to_bytes`], behind what `buffer` holds.
    pub fn append_to(&self, buffer: Vec<u8>, parts: &[u8]) -> Vec<u8> {
        append(self, buffer, parts)
    }

    /// Appends a part of `size` bytes with the checksum `other`: the value becomes that of both contents, one behind the other.
    ///
    /// # Errors
    ///
    /// A message if the algorithm cannot be merged, differs, or a value is missing.
    pub fn add_part(&mut self, other: &Self, size: i64) -> Result<(), String> {
        if !other.checksum_type.can_merge() {
            return Err("checksum type cannot be merged".to_owned());
        }
        if size == 0 {
            return Ok(());
        }
        if !self.checksum_type.is(other.checksum_type.base()) {
            return Err(format!(
                "checksum type does not match got {} and {}",
                self.checksum_type, other.checksum_type
            ));
        }
        let size = u64::try_from(size).map_err(|_| "invalid part checksum".to_owned())?;
        let algorithm = match self.checksum_type.algorithm() {
            Some(Algorithm::Crc32) => CrcAlgorithm::Crc32IsoHdlc,
            Some(Algorithm::Crc32c) => CrcAlgorithm::Crc32Iscsi,
            Some(Algorithm::Crc64Nvme) => CrcAlgorithm::Crc64Nvme,
            _ => return Err(format!("unknown checksum type: {}", self.checksum_type)),
        };
        let length = self.checksum_type.raw_byte_len();
        let part = number(&other.raw, length).ok_or_else(|| "invalid part checksum".to_owned())?;
        if self.raw.is_empty() {
            self.raw.clone_from(&other.raw);
            self.encoded.clone_from(&other.encoded);
            return Ok(());
        }
        let base = number(&self.raw, length).ok_or_else(|| "invalid base checksum".to_owned())?;
        let both = checksum_combine(algorithm, base, part, size).to_be_bytes();
        self.raw = both.get(8 - length..).unwrap_or_default().to_vec();
        self.encoded = STANDARD.encode(&self.raw);
        Ok(())
    }
}

/// A value of `length` bytes, at most 8, as a number.
fn number(raw: &[u8], length: usize) -> Option<u64> {
    (raw.len() == length).then(|| raw.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
