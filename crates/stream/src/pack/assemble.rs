//! Putting frames in order.

use std::sync::Arc;

use super::format::{SEGMENT_OVERHEAD, TRAILER_BYTES, Trailer};
use super::ledger::Ledger;
use super::{FrameInfo, FrameSealer, PackError, SegmentKind, Summary};
use crate::checksum::Digest;

/// Counts the frames of a pack in their order and makes what stands between and behind them.
///
/// It holds 64 KiB and 8 bytes for each 16384 frames.
#[derive(Debug)]
pub struct Assembler {
    sealer: Arc<FrameSealer>,
    ledger: Ledger,
}

impl Assembler {
    pub(super) fn new(sealer: Arc<FrameSealer>, header_bytes: usize) -> Self {
        let ledger = Ledger::new(sealer.block_bytes(), header_bytes, sealer.content_hash());
        Self { sealer, ledger }
    }

    /// Counts a frame and appends what has to stand behind it: a page of the index after every 16384th, else nothing.
    ///
    /// # Errors
    ///
    /// [`PackError::Order`] for a frame that does not follow the one before; [`PackError::TooLong`]; [`PackError::Cryptography`].
    pub fn add(&mut self, frame: &FrameInfo, behind: &mut Vec<u8>) -> Result<(), PackError> {
        self.ledger.frame(frame)?;
        if self.ledger.page_is_full() { self.page(behind) } else { Ok(()) }
    }

    /// Where the next frame begins in the pack, in bytes.
    pub fn offset(&self) -> u64 {
        self.ledger.offset
    }

    /// Bytes of content so far.
    pub fn content_bytes(&self) -> u64 {
        self.ledger.content_bytes
    }

    /// Appends the end of the pack: the rest of the index, the final segment with BLAKE3 and `checksums`, and the trailer.
    ///
    /// # Errors
    ///
    /// [`PackError::Cryptography`].
    pub fn finish(mut self, checksums: &[Digest], out: &mut Vec<u8>) -> Result<Summary, PackError> {
        if self.ledger.page_is_open() {
            self.page(out)?;
        }
        let own = self.ledger.content_hash();
        let checksums: Vec<Digest> = own.into_iter().chain(checksums.iter().copied()).collect();
        let (number, body) = (self.ledger.number(), self.ledger.final_body(&checksums));
        self.sealer.seal_record(SegmentKind::Final, number, &body, out)?;
        let length = body.len() + SEGMENT_OVERHEAD;
        let trailer = Trailer { number, length: u32::try_from(length).map_err(|_| PackError::TooLong)? };
        out.extend_from_slice(&trailer.encode());
        Ok(Summary {
            content_bytes: self.ledger.content_bytes,
            frames: self.ledger.frames,
            pack_bytes: self.ledger.offset + (length + TRAILER_BYTES) as u64,
            checksums,
        })
    }

    fn page(&mut self, out: &mut Vec<u8>) -> Result<(), PackError> {
        self.sealer.seal_record(SegmentKind::Index, self.ledger.number(), self.ledger.page_body(), out)?;
        self.ledger.close_page();
        Ok(())
    }
}
