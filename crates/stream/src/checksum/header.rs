//! What the headers of a request say about checksums.

use std::io;

use http::HeaderMap;

use super::kind::{BASE_CHECKSUM_TYPES, ChecksumType};
use super::value::Checksum;
use crate::error::ChecksumMismatch;

pub(crate) const CHECKSUM_ALGORITHM_HEADER: &str = "x-amz-checksum-algorithm";
pub(crate) const CHECKSUM_TYPE_HEADER: &str = "x-amz-checksum-type";
pub(crate) const TRAILER_HEADER: &str = "x-amz-trailer";
pub(crate) const FULL_OBJECT: &str = "FULL_OBJECT";
pub(crate) const COMPOSITE: &str = "COMPOSITE";

/// A header's value, if it is there and is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The checksum that a request announces: in its trailer, by `x-amz-checksum-algorithm`, or by one of the five checksum headers.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`]: with [`ChecksumMismatch`] for a type that does not exist or two of them, and for a value that
/// is not one.
pub fn get_content_checksum(headers: &HeaderMap) -> Result<Option<Checksum>, io::Error> {
    if let Some(checksum_type) = trailing(headers)? {
        return Ok(Some(Checksum { checksum_type, ..Checksum::default() }));
    }
    let Some((checksum_type, value)) = direct(headers)? else { return Ok(None) };
    if let Some(checksum) = Checksum::new_with_type(checksum_type, value) {
        return Ok(Some(checksum));
    }
    Err(mismatch(value, "invalid checksum value"))
}

/// The type that the trailer will have, if the request names one.
fn trailing(headers: &HeaderMap) -> Result<Option<ChecksumType>, io::Error> {
    let mut found: Option<ChecksumType> = None;
    let values = headers.get_all(TRAILER_HEADER).iter().filter_map(|value| value.to_str().ok());
    for name in values.flat_map(|value| value.split(',')) {
        let known = BASE_CHECKSUM_TYPES
            .iter()
            .find(|kind| kind.key().is_some_and(|key| key.eq_ignore_ascii_case(name.trim())));
        let Some(kind) = known else { continue };
        if found.is_some_and(|before| !before.is(*kind)) {
            return Err(invalid());
        }
        found = Some(ChecksumType(kind.0 | ChecksumType::TRAILING.0));
    }
    let Some(mut kind) = found else { return Ok(None) };
    match text(headers, CHECKSUM_TYPE_HEADER) {
        Some(FULL_OBJECT) if kind.can_merge() => {
            kind.merge(ChecksumType::FULL_OBJECT);
        }
        Some(COMPOSITE | "") | None => {}
        Some(_) => return Err(invalid()),
    }
    Ok(Some(kind))
}

/// Type and value that are in the headers themselves.
fn direct(headers: &HeaderMap) -> Result<Option<(ChecksumType, &str)>, io::Error> {
    let unusable = || mismatch("valid checksum header", "invalid or duplicate checksum headers");
    let mut given = BASE_CHECKSUM_TYPES.iter().filter_map(|kind| {
        let values = headers.get_all(kind.key()?).iter();
        Some(values.map(|value| (*kind, value.to_str().unwrap_or_default())))
    });
    let mut values = given.by_ref().flatten();
    let first = values.next();
    if values.next().is_some() {
        return Err(unusable());
    }
    let full = text(headers, CHECKSUM_TYPE_HEADER) == Some(FULL_OBJECT);
    let (mut kind, value) = match text(headers, CHECKSUM_ALGORITHM_HEADER) {
        Some(name) if !name.is_empty() => {
            let kind = ChecksumType::from_header(headers);
            if !kind.is_set() {
                return Err(unusable());
            }
            let Some(key) = kind.key().filter(|key| headers.contains_key(*key)) else { return Ok(None) };
            (kind, text(headers, key).unwrap_or_default())
        }
        _ => match first {
            Some(first) => first,
            None => return Ok(None),
        },
    };
    if value.is_empty() {
        return Ok(None);
    }
    if full {
        if !kind.can_merge() {
            return Err(unusable());
        }
        kind.merge(ChecksumType::FULL_OBJECT);
    }
    Ok(Some((kind, value)))
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "Invalid checksum")
}

fn mismatch(want: &str, got: &str) -> io::Error {
    let error = ChecksumMismatch { want: want.to_owned(), got: got.to_owned() };
    io::Error::new(io::ErrorKind::InvalidData, error)
}
