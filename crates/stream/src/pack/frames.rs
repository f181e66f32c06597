//! Opening segments.

use std::fmt;

use rustfs_rio_monitor::{ErrorClass, Operation};

use super::content::FrameHash;
use super::format::{MAC_BYTES, PackHeader, SEGMENT_HEADER_BYTES, TAG_BYTES};
use super::protection::{Guard, open_header};
use super::{Contexts, PackError, ReadOptions, Segment, SegmentKind};
use crate::codec::{Codec, Dictionary};
use crate::recording::Recording;

/// What is known of a frame that was sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    /// Its number, from 0.
    pub number: u64,
    /// Bytes of content.
    pub plain_bytes: usize,
    /// Bytes in the pack, with header and tag.
    pub stored_bytes: usize,
    /// How it is compressed.
    pub codec: Codec,
    pub(super) hash: Option<FrameHash>,
}

/// Opens the segments of one pack: authenticates and decrypts, then decompresses. Any number of threads may use it at once.
pub struct FrameOpener {
    guard: Guard,
    header: PackHeader,
    header_bytes: usize,
    dictionary: Option<Dictionary>,
    recording: Recording,
}

impl FrameOpener {
    /// An opener for the pack with this header, of exactly the bytes that [`header_bytes`](super::header_bytes) counts.
    ///
    /// # Errors
    ///
    /// Those of [`PackHeader::decode`]; [`PackError::KeyMissing`], [`PackError::Key`]; [`PackError::HeaderAuthentication`];
    /// [`PackError::Dictionary`].
    pub fn new(header: &[u8], options: &ReadOptions) -> Result<Self, PackError> {
        let (decoded, mac) = PackHeader::decode(header)?;
        let key = match &decoded.key {
            None => None,
            Some(wrapped) => {
                let keys = options.keys.as_ref();
                let keys = keys.ok_or_else(|| PackError::KeyMissing { id: wrapped.id.clone() })?;
                Some(keys.unwrap(wrapped, &decoded.object.0)?)
            }
        };
        let covered = header.get(..header.len().saturating_sub(MAC_BYTES)).unwrap_or_default();
        let guard = open_header(decoded.protection, &decoded.object.0, covered, &mac, key.as_ref())?;
        let given = options.dictionary.as_ref().filter(|given| Some(given.id()) == decoded.dictionary);
        if let (Some(expected), None) = (decoded.dictionary, given) {
            return Err(PackError::Dictionary { expected });
        }
        Ok(Self {
            guard,
            header_bytes: header.len(),
            dictionary: given.cloned(),
            header: decoded,
            recording: options.recording.clone(),
        })
    }

    /// The header, which is authentic.
    pub fn header(&self) -> &PackHeader {
        &self.header
    }

    /// Its length in bytes: where the first segment begins.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// Appends the content of a frame to `out`: exactly what its header declares, at most one block. `bytes` is the whole segment.
    ///
    /// # Errors
    ///
    /// [`PackError::Authentication`]; [`PackError::Codec`]. `out` is then as it was.
    pub fn open(
        &self,
        contexts: &mut Contexts,
        segment: &Segment,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<FrameInfo, PackError> {
        let start = out.len();
        self.open_into(contexts, segment, bytes, out).inspect_err(|_| out.truncate(start))?;
        let plain = out.get(start..).unwrap_or_default();
        let number = segment.frame;
        let hash = self.header.content_hash.then(|| {
            let offset = number.saturating_mul(self.header.block_bytes as u64);
            self.recording.checksum(plain.len(), || FrameHash::of(plain, offset))
        });
        Ok(FrameInfo {
            number,
            plain_bytes: plain.len(),
            stored_bytes: bytes.len(),
            codec: segment.codec,
            hash,
        })
    }

    fn open_into(
        &self,
        contexts: &mut Contexts,
        segment: &Segment,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), PackError> {
        let (codec, declared) = (segment.codec, segment.plain_bytes);
        // What is neither compressed nor in clear is decrypted to where it belongs.
        if codec == Codec::None && !self.guard.is_clear() {
            let start = out.len();
            out.resize(start + declared, 0);
            let (_, plain) = out.split_at_mut(start);
            return self.authenticate(segment, bytes, plain).map(drop);
        }
        let Contexts { codecs, body, .. } = contexts;
        let body = self.body(segment, bytes, body)?;
        let timer = self.recording.start();
        let result = codecs.decompress(codec, self.dictionary.as_ref(), body, declared, out);
        let failed = result.is_err().then_some(ErrorClass::Damaged);
        self.recording.finish(timer, Operation::Decompress, declared, failed);
        result.map_err(|source| PackError::Codec { number: segment.frame, source })
    }

    /// The authentic body of a segment, decrypted into `room` if need be.
    pub(super) fn body<'a>(
        &self,
        segment: &Segment,
        bytes: &'a [u8],
        room: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], PackError> {
        if !self.guard.is_clear() {
            room.resize(segment.body_bytes, 0);
        } else {
            room.clear();
        }
        let stored = self.authenticate(segment, bytes, room)?;
        Ok(if self.guard.is_clear() { stored } else { room })
    }

    /// The stored body, after it was found authentic and decrypted into `plain`.
    fn authenticate<'a>(
        &self,
        segment: &Segment,
        bytes: &'a [u8],
        plain: &mut [u8],
    ) -> Result<&'a [u8], PackError> {
        let failure = PackError::Authentication { number: segment.number, offset: segment.offset };
        let split = bytes.split_first_chunk::<SEGMENT_HEADER_BYTES>().and_then(|(header, rest)| {
            let (stored, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
            (stored.len() == segment.body_bytes).then_some((header, stored, tag))
        });
        let Some((header, stored, tag)) = split else { return Err(failure) };
        let last = segment.kind == SegmentKind::Final;
        let timer = self.recording.start();
        let authentic = self.guard.open(segment.number, last, header, stored, tag, plain);
        let failed = (!authentic).then_some(ErrorClass::Damaged);
        let operation = if self.guard.is_clear() { Operation::Checksum } else { Operation::Decrypt };
        self.recording.finish(timer, operation, stored.len(), failed);
        if authentic { Ok(stored) } else { Err(failure) }
    }
}

impl fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameOpener").field("header", &self.header).finish_non_exhaustive()
    }
}
