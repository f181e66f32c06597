//! Writing a pack from pieces of any size, on one thread.

use std::fmt;
use std::sync::Arc;

use super::{Assembler, Contexts, FrameSealer, PackError, PackOptions, Summary, begin};
use crate::checksum::MultiHasher;

/// Makes a pack from pieces of any size.
///
/// It holds back up to one block. [`FrameSealer`] makes frames on several threads.
///
/// ```
/// use rustfs_rio_stream::pack::{Decoder, Encoder, PackOptions, ReadOptions};
///
/// # fn main() -> Result<(), rustfs_rio_stream::pack::PackError> {
/// let mut pack = Vec::new();
/// let mut encoder = Encoder::new(&PackOptions::new(), &mut pack)?;
/// encoder.push(b"hello, ", &mut pack)?;
/// encoder.push(b"hello", &mut pack)?;
/// encoder.finish(&mut pack)?;
///
/// let (mut decoder, mut content, mut rest) = (Decoder::new(ReadOptions::new()), Vec::new(), &pack[..]);
/// while !rest.is_empty() {
///     let used = decoder.push(rest, &mut content)?;
///     rest = &rest[used..];
/// }
/// assert_eq!(decoder.finish()?.content_bytes, 12);
/// assert_eq!(content, b"hello, hello");
/// # Ok(()) }
/// ```
pub struct Encoder {
    sealer: Arc<FrameSealer>,
    assembler: Assembler,
    contexts: Contexts,
    checksums: MultiHasher,
    held: Vec<u8>,
    number: u64,
    failed: bool,
}

impl Encoder {
    /// Begins a pack and appends its header to `out`.
    ///
    /// # Errors
    ///
    /// Those of [`begin`].
    pub fn new(options: &PackOptions, out: &mut Vec<u8>) -> Result<Self, PackError> {
        let (header, sealer, assembler) = begin(options)?;
        out.extend_from_slice(&header);
        Ok(Self::of(options, sealer, assembler))
    }

    pub(super) fn of(options: &PackOptions, sealer: Arc<FrameSealer>, assembler: Assembler) -> Self {
        let checksums = MultiHasher::new(options.extra_checksums().iter().copied());
        let contexts = Contexts::new();
        Self { sealer, assembler, contexts, checksums, held: Vec::new(), number: 0, failed: false }
    }

    /// Takes the next bytes of the content and appends the frames that are complete to `out`: at most `input.len()`, one block, and 28
    /// bytes for each frame, and sometimes a page of the index of 64 KiB.
    ///
    /// # Errors
    ///
    /// Those of [`FrameSealer::seal`]; the pack is then of no use, and every later call says [`PackError::Finished`].
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        let block_bytes = self.sealer.block_bytes();
        if self.checksums.algorithms().next().is_some() {
            self.sealer.recording().checksum_short(input.len(), || self.checksums.update(input));
        }
        while !input.is_empty() {
            // Whole blocks need no copy.
            if self.held.is_empty()
                && let Some((block, rest)) = input.split_at_checked(block_bytes)
            {
                self.frame(block, out)?;
                input = rest;
                continue;
            }
            let (now, rest) = input.split_at(input.len().min(block_bytes - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
            if self.held.len() == block_bytes {
                self.frame_held(out)?;
            }
        }
        Ok(())
    }

    /// Appends the last frame and the end of the pack.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Summary, PackError> {
        if self.failed {
            return Err(PackError::Finished);
        }
        if !self.held.is_empty() {
            self.frame_held(out)?;
        }
        self.assembler.finish(&self.checksums.finish(), out)
    }

    fn frame_held(&mut self, out: &mut Vec<u8>) -> Result<(), PackError> {
        let mut held = std::mem::take(&mut self.held);
        let result = self.frame(&held, out);
        held.clear();
        self.held = held;
        result
    }

    fn frame(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        if self.failed {
            return Err(PackError::Finished);
        }
        // A number is never used again, whatever happens.
        self.failed = true;
        let frame = self.sealer.seal(&mut self.contexts, self.number, block, out)?;
        self.number += 1;
        self.assembler.add(&frame, out)?;
        self.failed = false;
        Ok(())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("frames", &self.number)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
