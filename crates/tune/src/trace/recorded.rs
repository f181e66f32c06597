//! `rio-trace`, version 1: what Rio records itself. docs/formats/trace.md describes it byte by byte.
//!
//! A header, then blocks of up to [`RECORDS_MAX`] records, each block with a checksum and readable on its own, so that a cut or damaged
//! file is good up to there. Within a block, times and offsets are differences in variable-length integers: a sequential read of
//! a known length takes two to four bytes.

use crate::access::{Access, AccessKind};
use crate::trace::TraceError;

/// The first bytes of a file.
pub const MAGIC: [u8; 8] = *b"RIOTRACE";
/// The version written; a reader refuses others.
pub const VERSION: u8 = 1;
/// Bytes of the header: magic, version, seven zero bytes.
pub const HEADER_BYTES: usize = 16;
/// Bytes before the records of a block: length, count, checksum; each `u32`, little endian.
pub const BLOCK_HEADER_BYTES: usize = 12;
/// Records of a block at most.
pub const RECORDS_MAX: u32 = 4096;
/// Bytes of the longest record: a tag and integers of 64, 32, 64 and 32 bits.
const RECORD_BYTES_MAX: usize = 1 + 10 + 5 + 10 + 5;
/// Bytes of the records of a block at most.
pub const BLOCK_BYTES_MAX: usize = RECORDS_MAX as usize * RECORD_BYTES_MAX;

const WRITE: u8 = 1;
const SAME_SPACE: u8 = 2;
const ADJOINING: u8 = 4;
const SAME_LENGTH: u8 = 8;
const KNOWN: u8 = WRITE | SAME_SPACE | ADJOINING | SAME_LENGTH;

/// What a record's differences refer to.
#[derive(Clone, Copy)]
struct Before {
    at_ns: u64,
    space: u32,
    end: u64,
    len: u32,
}

const START: Before = Before { at_ns: 0, space: 0, end: 0, len: 0 };

impl Before {
    const fn after(access: &Access) -> Self {
        Self { at_ns: access.at_ns, space: access.space, end: access.end(), len: access.len }
    }
}

/// The header of a file.
#[must_use]
pub fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8] = VERSION;
    header
}

/// Checks the header of a file.
///
/// # Errors
/// [`TraceError::Recorded`] with block 0, where it is no header of this version.
pub fn check_header(header: &[u8; HEADER_BYTES]) -> Result<(), TraceError> {
    let wrong = |reason| Err(TraceError::Recorded { block: 0, reason });
    if header[..8] != MAGIC {
        return wrong("this is no rio-trace: the first eight bytes are not RIOTRACE");
    }
    if header[8] != VERSION {
        return wrong("the rio-trace is of another version than 1: read it with the rio that wrote it");
    }
    if header[9..].iter().any(|&byte| byte != 0) {
        return wrong("bytes 9 to 15 of the header are not zero");
    }
    Ok(())
}

/// Encodes requests into blocks. Holds at most one block.
#[derive(Clone, Debug)]
pub struct BlockWriter {
    records: Vec<u8>,
    count: u32,
    last: Option<Access>,
}

impl Default for BlockWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockWriter {
    /// A writer with an empty block. The [header](header()) is the caller's to write.
    #[must_use]
    pub fn new() -> Self {
        Self { records: Vec::new(), count: 0, last: None }
    }

    /// Adds a request. When a block is full, it is appended to `out`.
    pub fn push(&mut self, access: &Access, out: &mut Vec<u8>) {
        let before = self.last.as_ref().map_or(START, Before::after);
        let mut tag = if access.kind == AccessKind::Write { WRITE } else { 0 };
        tag |= if access.space == before.space { SAME_SPACE } else { 0 };
        tag |= if access.offset == before.end { ADJOINING } else { 0 };
        tag |= if access.len == before.len { SAME_LENGTH } else { 0 };
        self.records.push(tag);
        integer(zigzag(access.at_ns.wrapping_sub(before.at_ns)), &mut self.records);
        if tag & SAME_SPACE == 0 {
            integer(u64::from(access.space), &mut self.records);
        }
        if tag & ADJOINING == 0 {
            integer(zigzag(access.offset.wrapping_sub(before.end)), &mut self.records);
        }
        if tag & SAME_LENGTH == 0 {
            integer(u64::from(access.len), &mut self.records);
        }
        self.last = Some(*access);
        self.count += 1;
        if self.count == RECORDS_MAX {
            self.finish(out);
        }
    }

