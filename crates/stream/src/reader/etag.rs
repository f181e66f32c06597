//! MD5 of what is read.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use md5::{Digest as _, Md5};
use rustfs_rio_monitor::Recorder;
use tokio::io::{AsyncRead, ReadBuf};

use super::capability::EtagResolvable;
use super::pump::delegate;
use crate::checksum::hex;
use crate::error::BadDigest;
use crate::recording::Recording;

/// Computes the MD5 of what is read, and compares it at the end with an expected one.
///
/// A difference is [`io::ErrorKind::InvalidData`], `Checksum mismatch`, with [`BadDigest`] as its source. The bytes were handed
/// out by then; whoever reads must give them up. The error stays.
pub struct EtagReader<R> {
    /// The source.
    pub inner: R,
    /// The state of the digest.
    pub md5: Md5,
    /// Whether the source has ended.
    pub finished: bool,
    /// The expected digest in hexadecimal, in either case.
    pub checksum: Option<String>,
    digest: Option<String>,
    recording: Recording,
}

impl<R> EtagReader<R> {
    /// The bytes of `inner`, which must have the MD5 `checksum`, if one is given.
    pub fn new(inner: R, checksum: Option<String>) -> Self {
        Self {
            inner,
            md5: Md5::new(),
            finished: false,
            checksum,
            digest: None,
            recording: Recording::default(),
        }
    }

    /// The MD5 of what was read so far, in lower-case hexadecimal.
    pub fn get_etag(&mut self) -> String {
        self.digest.clone().unwrap_or_else(|| hex(&self.md5.clone().finalize()))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for EtagReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        if !this.finished {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let new = buf.filled().get(before..).unwrap_or_default();
            if !new.is_empty() {
                this.recording.checksum_short(new.len(), || this.md5.update(new));
                return Poll::Ready(Ok(()));
            }
            this.finished = true;
            this.digest = Some(hex(&this.md5.clone().finalize()));
        }
        Poll::Ready(match (this.checksum.as_ref(), this.digest.as_ref()) {
            (Some(expected), Some(found)) if !expected.eq_ignore_ascii_case(found) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                EtagMismatch(BadDigest { expected_md5: expected.clone(), calculated_md5: found.clone() }),
            )),
            _ => Ok(()),
        })
    }
}

impl<R> EtagResolvable for EtagReader<R> {
    fn is_etag_reader(&self) -> bool {
        true
    }

    /// The expected digest if there is one, else the digest when the source has ended.
    fn try_resolve_etag(&mut self) -> Option<String> {
        self.checksum.clone().or_else(|| self.digest.clone())
    }
}

impl<R> EtagReader<R> {
    fn record_own(&mut self, recorder: &Arc<Recorder>) {
        self.recording = Recording::new(recorder);
    }
}

delegate!([R] EtagReader<R>: recorded, index);

/// The text of the original over the typed error.
#[derive(Debug, thiserror::Error)]
#[error("Checksum mismatch")]
pub(crate) struct EtagMismatch(#[source] pub(crate) BadDigest);

impl<R: fmt::Debug> fmt::Debug for EtagReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, md5: _, finished, checksum, digest, recording: _ } = self;
        let mut f = f.debug_struct("EtagReader");
        f.field("inner", inner).field("finished", finished).field("checksum", checksum);
        f.field("digest", digest).finish_non_exhaustive()
    }
}
