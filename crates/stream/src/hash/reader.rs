//! The type, and what is checked while it is read and at the end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustfs_rio_monitor::{ErrorClass, Operation, Recorder};
use tokio::io::{AsyncRead, ReadBuf};

use super::content::{ContentFailure, settle};
use super::trailer::TrailingHeaders;
use crate::checksum::{Algorithm, Checksum, Hasher};
use crate::error::{BadDigest, IncompleteBody, Sha256Mismatch};
use crate::reader::{
    DynReader, Empty, EtagMismatch, EtagResolvable, HashReaderDetector, HashReaderMut, TryGetIndex, too_many,
};
use crate::recording::Recording;
use crate::rustfs::Index;

/// Checks size, MD5, SHA-256 and the announced checksum of what is read.
///
/// Sizes are in bytes; negative ones are not known. All differences are errors of the read at which they are noticed, and stay. The
/// bytes before were handed out by then: whoever reads must give them up.
pub struct HashReader {
    /// The reader below, with the layers that check size and MD5.
    pub inner: DynReader,
    /// Bytes that must come; may be the size of an encoded form.
    pub size: i64,
    /// Size of the original object.
    pub actual_size: i64,
    /// Whether no MD5 is computed and no ETag given (the spelling is the original's).
    pub diskable_md5: bool,
    pub(super) checksum: Option<String>,
    pub(super) bytes_read: u64,
    pub(super) layers: Layers,
    pub(super) content_hash: Option<Checksum>,
    pub(super) content_hasher: Option<Hasher>,
    pub(super) content_sha256: Option<String>,
    pub(super) sha256: Option<Hasher>,
    pub(super) trailer: Option<TrailingHeaders>,
    pub(super) verdict: Option<Verdict>,
    pub(super) recording: Recording,
}

/// What is below.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layers {
    /// A layer checks that exactly so many bytes come.
    pub(super) limit: Option<i64>,
    /// A layer computes the MD5.
    pub(super) etag: bool,
    /// Another [`HashReader`] further below checks everything.
    pub(super) other: bool,
}

/// How the reading ended.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Good,
    TooMany,
    TooFew(i64),
    Sha256(Sha256Mismatch),
    Md5(BadDigest),
    Content(ContentFailure),
}

