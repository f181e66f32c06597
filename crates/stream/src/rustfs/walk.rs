//! Finding blocks without decompressing them.

use super::block::{BlockError, COMPRESSED, END, HEAD_BYTES_MAX, HEADER_BYTES, STORED, parse};
use crate::varint;

/// What a frame's first bytes say. Nothing protects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Whether the stream ends here; a frame of 8 bytes.
    pub end: bool,
    /// Whether the block is stored as it is.
    pub stored: bool,
    /// Bytes of the whole frame.
    pub frame_bytes: u64,
    /// Bytes of the head, behind which the payload begins.
    pub head_bytes: usize,
    /// Bytes of content.
    pub plain_bytes: u64,
    /// CRC-32 of the content.
    pub checksum: u32,
}

/// Reads the head of the frame that begins `bytes`, which is at byte `offset` of its stream; `None` if more bytes are needed. 18 always
/// suffice.
///
/// # Errors
///
/// [`BlockError::Type`] and [`BlockError::Header`].
pub fn frame_head(bytes: &[u8], offset: u64) -> Result<Option<FrameHead>, BlockError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let (kind, length, checksum) = parse(*header);
    let frame_bytes = (HEADER_BYTES + length) as u64;
    if kind == END {
        let (frame_bytes, head_bytes) = (HEADER_BYTES as u64, HEADER_BYTES);
        let head = FrameHead { end: true, stored: false, frame_bytes, head_bytes, plain_bytes: 0, checksum };
        return Ok(Some(head));
    }
    if !matches!(kind, COMPRESSED | STORED) {
        return Err(BlockError::Type { offset, found: kind });
    }
    let invalid = BlockError::Header { offset, length };
    let number = rest.get(..rest.len().min(length)).unwrap_or_default();
    let Some((plain_bytes, used)) = varint::decode(number) else {
        let complete = number.len() == length || bytes.len() >= HEAD_BYTES_MAX;
        return if complete { Err(invalid) } else { Ok(None) };
    };
    // A block has content, and content has a payload.
    if plain_bytes == 0 || used >= length {
        return Err(invalid);
    }
    let head_bytes = HEADER_BYTES + used;
    let stored = kind == STORED;
    Ok(Some(FrameHead { end: false, stored, frame_bytes, head_bytes, plain_bytes, checksum }))
}
