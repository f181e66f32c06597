//! Chunks of the S2 stream; `docs/formats/s2.md` specifies them.

/// Bytes in a block unless told otherwise.
pub const BLOCK_BYTES: usize = 1 << 20;
/// The longest block that the format allows, in bytes before compression.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// Type and length.
pub(super) const CHUNK_HEADER_BYTES: usize = 4;
/// The checksum before a block.
pub(super) const CHECKSUM_BYTES: usize = 4;

pub(super) const COMPRESSED: u8 = 0x00;
pub(super) const RAW: u8 = 0x01;
pub(super) const INDEX: u8 = 0x99;
pub(super) const PADDING: u8 = 0xfe;
pub(super) const IDENTIFIER: u8 = 0xff;
/// Types from here on, but for the identifier, are skipped by readers that do not know them.
pub(super) const SKIPPABLE: u8 = 0x80;

pub(super) const S2_NAME: &[u8; 6] = b"S2sTwO";
pub(super) const SNAPPY_NAME: &[u8; 6] = b"sNaPpY";

/// CRC-32C (RFC 3720, appendix B.4), rotated and offset as Snappy's framing has it.
pub(super) fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Length in bytes that `S2` blocks of `plain` bytes never exceed: what an encoder makes of random data, and room for its headers.
pub(super) fn compressed_bytes_max(plain: usize) -> usize {
    plain + plain / 6 + 32
}

/// `length` is that of what follows the header; the callers keep it below 2^24.
pub(super) fn chunk_header(kind: u8, length: usize) -> [u8; CHUNK_HEADER_BYTES] {
    let [a, b, c, ..] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind, a, b, c]
}

pub(super) fn chunk_length(header: [u8; CHUNK_HEADER_BYTES]) -> usize {
    let [_, a, b, c] = header;
    usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16
}
