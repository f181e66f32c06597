//! The stored form of an index; `docs/formats/rustfs-index.md` specifies the bytes.

use std::io;

use super::index::{Index, IndexInfo, MAX_INDEX_ENTRIES};
use crate::varint;

/// First byte of the stored form.
const MARKER: u8 = 0x50;
const HEADER_BYTES: usize = 4;
/// What RustFS 0.0.5 writes behind the header.
const PADDING: [u8; 3] = [0; 3];
const MAGIC: &[u8; 6] = b"s2idx\0";
pub(super) const TRAILER: &[u8; 6] = b"\0xdi2s";
const SIZE_BYTES: usize = 4;
/// The shortest stored form: header, magic, four numbers, flag, size and trailer.
const BYTES_MIN: usize = HEADER_BYTES + MAGIC.len() + 5 + SIZE_BYTES + TRAILER.len();

/// Which version's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexLayout {
    /// That of RustFS 0.0.5, with three zero bytes behind the header.
    Padded,
    /// That of RustFS 1.0.0-beta.6.
    #[default]
    Plain,
}

/// The original's number: unsigned LEB128, and of a negative number its lowest byte alone, which cannot be read back.
fn put(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => varint::put(out, value),
        Err(_) => out.push(value.to_le_bytes()[0]),
    }
}

pub(super) fn encode(index: &Index, layout: IndexLayout, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[MARKER, 0, 0, 0]);
    if layout == IndexLayout::Padded {
        out.extend_from_slice(&PADDING);
    }
    out.extend_from_slice(MAGIC);
    put(out, index.total_uncompressed);
    put(out, index.total_compressed);
    put(out, index.est_block_uncomp);
    put(out, i64::try_from(index.info.len()).unwrap_or(i64::MAX));
    offsets(index, put, out);
    let total = out.len() - start + SIZE_BYTES + TRAILER.len();
    out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(TRAILER);
    let [a, b, c, _] = u32::try_from(total - HEADER_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = out.get_mut(start + 1..start + HEADER_BYTES) {
        place.copy_from_slice(&[a, b, c]);
    }
}

/// Flag and offsets, with any way of writing numbers.
fn offsets(index: &Index, put: fn(&mut Vec<u8>, i64), out: &mut Vec<u8>) {
    let estimate = index.est_block_uncomp;
    let mut before = None;
    let implied = index.info.iter().all(|entry| {
        let expected = before.map_or(0, |before: i64| before.wrapping_add(estimate));
        before = Some(entry.uncompressed_offset);
        entry.uncompressed_offset == expected
    });
    out.push(u8::from(!implied));
    if !implied {
        let mut before = None;
        for entry in &index.info {
            let expected = before.map_or(0, |before: i64| before.wrapping_add(estimate));
            put(out, entry.uncompressed_offset.wrapping_sub(expected));
            before = Some(entry.uncompressed_offset);
        }
    }
    let (mut before, mut predicted) = (None, estimate / 2);
    for entry in &index.info {
        let expected = before.map_or(0, |before: i64| before.wrapping_add(predicted));
        let delta = entry.compressed_offset.wrapping_sub(expected);
        put(out, delta);
        if before.is_some() {
            predicted = predicted.wrapping_add(delta / 2);
        }
        before = Some(entry.compressed_offset);
    }
}

/// Reads either layout. Returns what follows.
pub(super) fn parse(bytes: &[u8]) -> io::Result<(Index, &[u8])> {
    let (mut index, rest) = match parse_with(bytes, false) {
        // Totals of -1 were written as one byte `ff` each, which also begins longer numbers.
        Err(error) => parse_with(bytes, true).map_err(|_| error)?,
        Ok(parsed) => parsed,
    };
    index.info.shrink_to_fit();
    Ok((index, rest))
}

fn too_small() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "buffer too small")
}

