//! Where blocks begin in an S2 stream; `docs/formats/s2.md` specifies the bytes.

use super::S2Error;
use super::format::{CHUNK_HEADER_BYTES, INDEX, chunk_header, chunk_length};

/// The most entries that an index may have.
pub const INDEX_ENTRIES_MAX: usize = 1 << 16;

const MAGIC: &[u8; 6] = b"s2idx\0";
const TRAILER: &[u8; 6] = b"\0xdi2s";

/// The beginning of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Offset of the block's chunk in the stream, in bytes.
    pub stream: u64,
    /// Offset of its first byte in the content.
    pub plain: u64,
}

/// Where blocks begin, so that a reader can start near any byte of the content.
///
/// It is a hint: nothing protects it, and a reader that starts at an entry still checks every block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    plain_bytes: u64,
    stream_bytes: Option<u64>,
    entries: Vec<IndexEntry>,
}

impl Index {
    /// An index of a content of `plain_bytes` whose stream has `stream_bytes`, if that is known.
    ///
    /// # Errors
    ///
    /// [`S2Error::Index`] for more than [`INDEX_ENTRIES_MAX`] entries, entries that do not ascend strictly or lie outside, and
    /// numbers above 2^62.
    pub fn new(
        plain_bytes: u64,
        stream_bytes: Option<u64>,
        entries: Vec<IndexEntry>,
    ) -> Result<Self, S2Error> {
        let rising =
            entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.plain < b.plain && a.stream < b.stream);
        let limit = stream_bytes.unwrap_or(1 << 62);
        let inside = entries.last().is_none_or(|last| last.plain < plain_bytes && last.stream < limit);
        let small = plain_bytes <= 1 << 62 && limit <= 1 << 62;
        if !rising || !inside || !small || entries.len() > INDEX_ENTRIES_MAX {
            return Err(S2Error::Index);
        }
        Ok(Self { plain_bytes, stream_bytes, entries })
    }

    /// Bytes of content.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Bytes of the stream, if known.
    pub fn stream_bytes(&self) -> Option<u64> {
        self.stream_bytes
    }

    /// The entries, ascending.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The last entry at or before byte `plain` of the content; the beginning of the stream if there is none; `None` behind the
    /// end of the content.
    pub fn find(&self, plain: u64) -> Option<IndexEntry> {
        if plain >= self.plain_bytes {
            return None;
        }
        let after = self.entries.partition_point(|entry| entry.plain <= plain);
        let start = IndexEntry { stream: 0, plain: 0 };
        Some(after.checked_sub(1).and_then(|at| self.entries.get(at)).copied().unwrap_or(start))
    }

    /// The form that object metadata holds: without the chunk's header, magic, size and trailer.
    pub fn to_stored(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let count = self.entries.len() as u64;
        put(&mut out, signed(self.plain_bytes));
        put(&mut out, self.stream_bytes.map_or(-1, signed));
        // No estimate of the block size: offsets are written out, which is right for blocks of any size.
        put(&mut out, 0);
        put(&mut out, signed(count));
        let explicit = self.entries.len() > 1 || self.entries.iter().any(|entry| entry.plain != 0);
        out.push(u8::from(explicit));
        let mut before = 0;
        for entry in self.entries.iter().filter(|_| explicit) {
            put(&mut out, signed(entry.plain) - before);
            before = signed(entry.plain);
        }
        let (mut before, mut predicted) = (0, 0);
        for (i, entry) in self.entries.iter().enumerate() {
            let delta = signed(entry.stream) - before - if i == 0 { 0 } else { predicted };
            put(&mut out, delta);
            if i > 0 {
                predicted += delta / 2;
            }
            before = signed(entry.stream);
        }
        out
    }

    /// The chunk that may end a stream.
    pub fn to_chunk(&self) -> Vec<u8> {
        let stored = self.to_stored();
        let total = CHUNK_HEADER_BYTES + MAGIC.len() + stored.len() + 4 + TRAILER.len();
        let mut out = chunk_header(INDEX, total - CHUNK_HEADER_BYTES).to_vec();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&stored);
        out.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(TRAILER);
        out
    }

    /// Reads either form; nothing may follow.
    ///
    /// # Errors
    ///
    /// [`S2Error::Index`] for anything that is not whole and consistent. The index can be left out then.
    pub fn decode(bytes: &[u8]) -> Result<Self, S2Error> {
        let mut rest = match bytes.split_first_chunk::<CHUNK_HEADER_BYTES>() {
            Some((header, body)) if header[0] == INDEX && body.starts_with(MAGIC) => {
                strip(*header, body, bytes.len()).ok_or(S2Error::Index)?
            }
            _ => bytes,
        };
        Self::parse(&mut rest).filter(|_| rest.is_empty()).ok_or(S2Error::Index)
    }

    fn parse(rest: &mut &[u8]) -> Option<Self> {
        let plain_bytes = u64::try_from(take(rest)?).ok()?;
        let stream_bytes = match take(rest)? {
            -1 => None,
            bytes => Some(u64::try_from(bytes).ok()?),
        };
        let estimate = take(rest)?;
        let count = usize::try_from(take(rest)?).ok().filter(|count| *count <= INDEX_ENTRIES_MAX)?;
        let (flag, behind) = rest.split_first()?;
        *rest = behind;
        // Each entry has at least one byte for its place in the stream: no memory for more than there are.
        if *flag > 1 || estimate < 0 || count > rest.len() {
            return None;
        }
        let (mut plain, mut before) = (Vec::with_capacity(count), 0i64);
        for i in 0..count {
            let delta = if *flag == 1 { take(rest)? } else { 0 };
            before = before.checked_add(delta)?.checked_add(if i == 0 { 0 } else { estimate })?;
            plain.push(u64::try_from(before).ok()?);
        }
        let (mut before, mut predicted) = (0i64, estimate / 2);
        let mut entries = Vec::with_capacity(count);
        for (i, plain) in plain.into_iter().enumerate() {
            let delta = take(rest)?;
            before = before.checked_add(delta)?.checked_add(if i == 0 { 0 } else { predicted })?;
            if i > 0 {
                predicted = predicted.checked_add(delta / 2)?;
            }
            entries.push(IndexEntry { stream: u64::try_from(before).ok()?, plain });
        }
        Self::new(plain_bytes, stream_bytes, entries).ok()
    }
}

/// The stored form inside a whole index chunk.
pub(crate) fn strip_index_chunk(bytes: &[u8]) -> Option<&[u8]> {
    let (header, body) = bytes.split_first_chunk::<CHUNK_HEADER_BYTES>()?;
    if header[0] == INDEX { strip(*header, body, bytes.len()) } else { None }
}

/// What is between the magic and the size of a chunk.
fn strip(header: [u8; CHUNK_HEADER_BYTES], body: &[u8], total: usize) -> Option<&[u8]> {
    let body = body.strip_prefix(MAGIC)?.strip_suffix(TRAILER)?;
    let (stored, size) = body.split_last_chunk::<4>()?;
    let whole = chunk_length(header) + CHUNK_HEADER_BYTES == total;
    (whole && u32::from_le_bytes(*size) as usize == total).then_some(stored)
}

/// Values are at most 2^62 by [`Index::new`].
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Zig-zag and unsigned LEB128.
fn put(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn take(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}
