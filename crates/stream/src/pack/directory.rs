//! Finding the frames of a range without reading the others.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::format::{FRAMES_PER_PAGE, SEGMENT_HEADER_BYTES, SEGMENT_OVERHEAD, TRAILER_BYTES, Trailer};
use super::ledger::{FINAL_FIXED_BYTES, decode_checksums};
use super::seal::segment_of;
use super::{Contexts, FrameOpener, PackError, ReadOptions, Segment, SegmentKind, Summary, Walker};
use crate::codec::Codec;

/// What the final segment of a pack says: how long the content is and where the pages of the index are.
///
/// Whoever can read a file builds one of three pieces: the trailer (the last 16 bytes), the final segment before it, the header.
/// It holds 8 bytes for each 16384 frames.
pub struct Directory {
    opener: Arc<FrameOpener>,
    summary: Summary,
    pages: Vec<u64>,
    /// Where the final segment begins.
    end: u64,
}

/// Where one frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramePlace {
    /// Its number, from 0.
    pub number: u64,
    /// Its bytes in the pack.
    pub stored: Range<u64>,
    /// Its bytes in the content.
    pub plain: Range<u64>,
}

/// A page of the index: where up to 16384 frames begin.
#[derive(Debug)]
pub struct Page {
    first: u64,
    /// Beginnings, and the end of the last frame.
    places: Vec<u64>,
}

impl Directory {
    /// A directory of the trailer, the whole final segment and the whole header of a pack of `pack_bytes`.
    ///
    /// # Errors
    ///
    /// Those of [`FrameOpener::new`]; [`PackError::Segment`], [`PackError::Authentication`] or [`PackError::Index`] for a wrong final
    /// segment.
    pub fn open(
        header: &[u8],
        trailer: Trailer,
        final_segment: &[u8],
        pack_bytes: u64,
        options: &ReadOptions,
    ) -> Result<Self, PackError> {
        let opener = FrameOpener::new(header, options)?;
        let end = pack_bytes
            .checked_sub(TRAILER_BYTES as u64 + u64::from(trailer.length))
            .filter(|end| *end >= header.len() as u64)
            .ok_or(PackError::Truncated { length: pack_bytes })?;
        let body_bytes = final_segment.len().saturating_sub(SEGMENT_OVERHEAD);
        let segment = Segment {
            kind: SegmentKind::Final,
            number: trailer.number,
            frame: 0,
            offset: end,
            codec: Codec::None,
            plain_bytes: body_bytes,
            body_bytes,
        };
        let mut room = Vec::new();
        let body = opener.body(&segment, final_segment, &mut room)?;
        let parsed = parse_final(body, &opener, end, trailer.number);
        let (summary, pages) = parsed.ok_or(PackError::Index { offset: end })?;
        let summary = Summary { pack_bytes, ..summary };
        if let Some(limit) = options.limit.filter(|limit| summary.content_bytes > *limit) {
            return Err(PackError::Limit { limit });
        }
        Ok(Self { opener: Arc::new(opener), summary, pages, end })
    }

    /// What opens the pack's segments.
    pub fn opener(&self) -> &Arc<FrameOpener> {
        &self.opener
    }

    /// What the pack holds.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The frames that hold a range of the content.
    ///
    /// # Errors
    ///
    /// [`PackError::Range`] if the content does not have it.
    pub fn frames(&self, range: &Range<u64>) -> Result<Range<u64>, PackError> {
        let length = self.summary.content_bytes;
        if range.start > range.end || range.end > length {
            return Err(PackError::Range { range: range.clone(), length });
        }
        let block = self.opener.header().block_bytes as u64;
        let first = range.start / block;
        Ok(if range.is_empty() { first..first } else { first..range.end.div_ceil(block) })
    }

    /// The number of the page that describes a frame.
    pub fn page_of(&self, frame: u64) -> usize {
        usize::try_from(frame / FRAMES_PER_PAGE).unwrap_or(usize::MAX)
    }

    /// Where a page is; `None` if there is no such page.
    pub fn page_place(&self, page: usize) -> Option<Range<u64>> {
        let start = *self.pages.get(page)?;
        Some(start..start.checked_add((SEGMENT_OVERHEAD as u64) + 8 + 4 * self.frames_in(page))?)
    }