fn number(rest: &mut &[u8], what: &'static str) -> io::Result<i64> {
    let value = varint::take(rest)
        .ok_or_else(|| if rest.len() < varint::BYTES_MAX { too_small() } else { io::Error::other(what) })?;
    i64::try_from(value).map_err(|_| io::Error::other(what))
}

fn parse_with(bytes: &[u8], unknown_totals: bool) -> io::Result<(Index, &[u8])> {
    let (header, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(too_small)?;
    if header[0] != MARKER {
        return Err(io::Error::other("invalid chunk type"));
    }
    let [_, a, b, c] = *header;
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    if bytes.len() < BYTES_MIN || rest.len() < length {
        return Err(too_small());
    }
    if let Some(behind) = rest.strip_prefix(&PADDING) {
        rest = behind;
    }
    rest = rest.strip_prefix(MAGIC).ok_or_else(|| io::Error::other("invalid header"))?;
    let (total_uncompressed, total_compressed) = if unknown_totals {
        rest =
            rest.strip_prefix(&[0xff, 0xff]).ok_or_else(|| io::Error::other("invalid uncompressed size"))?;
        (-1, -1)
    } else {
        (number(&mut rest, "invalid uncompressed size")?, number(&mut rest, "invalid compressed size")?)
    };
    let estimate = number(&mut rest, "invalid block size")?;
    let count = number(&mut rest, "invalid number of entries")?;
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_INDEX_ENTRIES);
    let count = count.ok_or_else(|| io::Error::other("invalid number of entries"))?;
    let (flag, behind) = rest.split_first().ok_or_else(too_small)?;
    if *flag > 1 {
        return Err(io::Error::other("invalid uncompressed flag"));
    }
    // Each entry has at least one byte.
    if count > behind.len() {
        return Err(too_small());
    }
    rest = behind;
    let next = |rest: &mut &[u8]| number(rest, "invalid offset");
    let info = entries(&mut rest, count, *flag == 1, estimate, next)?;
    check(&info, total_uncompressed, total_compressed)?;
    let (size, behind) = rest.split_first_chunk::<SIZE_BYTES>().ok_or_else(too_small)?;
    let rest = behind.strip_prefix(TRAILER).ok_or_else(|| io::Error::other("invalid trailer"))?;
    let total = bytes.len() - rest.len();
    if u32::from_le_bytes(*size) as usize != total || length + HEADER_BYTES != total {
        return Err(io::Error::other("invalid header"));
    }
    Ok((Index { total_uncompressed, total_compressed, info, est_block_uncomp: estimate }, rest))
}

/// The entries behind the flag, with any way of reading numbers.
fn entries(
    rest: &mut &[u8],
    count: usize,
    explicit: bool,
    estimate: i64,
    next: impl Fn(&mut &[u8]) -> io::Result<i64>,
) -> io::Result<Vec<IndexInfo>> {
    let invalid = || io::Error::other("invalid offset");
    let mut info = Vec::with_capacity(count);
    let mut before = 0i64;
    for i in 0..count {
        let delta = if explicit { next(rest)? } else { 0 };
        let step = if i == 0 { Some(delta) } else { delta.checked_add(estimate) };
        before = step.and_then(|step| before.checked_add(step)).ok_or_else(invalid)?;
        info.push(IndexInfo { compressed_offset: 0, uncompressed_offset: before });
    }
    let (mut before, mut predicted) = (0i64, estimate / 2);
    for (i, entry) in info.iter_mut().enumerate() {
        let delta = next(rest)?;
        let step = if i == 0 { Some(delta) } else { delta.checked_add(predicted) };
        before = step.and_then(|step| before.checked_add(step)).ok_or_else(invalid)?;
        if i > 0 {
            // After its use: the original's reader changed it before, and went astray from the second entry on.
            predicted = predicted.checked_add(delta / 2).ok_or_else(invalid)?;
        }
        entry.compressed_offset = before;
    }
    Ok(info)
}