    /// Appends the block begun, if it has records.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.extend((self.records.len() as u32).to_le_bytes());
            out.extend(self.count.to_le_bytes());
            out.extend(crc32c::crc32c(&self.records).to_le_bytes());
            out.append(&mut self.records);
            (self.count, self.last) = (0, None);
        }
    }
}

/// The header of a block, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes of its records; at most [`BLOCK_BYTES_MAX`].
    pub bytes: usize,
    count: u32,
    checksum: u32,
}

/// Decodes blocks, one after the other.
#[derive(Clone, Debug, Default)]
pub struct BlockReader {
    block: u64,
}

impl BlockReader {
    /// A reader before the first block.
    #[must_use]
    pub const fn new() -> Self {
        Self { block: 0 }
    }

    /// Takes in the header of the next block.
    ///
    /// # Errors
    /// [`TraceError::Recorded`], where its numbers are out of their bounds.
    pub fn header(&mut self, bytes: &[u8; BLOCK_HEADER_BYTES]) -> Result<BlockHeader, TraceError> {
        self.block += 1;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (length, count, checksum) = (word(0) as usize, word(4), word(8));
        if count == 0 || count > RECORDS_MAX {
            return Err(self.wrong("the number of records is not 1 to 4096"));
        }
        if length > BLOCK_BYTES_MAX || length < 2 * count as usize {
            return Err(self.wrong("the length does not fit the number of records"));
        }
        Ok(BlockHeader { bytes: length, count, checksum })
    }

    /// The error for a file that ends within a block.
    #[must_use]
    pub const fn cut_off(&self) -> TraceError {
        self.wrong("the file ends within this block")
    }

    /// Appends the requests of a block to `out`.
    ///
    /// # Errors
    /// [`TraceError::Recorded`], where the checksum is wrong, or where something follows or is missing; `out` is then as before.
    pub fn records(
        &self,
        header: &BlockHeader,
        records: &[u8],
        out: &mut Vec<Access>,
    ) -> Result<(), TraceError> {
        if records.len() != header.bytes {
            return Err(self.cut_off());
        }
        if crc32c::crc32c(records) != header.checksum {
            return Err(self.wrong("the checksum is wrong"));
        }
        let kept = out.len();
        let (mut rest, mut before) = (records, START);
        for _ in 0..header.count {
            let Some(access) = record(&mut rest, &before) else {
                out.truncate(kept);
                return Err(self.wrong("a record cannot be decoded"));
            };
            before = Before::after(&access);
            out.push(access);
        }
        if !rest.is_empty() {
            out.truncate(kept);
            return Err(self.wrong("there is more than the records that it counts"));
        }
        Ok(())
    }

    const fn wrong(&self, reason: &'static str) -> TraceError {
        TraceError::Recorded { block: self.block, reason }
    }
}

fn record(rest: &mut &[u8], before: &Before) -> Option<Access> {
    let (&tag, after) = rest.split_first()?;
    *rest = after;
    if tag & !KNOWN != 0 {
        return None;
    }
    let at_ns = before.at_ns.wrapping_add(unzigzag(take(rest)?));
    let space = if tag & SAME_SPACE == 0 { u32::try_from(take(rest)?).ok()? } else { before.space };
    let offset =
        if tag & ADJOINING == 0 { before.end.wrapping_add(unzigzag(take(rest)?)) } else { before.end };
    let len = if tag & SAME_LENGTH == 0 { u32::try_from(take(rest)?).ok()? } else { before.len };
    let kind = if tag & WRITE == 0 { AccessKind::Read } else { AccessKind::Write };
    Some(Access { at_ns, space, offset, len, kind })
}

/// Differences around zero become small numbers: 0, -1, 1, -2, ..
const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (((difference as i64) >> 63) as u64)
}

const fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// LEB128: seven bits a byte, the lowest first, the top bit says that more follow.
fn integer(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte holds one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
