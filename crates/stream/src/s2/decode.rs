//! Reading an S2 or Snappy stream.

use super::S2Error;
use super::format::{
    BLOCK_BYTES_MAX, CHECKSUM_BYTES, CHUNK_HEADER_BYTES, COMPRESSED, IDENTIFIER, RAW, S2_NAME, SKIPPABLE,
    SNAPPY_NAME, checksum, chunk_length, compressed_bytes_max,
};

/// Turns the bytes of a stream, in pieces of any size, into its content, at most one block per call.
///
/// It holds at most one chunk: what a block of 4 MiB can become, about 4.7 MiB. Chunks that are skipped are not held. After an error,
/// every call returns that error.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The chunk that is being gathered, from its header on.
    held: Vec<u8>,
    /// Bytes of a skipped chunk that are to come.
    skip: usize,
    /// Where the current chunk begins.
    offset: u64,
    plain: u64,
    declared: Option<u64>,
    failed: Option<S2Error>,
}

impl Decoder {
    /// A decoder of a stream of any length.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of content that must come, no more and no fewer. Without it, a stream that ends between two chunks looks whole,
    /// and a small one may become very long.
    pub fn declaring(self, bytes: u64) -> Self {
        Self { declared: Some(bytes), ..self }
    }

    /// Takes bytes of the stream until a block is whole, appends its content to `out`, at most 4 MiB, and returns how many bytes
    /// it took: at least one if there is one. The caller goes on with the others.
    ///
    /// # Errors
    ///
    /// What is wrong with the stream. The blocks before are in `out` by then, nothing of the wrong one.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, S2Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.take(input, out).inspect_err(|error| self.fail(*error))
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// [`S2Error::Truncated`] or [`S2Error::Length`] if something is missing; the error of an earlier call.
    pub fn finish(&mut self) -> Result<(), S2Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let error = if self.skip > 0 || !self.held.is_empty() {
            S2Error::Truncated { offset: self.offset }
        } else if let Some(declared) = self.declared.filter(|declared| *declared != self.plain) {
            S2Error::Length { declared, more: false }
        } else {
            return Ok(());
        };
        self.fail(error);
        Err(error)
    }

    fn fail(&mut self, error: S2Error) {
        self.failed = Some(error);
        self.held = Vec::new();
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, S2Error> {
        let mut rest = input;
        while !rest.is_empty() {
            if self.skip > 0 {
                let now = rest.len().min(self.skip);
                rest = rest.get(now..).unwrap_or_default();
                self.skip -= now;
                if self.skip == 0 {
                    self.next_chunk();
                }
                continue;
            }
            let length = match self.held.first_chunk::<CHUNK_HEADER_BYTES>() {
                None => CHUNK_HEADER_BYTES,
                Some(header) => CHUNK_HEADER_BYTES + chunk_length(*header),
            };
            let (now, behind) = rest.split_at(rest.len().min(length - self.held.len()));
            self.held.extend_from_slice(now);
            rest = behind;
            let Some(header) = self.held.first_chunk::<CHUNK_HEADER_BYTES>().copied() else { continue };
            if self.held.len() == CHUNK_HEADER_BYTES {
                self.begin(header)?;
            } else if self.held.len() == length {
                let block = header[0] != IDENTIFIER;
                self.chunk(header[0], out)?;
                self.held.clear();
                self.offset += length as u64;
                if block {
                    break;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// The end of a chunk that was skipped.
    fn next_chunk(&mut self) {
        let header = self.held.first_chunk::<CHUNK_HEADER_BYTES>().copied().unwrap_or_default();
        self.offset += (CHUNK_HEADER_BYTES + chunk_length(header)) as u64;
        self.held.clear();
    }

    /// Checks the header of a chunk before anything of it is held.
    fn begin(&mut self, header: [u8; CHUNK_HEADER_BYTES]) -> Result<(), S2Error> {
        let (offset, length) = (self.offset, chunk_length(header));
        let fits = match header[0] {
            COMPRESSED => {
                length > CHECKSUM_BYTES && length <= CHECKSUM_BYTES + compressed_bytes_max(BLOCK_BYTES_MAX)
            }
            RAW => (CHECKSUM_BYTES..=CHECKSUM_BYTES + BLOCK_BYTES_MAX).contains(&length),
            IDENTIFIER if length == S2_NAME.len() => true,
            IDENTIFIER => return Err(S2Error::Identifier { offset }),
            SKIPPABLE.. => {
                self.skip = length;
                if length == 0 {
                    self.next_chunk();
                }
                true
            }
            found => return Err(S2Error::Type { offset, found }),
        };
        if fits { Ok(()) } else { Err(S2Error::ChunkLength { offset, found: length }) }
    }

    /// A whole chunk: the identifier or a block.
    fn chunk(&mut self, kind: u8, out: &mut Vec<u8>) -> Result<(), S2Error> {
        let offset = self.offset;
        let body = self.held.get(CHUNK_HEADER_BYTES..).unwrap_or_default();
        if kind == IDENTIFIER {
            let known = body == S2_NAME || body == SNAPPY_NAME;
            return if known { Ok(()) } else { Err(S2Error::Identifier { offset }) };
        }
        let Some((expected, payload)) = body.split_first_chunk::<CHECKSUM_BYTES>() else {
            return Err(S2Error::ChunkLength { offset, found: body.len() });
        };
        let length = match kind {
            RAW => payload.len(),
            _ => minlz::s2::decode_len(payload).map_err(|_| S2Error::Block { offset })?.0,
        };
        // Before a byte of memory is taken for it.
        if length > BLOCK_BYTES_MAX {
            let limit = BLOCK_BYTES_MAX as u64;
            return Err(S2Error::BlockLength { offset, found: length as u64, limit });
        }
        let plain = self.plain + length as u64;
        if let Some(declared) = self.declared.filter(|declared| plain > *declared) {
            return Err(S2Error::Length { declared, more: true });
        }
        let start = out.len();
        let expected = u32::from_le_bytes(*expected);
        decompress(kind, payload, length, expected, offset, out).inspect_err(|_| out.truncate(start))?;
        self.plain = plain;
        Ok(())
    }
}

/// Appends the content of a block to `out` and checks it. After an error, the caller takes away what was appended.
fn decompress(
    kind: u8,
    payload: &[u8],
    length: usize,
    expected: u32,
    offset: u64,
    out: &mut Vec<u8>,
) -> Result<(), S2Error> {
    let start = out.len();
    if kind == RAW {
        out.extend_from_slice(payload);
    } else {
        out.resize(start + length, 0);
        let (_, block) = out.split_at_mut(start);
        if minlz::s2::decode_into(block, payload) != Ok(length) {
            return Err(S2Error::Block { offset });
        }
    }
    let found = checksum(out.get(start..).unwrap_or_default());
    if found == expected { Ok(()) } else { Err(S2Error::Checksum { offset, expected, found }) }
}
