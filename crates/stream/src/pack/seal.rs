//! Making frames of blocks.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rustfs_rio_monitor::{ErrorClass, Operation};

use super::content::FrameHash;
use super::format::{FRAMES_PER_PAGE, ObjectId, PackHeader, SEGMENT_HEADER_BYTES, SEGMENT_OVERHEAD};
use super::protection::{Guard, seal_header};
use super::walk::segment_header;
use super::{Assembler, FrameInfo, PackError, PackOptions, SegmentKind};
use crate::codec::{Block, Codec, CodecPolicy, Codecs, Dictionary, Outcome};
use crate::key::DataKey;
use crate::keys::WrappedKey;
use crate::recording::Recording;

/// What one thread keeps from frame to frame: the contexts of the codecs and two buffers of at most a block.
#[derive(Debug, Default)]
pub struct Contexts {
    pub(super) codecs: Codecs,
    pub(super) trial: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Contexts {
    /// Nothing is allocated before the first frame.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Makes frames of one object: compresses, then encrypts. Any number of threads may use it at once, each with its own [`Contexts`].
pub struct FrameSealer {
    guard: Guard,
    block_bytes: usize,
    content_hash: bool,
    policy: Arc<dyn CodecPolicy>,
    dictionary: Option<Dictionary>,
    recording: Recording,
}

/// Begins a pack: its header, what makes its frames, and what puts them in order.
///
/// An encrypted object gets a random key here, which exists in the [`FrameSealer`] only, and wrapped in the header.
///
/// # Errors
///
/// [`PackError::Random`], [`PackError::Cryptography`], [`PackError::Key`] from the key provider.
pub fn begin(options: &PackOptions) -> Result<(Vec<u8>, Arc<FrameSealer>, Assembler), PackError> {
    let mut object = [0; 16];
    aws_lc_rs::rand::fill(&mut object).map_err(|_| PackError::Random)?;
    let key = match &options.encryption {
        None => None,
        Some((_, keys)) => {
            let key = DataKey::written(|key| aws_lc_rs::rand::fill(key).map_err(|_| PackError::Random))?;
            let wrapped = keys.wrap(&key, &object)?;
            Some((key, wrapped))
        }
    };
    begin_with(options, object, key)
}

/// [`begin`] with everything that is random given.
pub(super) fn begin_with(
    options: &PackOptions,
    object: [u8; 16],
    key: Option<(DataKey, WrappedKey)>,
) -> Result<(Vec<u8>, Arc<FrameSealer>, Assembler), PackError> {
    let (key, wrapped) = key.unzip();
    let header = PackHeader {
        protection: options.protection(),
        block_bytes: options.block_bytes,
        object: ObjectId(object),
        content_hash: options.content_hash,
        dictionary: options.dictionary.as_ref().map(Dictionary::id),
        key: wrapped,
    };
    let mut bytes = header.encode();
    let (mac, guard) = seal_header(header.protection, &object, &bytes, key.as_ref())?;
    bytes.extend_from_slice(&mac);
    let sealer = Arc::new(FrameSealer {
        guard,
        block_bytes: options.block_bytes,
        content_hash: options.content_hash,
        policy: Arc::clone(&options.policy),
        dictionary: options.dictionary.clone(),
        recording: options.recording.clone(),
    });
    let assembler = Assembler::new(Arc::clone(&sealer), bytes.len());
    Ok((bytes, sealer, assembler))
}

impl FrameSealer {
    /// Bytes in every block but the last.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    pub(super) fn content_hash(&self) -> bool {
        self.content_hash
    }

    /// Where the extra checksums of the same object are counted.
    pub(crate) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The most bytes that a frame can have.
    pub fn frame_bytes_max(&self) -> usize {
        self.block_bytes + SEGMENT_OVERHEAD
    }

    /// Appends the frame of block `number`, counted from 0, to `out`: 1 to [`block_bytes`](Self::block_bytes) bytes, fewer in the last
    /// block only. A number must never be used for two different blocks.
    ///
    /// # Errors
    ///
    /// [`PackError::BlockBytes`] for another length, [`PackError::Codec`], [`PackError::Cryptography`]. `out` is then as it was.
    pub fn seal(
        &self,
        contexts: &mut Contexts,
        number: u64,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<FrameInfo, PackError> {
        if plain.is_empty() || plain.len() > self.block_bytes {
            return Err(PackError::BlockBytes { found: plain.len() });
        }
        let start = out.len();
        let result = self.compress_and_seal(contexts, number, plain, out);
        result.inspect_err(|_| {
            if let Some(behind) = out.get_mut(start..) {
                behind.fill(0);
            }
            out.truncate(start);
        })
    }

    fn compress_and_seal(
        &self,
        contexts: &mut Contexts,
        number: u64,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<FrameInfo, PackError> {
        let start = out.len();
        out.reserve(SEGMENT_OVERHEAD + plain.len());
        out.extend_from_slice(&[0; SEGMENT_HEADER_BYTES]);
        let body = out.len();
        let timer = self.recording.start();
        let compressed = self.compress(contexts, number, plain, out);
        let failed = compressed.is_err().then_some(ErrorClass::Other);
        self.recording.finish(timer, Operation::Compress, plain.len(), failed);
        let codec = compressed?;
        let header = segment_header(SegmentKind::Frame, codec, plain.len(), out.len() - body);
        if let Some(place) = out.get_mut(start..body) {
            place.copy_from_slice(&header);
        }
        let timer = self.recording.start();
        let sealed = self.guard.seal(segment_of(number), false, &header, body, out);
        let failed = sealed.is_err().then_some(ErrorClass::Other);
        let operation = if self.guard.is_clear() { Operation::Checksum } else { Operation::Encrypt };
        self.recording.finish(timer, operation, out.len() - body, failed);
        sealed?;
        let offset = number.saturating_mul(self.block_bytes as u64);
        let hash =
            self.content_hash.then(|| self.recording.checksum(plain.len(), || FrameHash::of(plain, offset)));
        Ok(FrameInfo { number, plain_bytes: plain.len(), stored_bytes: out.len() - start, codec, hash })
    }

    fn compress(
        &self,
        contexts: &mut Contexts,
        number: u64,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Codec, PackError> {
        let (begun, before) = (Instant::now(), out.len());
        let method = self.policy.choose(&mut Block::new(plain, &mut contexts.codecs, &mut contexts.trial));
        let stored_as = contexts
            .codecs
            .compress(method, self.dictionary.as_ref(), plain, out)
            .map_err(|source| PackError::Codec { number, source })?;
        let (plain_bytes, stored_bytes) = (plain.len(), out.len() - before);
        self.policy.observe(&Outcome {
            method,
            stored_as,
            plain_bytes,
            stored_bytes,
            elapsed: begun.elapsed(),
        });
        Ok(stored_as)
    }

    /// Appends a page of the index or the final segment.
    pub(super) fn seal_record(
        &self,
        kind: SegmentKind,
        number: u64,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), PackError> {
        let header = segment_header(kind, Codec::None, body.len(), body.len());
        out.extend_from_slice(&header);
        let start = out.len();
        out.extend_from_slice(body);
        self.guard.seal(number, kind == SegmentKind::Final, &header, start, out)
    }
}

/// The number of a frame's segment: a page of the index follows every [`FRAMES_PER_PAGE`] frames and is counted too.
pub(super) fn segment_of(frame: u64) -> u64 {
    frame + frame / FRAMES_PER_PAGE
}

impl fmt::Debug for FrameSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSealer")
            .field("block_bytes", &self.block_bytes)
            .field("policy", &self.policy)
            .field("dictionary", &self.dictionary)
            .finish_non_exhaustive()
    }
}