/// The text of the original over the typed error.
#[derive(Debug, thiserror::Error)]
#[error("SHA256 mismatch")]
struct Sha256Failure(#[source] Sha256Mismatch);

impl Verdict {
    fn result(&self) -> io::Result<()> {
        let invalid = io::ErrorKind::InvalidData;
        Err(match self {
            Self::Good => return Ok(()),
            Self::TooMany => too_many(),
            Self::TooFew(remaining) => {
                io::Error::new(io::ErrorKind::UnexpectedEof, IncompleteBody { remaining: *remaining })
            }
            Self::Sha256(mismatch) => io::Error::new(invalid, Sha256Failure(mismatch.clone())),
            Self::Md5(mismatch) => io::Error::new(invalid, EtagMismatch(mismatch.clone())),
            Self::Content(failure) => failure.error(),
        })
    }
}

impl HashReader {
    /// The size that leaves the reader below as it is: no layers, and no look for a [`HashReader`] in it.
    pub const SIZE_PRESERVE_LAYER: i64 = -1;

    /// Counts what this reader and those below it compute, for a monitor, from now on.
    #[must_use]
    pub fn recorded(mut self, recorder: &Arc<Recorder>) -> Self {
        self.record_to(recorder);
        self
    }

    /// The reader below, with its layers.
    pub fn into_inner(self) -> DynReader {
        self.inner
    }

    /// Takes what was not known before: the sizes if they are not negative (the actual size: above 0), and the expected MD5.
    ///
    /// A size that is learnt this way is enforced like one that was known from the beginning.
    pub fn update_params(&mut self, size: i64, actual_size: i64, etag: Option<String>) {
        if self.size < 0 && size >= 0 {
            self.size = size;
        }
        if self.actual_size <= 0 && actual_size > 0 {
            self.actual_size = actual_size;
        }
        if etag.is_some() {
            self.checksum = etag;
        }
    }

    /// Bytes that must come.
    pub fn size(&self) -> i64 {
        self.size
    }

    /// Size of the original object.
    pub fn actual_size(&self) -> i64 {
        self.actual_size
    }

    pub(super) fn set_content_trailer(&mut self, trailer: Option<TrailingHeaders>) {
        self.trailer = trailer;
    }

    pub(super) fn set_content(&mut self, checksum: Checksum, hasher: Option<Hasher>) {
        self.content_hash = Some(checksum);
        self.content_hasher = hasher;
    }

    pub(super) fn content(&self) -> Option<&Checksum> {
        self.content_hash.as_ref()
    }

    pub(super) fn trailer(&self) -> Option<&TrailingHeaders> {
        self.trailer.as_ref()
    }

    /// The size, if this reader itself has to enforce it.
    fn own_limit(&self) -> Option<u64> {
        if self.layers.other || self.layers.limit == Some(self.size) {
            return None;
        }
        u64::try_from(self.size).ok()
    }

    fn take(&mut self, new: &[u8]) -> Result<(), Verdict> {
        self.bytes_read += new.len() as u64;
        if self.own_limit().is_some_and(|limit| self.bytes_read > limit) {
            return Err(Verdict::TooMany);
        }
        if self.content_hasher.is_some() || self.sha256.is_some() {
            self.recording.checksum_short(new.len(), || {
                for hasher in [&mut self.content_hasher, &mut self.sha256].into_iter().flatten() {
                    hasher.update(new);
                }
            });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Verdict> {
        if let Some(limit) = self.own_limit().filter(|limit| self.bytes_read < *limit) {
            let missing = i64::try_from(limit - self.bytes_read).unwrap_or(i64::MAX);
            return Err(Verdict::TooFew(missing));
        }
        if let (Some(expected), Some(hasher)) = (&self.content_sha256, &self.sha256) {
            let found = hasher.finish().to_hex();
            if !expected.eq_ignore_ascii_case(&found) {
                let mismatch = Sha256Mismatch { expected_sha256: expected.clone(), calculated_sha256: found };
                return Err(Verdict::Sha256(mismatch));
            }
        }
        if !self.diskable_md5
            && self.layers.etag
            && let (Some(expected), Some(found)) = (&self.checksum, self.inner.try_resolve_etag())
            && !expected.eq_ignore_ascii_case(&found)
        {
            return Err(Verdict::Md5(BadDigest { expected_md5: expected.clone(), calculated_md5: found }));
        }
        if let (Some(checksum), Some(hasher)) = (&mut self.content_hash, &self.content_hasher) {
            settle(checksum, &hasher.finish(), self.trailer.as_ref()).map_err(Verdict::Content)?;
        }
        // The one below has settled its checksum by now.
        if self.layers.other
            && self.content_hasher.is_none()
            && let Some(found) = self.inner.as_hash_reader_mut()
        {
            self.content_hash = found.content_hash().clone();
        }
        Ok(())
    }
}

/// A hasher for an expected SHA-256.
pub(super) fn sha256(expected: Option<&String>) -> Option<Hasher> {
    expected.map(|_| Hasher::new(Algorithm::Sha256))
}

impl AsyncRead for HashReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(verdict) = &this.verdict {
            return Poll::Ready(verdict.result());
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            let verdict = this.end().err().unwrap_or(Verdict::Good);
            if matches!(verdict, Verdict::Sha256(_) | Verdict::Md5(_) | Verdict::Content(_)) {
                this.recording.failed(Operation::Checksum, ErrorClass::Damaged);
            }
            return Poll::Ready(this.verdict.insert(verdict).result());
        }
        if let Err(verdict) = this.take(new) {
            buf.set_filled(before);
            return Poll::Ready(this.verdict.insert(verdict).result());
        }
        Poll::Ready(Ok(()))
    }
}

impl EtagResolvable for HashReader {
    /// The MD5 as soon as it is known; nothing if it is not computed.
    fn try_resolve_etag(&mut self) -> Option<String> {
        if self.diskable_md5 {
            return None;
        }
        self.inner.try_resolve_etag().or_else(|| self.checksum.clone())
    }
}

impl HashReaderDetector for HashReader {
    fn is_hash_reader(&self) -> bool {
        true
    }

    fn as_hash_reader_mut(&mut self) -> Option<&mut dyn HashReaderMut> {
        Some(self)
    }

    fn itself_hash_reader_mut(&mut self) -> Option<&mut HashReader> {
        Some(self)
    }

    /// Bytes that a layer below hashes too are counted there once more.
    fn record_to(&mut self, recorder: &Arc<Recorder>) {
        self.recording = Recording::new(recorder);
        self.inner.record_to(recorder);
    }
}

impl TryGetIndex for HashReader {
    fn try_get_index(&self) -> Option<&Index> {
        self.inner.try_get_index()
    }
}

impl HashReaderMut for HashReader {
    fn into_inner(self) -> DynReader {
        self.inner
    }

    fn take_inner(&mut self) -> DynReader {
        std::mem::replace(&mut self.inner, Box::new(Empty))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn checksum(&self) -> &Option<String> {
        &self.checksum
    }

    fn set_checksum(&mut self, checksum: Option<String>) {
        self.checksum = checksum;
    }

    fn size(&self) -> i64 {
        self.size
    }

    fn set_size(&mut self, size: i64) {
        self.size = size;
    }

    fn actual_size(&self) -> i64 {
        self.actual_size
    }

    fn set_actual_size(&mut self, actual_size: i64) {
        self.actual_size = actual_size;
    }

    fn content_hash(&self) -> &Option<Checksum> {
        &self.content_hash
    }

    fn content_sha256(&self) -> &Option<String> {
        &self.content_sha256
    }

    fn get_trailer(&self) -> Option<&TrailingHeaders> {
        self.trailer.as_ref()
    }

    fn set_trailer(&mut self, trailer: Option<TrailingHeaders>) {
        self.trailer = trailer;
    }
}
