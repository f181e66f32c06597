//! Finding the segments of a pack one after the other, and checking that they stand in the order of the format.

use super::format::{
    FRAMES_MAX, FRAMES_PER_PAGE, SEGMENT_HEADER_BYTES, SEGMENT_OVERHEAD, TRAILER_BYTES, Trailer,
};
use super::ledger::{CHECKSUMS_BYTES_MAX, FINAL_FIXED_BYTES, Ledger, decode_checksums};
use super::{Contexts, FrameInfo, FrameOpener, PackError, PackHeader};
use crate::checksum::{Algorithm, Digest};
use crate::codec::Codec;

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// Byte 1: a block of the content.
    Frame,
    /// Byte 2: where the frames before it are.
    Index,
    /// Byte 3: what the pack holds in all; the last segment.
    Final,
}

/// The header of a segment and its place. Nothing in it is to be trusted before the segment is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// What it holds.
    pub kind: SegmentKind,
    /// Its number among all segments, from 0.
    pub number: u64,
    /// For a frame: its number among the frames, from 0.
    pub frame: u64,
    /// Where it begins in the pack.
    pub offset: u64,
    /// How its body is compressed.
    pub codec: Codec,
    /// Bytes of its body before compression.
    pub plain_bytes: usize,
    /// Bytes of its body in the pack.
    pub body_bytes: usize,
}

impl Segment {
    /// Bytes in the pack, with header and tag.
    pub fn stored_bytes(&self) -> usize {
        self.body_bytes + SEGMENT_OVERHEAD
    }
}

/// What a whole pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of content.
    pub content_bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Bytes of the pack.
    pub pack_bytes: u64,
    /// Checksums of the content; BLAKE3 comes first if there is one.
    pub checksums: Vec<Digest>,
}

pub(super) fn segment_header(
    kind: SegmentKind,
    codec: Codec,
    plain: usize,
    body: usize,
) -> [u8; SEGMENT_HEADER_BYTES] {
    let kind = match kind {
        SegmentKind::Frame => 1,
        SegmentKind::Index => 2,
        SegmentKind::Final => 3,
    };
    // Lengths are those of blocks of at most 16 MiB, or of a final segment of 8 bytes for each 16384 frames.
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (length(plain), length(body));
    [kind, codec.byte(), 0, 0, a, b, c, d, e, f, g, h]
}

/// Reads headers of segments in order. It knows nothing of their content, so that it can run ahead of those who open them.
#[derive(Debug, Clone)]
pub struct Walker {
    block_bytes: usize,
    offset: u64,
    frames: u64,
    pages: u64,
    /// Frames that no page describes yet.
    open: u64,
    /// A frame was shorter than a block, or a page was not full: only the end follows.
    ending: bool,
    done: bool,
}

impl Walker {
    /// A walker from the first segment on.
    pub fn new(opener: &FrameOpener) -> Self {
        Self::of_header(opener.header(), opener.header_bytes())
    }

    /// A walker behind a header of `header_bytes` that nobody authenticated: for looking at a pack without its key.
    pub fn of_header(header: &PackHeader, header_bytes: usize) -> Self {
        let (block_bytes, offset) = (header.block_bytes, header_bytes as u64);
        Self { block_bytes, offset, frames: 0, pages: 0, open: 0, ending: false, done: false }
    }

