//! Checksums as object metadata stores them; `docs/formats/checksum-list.md` specifies the bytes.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::header::{CHECKSUM_TYPE_HEADER, FULL_OBJECT};
use super::kind::ChecksumType;
use super::value::Checksum;
use crate::varint;

/// Reads an unsigned LEB128 number: its value and the bytes it took; `None` if it does not end or exceeds 64 bits.
pub fn decode_varint(buf: &[u8]) -> Option<(u64, usize)> {
    varint::decode(buf)
}

pub(super) fn append(checksum: &Checksum, mut out: Vec<u8>, parts: &[u8]) -> Vec<u8> {
    let kind = checksum.checksum_type;
    let length = kind.raw_byte_len();
    varint::put(&mut out, u64::from(kind.0));
    if checksum.raw.len() != length {
        return out;
    }
    out.extend_from_slice(&checksum.raw);
    if kind.is(ChecksumType::MULTIPART) {
        let includes = kind.is(ChecksumType::INCLUDES_MULTIPART);
        let whole = length > 0 && !parts.is_empty() && parts.len().is_multiple_of(length);
        let count = match (whole, includes) {
            (true, _) => (parts.len() / length) as u64,
            (false, false) => u64::try_from(checksum.want_parts).unwrap_or_default(),
            (false, true) => 0,
        };
        varint::put(&mut out, count);
        if whole && includes {
            out.extend_from_slice(parts);
        }
    }
    out
}

/// One entry of a list.
struct Entry<'a> {
    kind: ChecksumType,
    value: &'a [u8],
    /// Parts of a multipart object.
    parts: Option<u64>,
    /// Values of the parts, if they are included.
    digests: &'a [u8],
}

/// The entries up to the first one that is malformed. A count of parts is never more than the bytes behind it hold.
fn entries(mut rest: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    std::iter::from_fn(move || {
        let entry = take(&mut rest);
        if entry.is_none() {
            rest = &[];
        }
        entry
    })
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let kind = ChecksumType(u32::try_from(varint::take(rest)?).ok()?);
    let length = kind.raw_byte_len();
    if length == 0 {
        return None;
    }
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    let mut entry = Entry { kind, value, parts: None, digests: &[] };
    if kind.is(ChecksumType::MULTIPART) {
        let parts = varint::take(rest)?;
        entry.parts = Some(parts);
        if kind.is(ChecksumType::INCLUDES_MULTIPART) {
            let bytes = usize::try_from(parts).ok()?.checked_mul(length)?;
            let (digests, behind) = rest.split_at_checked(bytes)?;
            entry.digests = digests;
            *rest = behind;
        }
    }
    Some(entry)
}

/// Reads a list: the algorithm's name and its value in Base64 for each entry, and whether the object is a multipart one.
///
/// `part` 0 or less asks for the values of the whole object, with `-N` behind those that were computed from the values of `N`
/// parts, and with `x-amz-checksum-type` if one is that of the whole content. Another `part` asks for the values of that part. Reading
/// stops at the first malformed entry.
pub fn read_checksums(buf: &[u8], part: i32) -> (HashMap<String, String>, bool) {
    let (mut found, mut multipart) = (HashMap::new(), false);
    let number = usize::try_from(part).ok().filter(|part| *part > 0);
    for entry in entries(buf) {
        let length = entry.value.len();
        let mut value = STANDARD.encode(entry.value);
        multipart |= entry.parts.is_some();
        match (entry.parts, number) {
            (Some(_), None) if entry.kind.full_object_requested() => {
                found.insert(CHECKSUM_TYPE_HEADER.to_owned(), FULL_OBJECT.to_owned());
            }
            (Some(parts), None) => value.push_str(&format!("-{parts}")),
            (Some(_), Some(number)) => match entry.digests.chunks_exact(length).nth(number - 1) {
                Some(digest) => value = STANDARD.encode(digest),
                None => continue,
            },
            (None, Some(number)) if number > 1 => continue,
            (None, _) => {}
        }
        found.insert(entry.kind.to_string(), value);
    }
    (found, multipart)
}

/// Reads the values of all parts, the first part first: the algorithm's name and its value in Base64. Entries that do not include
/// parts are passed over. The number of parts is that of the entry with the fewest, so that it never exceeds the input's length.
pub fn read_part_checksums(buf: &[u8]) -> Vec<HashMap<String, String>> {
    let mut found: Vec<HashMap<String, String>> = Vec::new();
    for entry in entries(buf).filter(|entry| !entry.digests.is_empty()) {
        let (name, digests) = (entry.kind.to_string(), entry.digests.chunks_exact(entry.value.len()));
        if found.is_empty() {
            found = vec![HashMap::new(); digests.len()];
        }
        for (part, digest) in found.iter_mut().zip(digests) {
            part.insert(name.clone(), STANDARD.encode(digest));
        }
    }
    found
}
