//! Writing an S2 stream.

use super::S2Error;
use super::format::{
    BLOCK_BYTES, BLOCK_BYTES_MAX, CHECKSUM_BYTES, CHUNK_HEADER_BYTES, COMPRESSED, IDENTIFIER, PADDING, RAW,
    S2_NAME, checksum, chunk_header,
};

/// Makes an S2 stream from pieces of any size. Its bytes depend on the content and the block size only.
///
/// It holds back up to one block. A block that does not shrink by about a 32nd is stored as it is.
///
/// ```
/// use rustfs_rio_stream::s2::{Decoder, Encoder};
///
/// # fn main() -> Result<(), rustfs_rio_stream::s2::S2Error> {
/// let mut stream = Vec::new();
/// let mut encoder = Encoder::new();
/// encoder.push(b"hello, hello, ", &mut stream);
/// encoder.push(b"hello", &mut stream);
/// encoder.finish(&mut stream);
///
/// let (mut decoder, mut plain, mut rest) = (Decoder::new(), Vec::new(), &stream[..]);
/// while !rest.is_empty() {
///     let used = decoder.push(rest, &mut plain)?;
///     rest = &rest[used..];
/// }
/// decoder.finish()?;
/// assert_eq!(plain, b"hello, hello, hello");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Encoder {
    block_bytes: usize,
    held: Vec<u8>,
    written: u64,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder with blocks of [`BLOCK_BYTES`].
    pub fn new() -> Self {
        Self { block_bytes: BLOCK_BYTES, held: Vec::new(), written: 0 }
    }

    /// An encoder with blocks of `bytes`, 1 to [`BLOCK_BYTES_MAX`].
    ///
    /// # Errors
    ///
    /// [`S2Error::BlockSize`].
    pub fn with_block_bytes(bytes: usize) -> Result<Self, S2Error> {
        if bytes == 0 || bytes > BLOCK_BYTES_MAX {
            return Err(S2Error::BlockSize { found: bytes });
        }
        Ok(Self { block_bytes: bytes, ..Self::new() })
    }

    /// Takes the next bytes of the content and appends the blocks that are full to `out`: never more than `input.len()`, one
    /// block, the identifier, and 8 bytes for each block.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            if self.held.is_empty()
                && let Some((block, rest)) = input.split_at_checked(self.block_bytes)
            {
                self.write(block, out);
                input = rest;
                continue;
            }
            let (now, rest) = input.split_at(input.len().min(self.block_bytes - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
            if self.held.len() == self.block_bytes {
                self.write_held(out);
            }
        }
    }

    /// Appends what was held back. The stream of an empty content is empty.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.write_held(out);
    }

    /// As [`Encoder::finish`], and makes the length of the stream a multiple of `multiple` with a chunk of random bytes, so that
    /// the length of an encrypted stream tells less about its content. An empty content stays empty.
    ///
    /// # Errors
    ///
    /// [`S2Error::Padding`] if `multiple` is not 1 to 65536; [`S2Error::Random`].
    pub fn finish_padded(mut self, multiple: usize, out: &mut Vec<u8>) -> Result<(), S2Error> {
        if multiple == 0 || multiple > 1 << 16 {
            return Err(S2Error::Padding { found: multiple });
        }
        self.write_held(out);
        let over = usize::try_from(self.written % multiple as u64).unwrap_or_default();
        if over == 0 {
            return Ok(());
        }
        let mut missing = multiple - over;
        while missing < CHUNK_HEADER_BYTES {
            missing += multiple;
        }
        let mut random = vec![0; missing - CHUNK_HEADER_BYTES];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| S2Error::Random)?;
        out.extend_from_slice(&chunk_header(PADDING, random.len()));
        out.extend_from_slice(&random);
        Ok(())
    }

    fn write_held(&mut self, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            self.write(&held, out);
            held.clear();
            self.held = held;
        }
    }

    fn write(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if self.written == 0 {
            out.extend_from_slice(&chunk_header(IDENTIFIER, S2_NAME.len()));
            out.extend_from_slice(S2_NAME);
        }
        let compressed = minlz::s2::encode(block);
        // The rule of the format's first implementation: below this gain, reading back fast is worth more.
        let smaller = compressed.len() + block.len() / 32 + 5 <= block.len();
        let (kind, payload) = if smaller { (COMPRESSED, compressed.as_slice()) } else { (RAW, block) };
        out.extend_from_slice(&chunk_header(kind, CHECKSUM_BYTES + payload.len()));
        out.extend_from_slice(&checksum(block).to_le_bytes());
        out.extend_from_slice(payload);
        self.written += (out.len() - start) as u64;
    }
}
