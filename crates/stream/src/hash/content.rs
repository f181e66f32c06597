//! The checksum of the content: where its expected value comes from, and what it is compared with.

use std::collections::HashMap;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::HashReader;
use super::trailer::TrailingHeaders;
use crate::checksum::{Checksum, ChecksumType, Digest, Hasher, get_content_checksum, hex};
use crate::error::ChecksumMismatch;

impl HashReader {
    /// Takes the checksum that a request announces in `headers`, or in its trailer. With `ignore_value` it is noted and not checked.
    ///
    /// # Errors
    ///
    /// Those of [`get_content_checksum`] and [`HashReader::add_non_trailing_checksum`].
    pub fn add_checksum_from_s3s(
        &mut self,
        headers: &HeaderMap,
        trailing_headers: Option<TrailingHeaders>,
        ignore_value: bool,
    ) -> Result<(), io::Error> {
        let checksum = get_content_checksum(headers)?;
        if checksum.as_ref().is_some_and(|checksum| checksum.checksum_type.trailing()) {
            self.set_content_trailer(trailing_headers);
        }
        self.add_non_trailing_checksum(checksum, ignore_value)
    }

    /// As [`HashReader::add_checksum_from_s3s`], for a request without a trailer.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn add_checksum_no_trailer(
        &mut self,
        header: &HeaderMap,
        ignore_value: bool,
    ) -> Result<(), io::Error> {
        self.add_non_trailing_checksum(get_content_checksum(header)?, ignore_value)
    }

    /// Takes a checksum that the content must have. With `ignore_value` it is noted and not checked.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`], `Invalid checksum type`, for a type without an algorithm.
    pub fn add_non_trailing_checksum(
        &mut self,
        checksum: Option<Checksum>,
        ignore_value: bool,
    ) -> Result<(), io::Error> {
        let Some(checksum) = checksum else { return Ok(()) };
        let hasher = hasher(checksum.checksum_type)?;
        self.set_content(checksum, (!ignore_value).then_some(hasher));
        Ok(())
    }

    /// Computes a checksum of the content, which [`HashReader::checksum`] has once all was read.
    ///
    /// # Errors
    ///
    /// As [`HashReader::add_non_trailing_checksum`].
    pub fn add_calculated_checksum(&mut self, checksum_type: ChecksumType) -> Result<(), io::Error> {
        let hasher = hasher(checksum_type)?;
        let checksum = Checksum { checksum_type, ..Checksum::default() };
        self.set_content(checksum, Some(hasher));
        Ok(())
    }

    /// The checksum of the content, if there is one and its value is known or will come in a trailer.
    pub fn checksum(&self) -> Option<Checksum> {
        let checksum = self.content()?;
        (checksum.checksum_type.is_set() && checksum.valid()).then(|| checksum.clone())
    }

    /// The type of the content's checksum, whether its value is known or not.
    pub fn content_crc_type(&self) -> Option<ChecksumType> {
        self.content().map(|checksum| checksum.checksum_type)
    }

    /// The algorithm's name and the value in Base64, from the trailer if it is there; empty if there is no valid value.
    pub fn content_crc(&self) -> HashMap<String, String> {
        let Some(checksum) = self.checksum() else { return HashMap::new() };
        let trailing = || announced(self.trailer()?, checksum.checksum_type);
        let value = if checksum.encoded.is_empty() { trailing() } else { Some(checksum.encoded.clone()) };
        value.map(|value| (checksum.checksum_type.to_string(), value)).into_iter().collect()
    }
}

fn hasher(checksum_type: ChecksumType) -> io::Result<Hasher> {
    let algorithm = checksum_type.algorithm().filter(|_| checksum_type.is_set());
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "Invalid checksum type");
    algorithm.map(Hasher::new).ok_or_else(invalid)
}

/// The value that a trailer gives.
fn announced(trailer: &TrailingHeaders, checksum_type: ChecksumType) -> Option<String> {
    let key = checksum_type.key()?;
    trailer.read(|headers| Some(headers.get(key)?.to_str().ok()?.to_owned())).flatten()
}

/// Why a content is not what was announced. It can be reported more than once.
#[derive(Debug, Clone)]
pub(super) enum ContentFailure {
    NotBase64,
    NotAnnounced,
    Mismatch(ChecksumMismatch),
}

impl ContentFailure {
    pub(super) fn error(&self) -> io::Error {
        match self {
            Self::NotBase64 => io::Error::other("Invalid base64 checksum"),
            Self::NotAnnounced => io::Error::other("Content hash mismatch"),
            Self::Mismatch(mismatch) => io::Error::new(io::ErrorKind::InvalidData, mismatch.clone()),
        }
    }
}

/// Compares the computed checksum with the expected one, which may come from the trailer, and fills in a value that was not known.
pub(super) fn settle(
    checksum: &mut Checksum,
    found: &Digest,
    trailer: Option<&TrailingHeaders>,
) -> Result<(), ContentFailure> {
    if checksum.checksum_type.trailing() {
        let value = trailer.and_then(|trailer| announced(trailer, checksum.checksum_type));
        let encoded = value.unwrap_or_default();
        let raw = STANDARD.decode(&encoded).map_err(|_| ContentFailure::NotBase64)?;
        if raw.is_empty() {
            return Err(ContentFailure::NotAnnounced);
        }
        compare(&raw, found)?;
        (checksum.encoded, checksum.raw) = (encoded, raw);
    } else if checksum.raw.is_empty() {
        (checksum.encoded, checksum.raw) = (found.to_base64(), found.as_bytes().to_vec());
    } else {
        compare(&checksum.raw, found)?;
    }
    Ok(())
}

fn compare(expected: &[u8], found: &Digest) -> Result<(), ContentFailure> {
    if expected == found.as_bytes() {
        return Ok(());
    }
    Err(ContentFailure::Mismatch(ChecksumMismatch { want: hex(expected), got: found.to_hex() }))
}
