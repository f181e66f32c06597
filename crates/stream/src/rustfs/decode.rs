//! Reading a block stream.

use super::block::{BLOCK_BYTES_MAX, BlockError, HEAD_BYTES_MAX, checksum};
use super::codec::{CompressionAlgorithm, decompress};
use super::walk::{FrameHead, frame_head};

/// Turns the bytes of a block stream, in pieces of any size, into its content, at most one block per call.
///
/// It holds at most one frame, below 16 MiB, and of that only what has come. A block gives at most the bytes that its header says, and
/// never more than the block limit. After an error, every call returns that error.
#[derive(Debug)]
pub struct BlockDecoder {
    algorithm: CompressionAlgorithm,
    /// The frame that is being gathered, from its head on.
    held: Vec<u8>,
    /// Its head, once that is known.
    head: Option<FrameHead>,
    /// Where it begins.
    offset: u64,
    plain: u64,
    block_limit: u64,
    limit: Option<u64>,
    declared: Option<u64>,
    ended: bool,
    failed: Option<BlockError>,
}

impl BlockDecoder {
    /// A decoder of a stream of any length whose blocks have at most [`BLOCK_BYTES_MAX`] bytes.
    pub fn new(algorithm: CompressionAlgorithm) -> Self {
        Self {
            algorithm,
            held: Vec::new(),
            head: None,
            offset: 0,
            plain: 0,
            block_limit: BLOCK_BYTES_MAX as u64,
            limit: None,
            declared: None,
            ended: false,
            failed: None,
        }
    }

    /// The bytes of content that must come, no more and no fewer. Without it, a stream that ends between two frames looks whole.
    pub fn declaring(self, bytes: u64) -> Self {
        Self { declared: Some(bytes), ..self }
    }

    /// The bytes of content that may come at most.
    pub fn limiting(self, bytes: u64) -> Self {
        Self { limit: Some(bytes), ..self }
    }

    /// The bytes of content that one block may have.
    pub fn limiting_blocks(self, bytes: u64) -> Self {
        Self { block_limit: bytes, ..self }
    }

    /// Whether an end frame was read. What follows it is ignored.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes of content so far.
    pub fn plain_bytes(&self) -> u64 {
        self.plain
    }

    /// Takes bytes of the stream until a block is whole, appends its content to `out`, and returns how many bytes it took: at least
    /// one if there is one. The caller goes on with the others.
    ///
    /// # Errors
    ///
    /// What is wrong with the stream. The blocks before are in `out` by then, nothing of the wrong one.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BlockError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take(input, out).inspect_err(|error| self.fail(error))
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// [`BlockError::Truncated`] or [`BlockError::Length`] if something is missing; the error of an earlier call.
    pub fn finish(&mut self) -> Result<(), BlockError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let error = if !self.held.is_empty() {
            BlockError::Truncated { offset: self.offset }
        } else if let Some(declared) = self.declared.filter(|declared| *declared != self.plain) {
            BlockError::Length { declared, more: false }
        } else {
            return Ok(());
        };
        self.fail(&error);
        Err(error)
    }

    fn fail(&mut self, error: &BlockError) {
        self.failed = Some(error.clone());
        self.held = Vec::new();
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BlockError> {
        let mut rest = input;
        while !rest.is_empty() {
            if self.ended {
                return Ok(input.len());
            }
            let Some(head) = self.head else {
                self.gather_head(&mut rest)?;
                continue;
            };
            let length = usize::try_from(head.frame_bytes).unwrap_or(usize::MAX);
            // A frame that is here as a whole is not copied.
            if self.held.is_empty()
                && let Some((frame, behind)) = rest.split_at_checked(length)
            {
                self.frame(head, frame, out)?;
                return Ok(input.len() - behind.len());
            }
            let (now, behind) = rest.split_at(rest.len().min(length - self.held.len()));
            self.held.extend_from_slice(now);
            rest = behind;
            if self.held.len() == length {
                let mut held = std::mem::take(&mut self.held);
                self.frame(head, &held, out)?;
                held.clear();
                self.held = held;
                break;
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Finds the head of the next frame, in the input if it is there, else in what is held. Checks it before anything more is held.
    fn gather_head(&mut self, rest: &mut &[u8]) -> Result<(), BlockError> {
        let head = if self.held.is_empty() { frame_head(rest, self.offset)? } else { None };
        let head = match head {
            Some(head) => head,
            None => {
                let missing = HEAD_BYTES_MAX.saturating_sub(self.held.len()).min(rest.len());
                // Byte by byte: the head's length is known only at its end, and what follows may be another frame.
                let (mut taken, mut found) = (0, None);
                for byte in rest.iter().take(missing) {
                    self.held.push(*byte);
                    taken += 1;
                    found = frame_head(&self.held, self.offset)?;
                    if found.is_some() {
                        break;
                    }
                }
                *rest = rest.get(taken..).unwrap_or_default();
                match found {
                    Some(head) => head,
                    None => return Ok(()),
                }
            }
        };
        if head.end {
            self.ended = true;
            self.held = Vec::new();
            return Ok(());
        }
        if head.plain_bytes > self.block_limit {
            let (found, limit) = (head.plain_bytes, self.block_limit);
            return Err(BlockError::BlockLength { offset: self.offset, found, limit });
        }
        let plain = self.plain.saturating_add(head.plain_bytes);
        let limits = [self.declared, self.limit].into_iter().flatten();
        if let Some(declared) = limits.min().filter(|limit| plain > *limit) {
            return Err(BlockError::Length { declared, more: true });
        }
        self.head = Some(head);
        Ok(())
    }

    fn frame(&mut self, head: FrameHead, frame: &[u8], out: &mut Vec<u8>) -> Result<(), BlockError> {
        let (start, offset) = (out.len(), self.offset);
        let payload = frame.get(head.head_bytes..).unwrap_or_default();
        content(head, payload, self.algorithm, offset, out).inspect_err(|_| out.truncate(start))?;
        self.plain += head.plain_bytes;
        self.offset += head.frame_bytes;
        self.head = None;
        Ok(())
    }
}

/// Appends the content of a block and checks it. After an error, the caller takes away what was appended.
fn content(
    head: FrameHead,
    payload: &[u8],
    algorithm: CompressionAlgorithm,
    offset: u64,
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    let start = out.len();
    let expected = head.plain_bytes;
    let length = BlockError::ContentLength { offset, expected };
    let limit = usize::try_from(expected).map_err(|_| length.clone())?;
    if head.stored || algorithm == CompressionAlgorithm::None {
        if payload.len() != limit {
            return Err(length);
        }
        out.extend_from_slice(payload);
    } else {
        let codec = |error: std::io::Error| BlockError::Codec {
            offset,
            codec: error.kind(),
            message: error.to_string(),
        };
        decompress(payload, algorithm, limit, out).map_err(codec)?;
    }
    let block = out.get(start..).unwrap_or_default();
    if block.len() != limit {
        return Err(length);
    }
    let (expected, found) = (head.checksum, checksum(block));
    if found == expected { Ok(()) } else { Err(BlockError::Checksum { offset, expected, found }) }
}