    /// Where the next segment, or after the final one the trailer, begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the final segment was passed, so that the trailer is next.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Reads the header of the next segment.
    ///
    /// # Errors
    ///
    /// [`PackError::Segment`] if a segment cannot be so, or not here.
    pub fn read(&self, header: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Segment, PackError> {
        let offset = self.offset;
        let wrong = |field| PackError::Segment { offset, field };
        let &[kind, codec, reserved, reserved_too, a, b, c, d, e, f, g, h] = header;
        let plain_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        let body_bytes = u32::from_le_bytes([e, f, g, h]) as usize;
        if reserved != 0 || reserved_too != 0 {
            return Err(wrong("reserved bytes"));
        }
        let codec = Codec::from_byte(codec).map_err(|_| wrong("codec"))?;
        let full = self.open == FRAMES_PER_PAGE;
        let (kind, in_order) = match kind {
            1 => (SegmentKind::Frame, !self.ending && !full && self.frames < FRAMES_MAX),
            2 => (SegmentKind::Index, self.open > 0),
            3 => (SegmentKind::Final, self.open == 0),
            _ => return Err(wrong("kind")),
        };
        if !in_order || self.done {
            return Err(wrong("place"));
        }
        let record = match kind {
            SegmentKind::Frame => None,
            SegmentKind::Index => Some(8 + 4 * self.open..=8 + 4 * self.open),
            SegmentKind::Final => {
                let least = FINAL_FIXED_BYTES as u64 + 8 * self.pages + 1;
                Some(least..=least + CHECKSUMS_BYTES_MAX as u64)
            }
        };
        let fits = match &record {
            Some(lengths) => {
                codec == Codec::None && plain_bytes == body_bytes && lengths.contains(&(body_bytes as u64))
            }
            None => {
                let raw = codec == Codec::None;
                (1..=self.block_bytes).contains(&plain_bytes)
                    && (if raw { body_bytes == plain_bytes } else { (1..plain_bytes).contains(&body_bytes) })
            }
        };
        if !fits {
            return Err(wrong("length"));
        }
        let (number, frame) = (self.frames + self.pages, self.frames);
        Ok(Segment { kind, number, frame, offset, codec, plain_bytes, body_bytes })
    }

    /// Goes on behind a segment that [`read`](Self::read) returned.
    pub fn pass(&mut self, segment: &Segment) {
        self.offset = self.offset.saturating_add(segment.stored_bytes() as u64);
        match segment.kind {
            SegmentKind::Frame => {
                self.frames += 1;
                self.open += 1;
                self.ending = segment.plain_bytes < self.block_bytes;
            }
            SegmentKind::Index => {
                self.ending |= self.open < FRAMES_PER_PAGE;
                self.pages += 1;
                self.open = 0;
            }
            SegmentKind::Final => self.done = true,
        }
    }
}

/// Compares what the pages and the final segment say with the frames that were opened, in order.
#[derive(Debug)]
pub(crate) struct Verifier {
    ledger: Ledger,
    limit: Option<u64>,
    summary: Option<(Summary, Trailer)>,
}

impl Verifier {
    pub(crate) fn new(opener: &FrameOpener, limit: Option<u64>) -> Self {
        let header = opener.header();
        let ledger = Ledger::new(header.block_bytes, opener.header_bytes(), header.content_hash);
        Self { ledger, limit, summary: None }
    }

    /// Whether a frame may be opened: bytes above the limit cost no work.
    pub(crate) fn allows(&self, ahead: u64) -> Result<(), PackError> {
        let bytes = self.ledger.content_bytes.saturating_add(ahead);
        match self.limit.filter(|limit| bytes > *limit) {
            Some(limit) => Err(PackError::Limit { limit }),
            None => Ok(()),
        }
    }

    pub(crate) fn frame(&mut self, frame: &FrameInfo) -> Result<(), PackError> {
        self.ledger.frame(frame)
    }

    /// A page or the final segment.
    pub(crate) fn record(
        &mut self,
        opener: &FrameOpener,
        contexts: &mut Contexts,
        segment: &Segment,
        bytes: &[u8],
    ) -> Result<(), PackError> {
        let body = opener.body(segment, bytes, &mut contexts.body)?;
        let contradiction = PackError::Index { offset: segment.offset };
        if segment.number != self.ledger.number() || segment.offset != self.ledger.offset {
            return Err(contradiction);
        }
        if segment.kind == SegmentKind::Index {
            if body != self.ledger.page_body() {
                return Err(contradiction);
            }
            self.ledger.close_page();
            return Ok(());
        }
        let list = body.get(FINAL_FIXED_BYTES + 8 * self.ledger.pages()..);
        let Some(checksums) = list.and_then(decode_checksums) else { return Err(contradiction) };
        check_content(self.ledger.content_hash(), &checksums)?;
        if body != self.ledger.final_body(&checksums).as_slice() {
            return Err(contradiction);
        }
        let length = u32::try_from(segment.stored_bytes()).map_err(|_| PackError::TooLong)?;
        let summary = Summary {
            content_bytes: self.ledger.content_bytes,
            frames: self.ledger.frames,
            pack_bytes: segment.offset + (segment.stored_bytes() + TRAILER_BYTES) as u64,
            checksums,
        };
        self.summary = Some((summary, Trailer { number: segment.number, length }));
        Ok(())
    }

    /// The trailer, after the final segment.
    pub(crate) fn trailer(&mut self, bytes: &[u8; TRAILER_BYTES]) -> Result<Summary, PackError> {
        match self.summary.take() {
            Some((summary, expected)) if expected.encode() == *bytes => Ok(summary),
            Some((summary, _)) => Err(PackError::Segment {
                offset: summary.pack_bytes.saturating_sub(TRAILER_BYTES as u64),
                field: "trailer",
            }),
            None => Err(PackError::Finished),
        }
    }
}

fn check_content(found: Option<Digest>, checksums: &[Digest]) -> Result<(), PackError> {
    let stored = checksums.iter().find(|checksum| checksum.algorithm() == Algorithm::Blake3);
    match (found, stored) {
        (Some(found), Some(stored)) if found != *stored => Err(PackError::Content {
            algorithm: Algorithm::Blake3,
            expected: stored.to_hex(),
            found: found.to_hex(),
        }),
        _ => Ok(()),
    }
}
