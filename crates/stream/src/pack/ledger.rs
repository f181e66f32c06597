//! What a pack says about its frames: pages of the index and the final segment. A writer stores what the ledger says, a reader compares.

use super::content::ContentHash;
use super::format::{FRAMES_MAX, FRAMES_PER_PAGE, SEGMENT_OVERHEAD};
use super::{FrameInfo, PackError};
use crate::checksum::{Algorithm, DIGEST_BYTES_MAX, Digest};

/// Before the places of the pages in the final segment.
pub(super) const FINAL_FIXED_BYTES: usize = 28;
/// The most checksums in a final segment.
pub(super) const CHECKSUMS_MAX: usize = Algorithm::ALL.len();
/// The longest list of checksums: a count, and for each a number, a length and the value.
pub(super) const CHECKSUMS_BYTES_MAX: usize = 1 + CHECKSUMS_MAX * (2 + DIGEST_BYTES_MAX);

/// Counts frames in their order. It holds the lengths of one page, 64 KiB, and 8 bytes for each page.
#[derive(Debug)]
pub(super) struct Ledger {
    block_bytes: usize,
    /// Where the next segment begins.
    pub(super) offset: u64,
    pub(super) frames: u64,
    pub(super) content_bytes: u64,
    /// The body of the current page, empty if it has no frames.
    page: Vec<u8>,
    pages: Vec<u64>,
    content: Option<ContentHash>,
    short: bool,
}

impl Ledger {
    pub(super) fn new(block_bytes: usize, header_bytes: usize, content_hash: bool) -> Self {
        Self {
            block_bytes,
            offset: header_bytes as u64,
            frames: 0,
            content_bytes: 0,
            page: Vec::new(),
            pages: Vec::new(),
            content: content_hash.then(ContentHash::default),
            short: false,
        }
    }

    pub(super) fn frame(&mut self, frame: &FrameInfo) -> Result<(), PackError> {
        let fits = (1..=self.block_bytes).contains(&frame.plain_bytes);
        if frame.number != self.frames || self.short || !fits {
            return Err(PackError::Order { expected: self.frames, found: frame.number });
        }
        if self.frames >= FRAMES_MAX {
            return Err(PackError::TooLong);
        }
        if self.page.is_empty() {
            self.page.extend_from_slice(&self.offset.to_le_bytes());
        }
        let stored = u32::try_from(frame.stored_bytes).map_err(|_| PackError::TooLong)?;
        self.page.extend_from_slice(&stored.to_le_bytes());
        if let (Some(content), Some(hash)) = (&mut self.content, frame.hash) {
            content.push(hash);
        }
        self.short = frame.plain_bytes < self.block_bytes;
        self.frames += 1;
        self.content_bytes += frame.plain_bytes as u64;
        self.offset += frame.stored_bytes as u64;
        Ok(())
    }

    /// Whether the page has to be written before the next frame.
    pub(super) fn page_is_full(&self) -> bool {
        !self.page.is_empty() && self.frames.is_multiple_of(FRAMES_PER_PAGE)
    }

    /// Whether there are frames that no page describes yet.
    pub(super) fn page_is_open(&self) -> bool {
        !self.page.is_empty()
    }

    pub(super) fn page_body(&self) -> &[u8] {
        &self.page
    }

    /// The page was written, or read and found right.
    pub(super) fn close_page(&mut self) {
        self.pages.push(self.offset);
        self.offset += (self.page.len() + SEGMENT_OVERHEAD) as u64;
        self.page.clear();
    }

    /// Number of the next segment.
    pub(super) fn number(&self) -> u64 {
        self.frames + self.pages.len() as u64
    }

    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn content_hash(&self) -> Option<Digest> {
        Digest::new(Algorithm::Blake3, &self.content.as_ref()?.finish())
    }

    /// The final segment with these checksums.
    pub(super) fn final_body(&self, checksums: &[Digest]) -> Vec<u8> {
        let mut body = Vec::with_capacity(FINAL_FIXED_BYTES + 8 * self.pages.len() + CHECKSUMS_BYTES_MAX);
        for number in [self.content_bytes, self.frames, self.offset] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&u32::try_from(self.pages.len()).unwrap_or(u32::MAX).to_le_bytes());
        for page in &self.pages {
            body.extend_from_slice(&page.to_le_bytes());
        }
        body.push(u8::try_from(checksums.len()).unwrap_or(u8::MAX));
        for checksum in checksums {
            let bytes = checksum.as_bytes();
            body.extend_from_slice(&[
                checksum.algorithm().id(),
                u8::try_from(bytes.len()).unwrap_or(u8::MAX),
            ]);
            body.extend_from_slice(bytes);
        }
        body
    }
}

/// A list of checksums at the end of a final segment; `None` if it is not one that a writer makes.
pub(super) fn decode_checksums(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (count, mut rest) = bytes.split_first()?;
    let mut checksums = Vec::new();
    if usize::from(*count) > CHECKSUMS_MAX {
        return None;
    }
    for _ in 0..*count {
        let (&[id, length], value) = rest.split_first_chunk::<2>()?;
        let (value, behind) = value.split_at_checked(usize::from(length))?;
        checksums.push(Digest::new(Algorithm::from_id(id)?, value)?);
        rest = behind;
    }
    rest.is_empty().then_some(checksums)
}