/// Entries ascend and lie inside the totals; without totals there is at most one.
fn check(info: &[IndexInfo], total_uncompressed: i64, total_compressed: i64) -> io::Result<()> {
    let invalid = || io::Error::other("invalid offset");
    if info.iter().any(|entry| entry.compressed_offset < 0 || entry.uncompressed_offset < 0) {
        return Err(io::Error::other("negative offset"));
    }
    let ascend = info.iter().zip(info.iter().skip(1)).all(|(a, b)| {
        a.uncompressed_offset < b.uncompressed_offset && a.compressed_offset < b.compressed_offset
    });
    let inside = info.last().is_none_or(|last| {
        (total_uncompressed < 0 || last.uncompressed_offset <= total_uncompressed)
            && (total_compressed < 0 || last.compressed_offset <= total_compressed)
    });
    let covered = total_uncompressed >= 0 || info.len() <= 1;
    if ascend && inside && covered { Ok(()) } else { Err(invalid()) }
}

/// What is between magic and size of the stored form; `None` if it is not one.
pub fn remove_index_headers(b: &[u8]) -> Option<&[u8]> {
    let (header, rest) = b.split_first_chunk::<HEADER_BYTES>()?;
    if header[0] != MARKER {
        return None;
    }
    let rest = rest.strip_prefix(&PADDING).unwrap_or(rest).strip_prefix(MAGIC)?;
    let stored = rest.strip_suffix(TRAILER)?;
    stored.get(..stored.len().checked_sub(SIZE_BYTES)?)
}

/// The stored form around what [`remove_index_headers`] left; nothing for nothing.
pub fn restore_index_headers(in_data: &[u8]) -> Vec<u8> {
    if in_data.is_empty() {
        return Vec::new();
    }
    let total = HEADER_BYTES + MAGIC.len() + in_data.len() + SIZE_BYTES + TRAILER.len();
    let [a, b, c, _] = u32::try_from(total - HEADER_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    let size = u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes();
    [&[MARKER, a, b, c], MAGIC.as_slice(), in_data, &size, TRAILER].concat()
}

/// Numbers with a sign: zig-zag, then unsigned LEB128, as MinIO writes them.
fn put_signed(out: &mut Vec<u8>, value: i64) {
    varint::put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn signed(rest: &mut &[u8]) -> io::Result<i64> {
    let value = varint::take(rest).ok_or_else(|| io::Error::other("invalid offset"))?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// The body of MinIO's form: numbers with a sign, without header, magic, size and trailer.
pub(crate) fn put_zigzag(index: &Index, out: &mut Vec<u8>) {
    put_signed(out, index.total_uncompressed);
    put_signed(out, index.total_compressed);
    put_signed(out, index.est_block_uncomp);
    put_signed(out, i64::try_from(index.info.len()).unwrap_or(i64::MAX));
    offsets(index, put_signed, out);
}

/// Reads what [`put_zigzag`] wrote; nothing may follow.
pub(crate) fn parse_zigzag(mut rest: &[u8]) -> io::Result<Index> {
    let total_uncompressed = signed(&mut rest)?;
    let total_compressed = signed(&mut rest)?;
    let est_block_uncomp = signed(&mut rest)?;
    let count = usize::try_from(signed(&mut rest)?).ok().filter(|count| *count <= MAX_INDEX_ENTRIES);
    let (flag, mut rest) = rest.split_first().ok_or_else(too_small)?;
    let count = count.filter(|count| *count <= rest.len());
    let count = count.ok_or_else(|| io::Error::other("invalid number of entries"))?;
    if *flag > 1 || est_block_uncomp < 0 || total_uncompressed < 0 || total_compressed < -1 {
        return Err(io::Error::other("invalid header"));
    }
    let info = entries(&mut rest, count, *flag == 1, est_block_uncomp, signed)?;
    check(&info, total_uncompressed, total_compressed)?;
    if !rest.is_empty() {
        return Err(io::Error::other("invalid trailer"));
    }
    Ok(Index { total_uncompressed, total_compressed, info, est_block_uncomp })
}