    /// A page of its bytes in the pack.
    ///
    /// # Errors
    ///
    /// [`PackError::Authentication`]; [`PackError::Index`].
    pub fn open_page(&self, page: usize, bytes: &[u8]) -> Result<Page, PackError> {
        let place = self.page_place(page).ok_or(PackError::Index { offset: self.end })?;
        let (first, frames) = (page as u64 * FRAMES_PER_PAGE, self.frames_in(page));
        let body_bytes = bytes.len().saturating_sub(SEGMENT_OVERHEAD);
        let segment = Segment {
            kind: SegmentKind::Index,
            number: segment_of(first + frames - 1) + 1,
            frame: 0,
            offset: place.start,
            codec: Codec::None,
            plain_bytes: body_bytes,
            body_bytes,
        };
        let mut room = Vec::new();
        let body = self.opener.body(&segment, bytes, &mut room)?;
        let places = places(body)
            .filter(|places| places.len() as u64 == frames + 1 && places.last() == Some(&place.start));
        let places = places.ok_or(PackError::Index { offset: place.start })?;
        Ok(Page { first, places })
    }

    /// Where a frame is, from the page that describes it.
    pub fn place(&self, page: &Page, frame: u64) -> Option<FramePlace> {
        let index = usize::try_from(frame.checked_sub(page.first)?).ok()?;
        let stored = *page.places.get(index)?..*page.places.get(index + 1)?;
        let block = self.opener.header().block_bytes as u64;
        let start = frame.checked_mul(block)?;
        let plain = start..start.saturating_add(block).min(self.summary.content_bytes);
        (!plain.is_empty()).then_some(FramePlace { number: frame, stored, plain })
    }

    /// Appends the content of a frame to `out`. `bytes` are those that its place names.
    ///
    /// # Errors
    ///
    /// [`PackError::Segment`], [`PackError::Authentication`], [`PackError::Codec`].
    pub fn open_frame(
        &self,
        contexts: &mut Contexts,
        place: &FramePlace,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), PackError> {
        let offset = place.stored.start;
        let wrong = |field| PackError::Segment { offset, field };
        let header = bytes.first_chunk::<SEGMENT_HEADER_BYTES>().ok_or_else(|| wrong("length"))?;
        // A walker at the beginning takes a frame of any length; what is wrong in its place is set right.
        let found = Walker::new(&self.opener).read(header)?;
        let expected = usize::try_from(place.plain.end - place.plain.start).unwrap_or(usize::MAX);
        if found.kind != SegmentKind::Frame
            || found.plain_bytes != expected
            || found.stored_bytes() != bytes.len()
        {
            return Err(wrong("length"));
        }
        let segment = Segment { number: segment_of(place.number), frame: place.number, offset, ..found };
        self.opener.open(contexts, &segment, bytes, out).map(drop)
    }

    fn frames_in(&self, page: usize) -> u64 {
        self.summary.frames.saturating_sub(page as u64 * FRAMES_PER_PAGE).min(FRAMES_PER_PAGE)
    }
}

/// Beginnings of frames and the end of the last one; `None` if they overflow or the body is no page.
fn places(body: &[u8]) -> Option<Vec<u64>> {
    let (base, lengths) = body.split_first_chunk::<8>()?;
    let mut place = u64::from_le_bytes(*base);
    let mut places = Vec::with_capacity(lengths.len() / 4 + 1);
    places.push(place);
    for length in lengths.chunks(4) {
        place = place.checked_add(u64::from(u32::from_le_bytes(length.try_into().ok()?)))?;
        places.push(place);
    }
    Some(places)
}

/// The body of a final segment that begins at `end`; `None` if it contradicts itself or its place.
fn parse_final(body: &[u8], opener: &FrameOpener, end: u64, number: u64) -> Option<(Summary, Vec<u64>)> {
    let word = |at: usize| Some(u64::from_le_bytes(*body.get(at..)?.first_chunk::<8>()?));
    let (content_bytes, frames, own) = (word(0)?, word(8)?, word(16)?);
    let pages = u64::from(u32::from_le_bytes(*body.get(24..)?.first_chunk::<4>()?));
    let block = opener.header().block_bytes as u64;
    let right = own == end
        && frames == content_bytes.div_ceil(block)
        && pages == frames.div_ceil(FRAMES_PER_PAGE)
        && frames.checked_add(pages) == Some(number);
    let list = FINAL_FIXED_BYTES.checked_add(usize::try_from(pages).ok()?.checked_mul(8)?)?;
    let places = body.get(FINAL_FIXED_BYTES..list)?;
    let pages: Vec<u64> =
        places.chunks_exact(8).filter_map(|place| Some(u64::from_le_bytes(place.try_into().ok()?))).collect();
    let ascending = pages.is_sorted_by(|a, b| a < b) && pages.last().is_none_or(|last| *last < end);
    let checksums = decode_checksums(body.get(list..)?)?;
    (right && ascending).then_some((Summary { content_bytes, frames, pack_bytes: 0, checksums }, pages))
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("summary", &self.summary).finish_non_exhaustive()
    }
}
