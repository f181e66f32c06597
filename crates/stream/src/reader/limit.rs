//! Readers that count.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::pump::delegate;
use crate::error::IncompleteBody;

/// Ends after a number of bytes, whatever the source has. It is never an error.
#[derive(Debug)]
pub struct LimitReader<R> {
    /// The source.
    pub inner: R,
    remaining: usize,
}

impl<R> LimitReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// At most the first `limit` bytes of `inner`.
    pub fn new(inner: R, limit: usize) -> Self {
        Self { inner, remaining: limit }
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for LimitReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.remaining == 0 || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let limit = self.remaining;
        let read = ready!(read_limited(Pin::new(&mut self.inner), cx, buf, limit))?;
        self.remaining -= read;
        Poll::Ready(Ok(()))
    }
}

delegate!([R] LimitReader<R>: etag, hash, index);

/// Reads at most `limit` bytes straight into the caller's buffer. Returns how many.
fn read_limited<R: AsyncRead + ?Sized>(
    inner: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    if buf.remaining() <= limit {
        let before = buf.filled().len();
        ready!(inner.poll_read(cx, buf))?;
        return Poll::Ready(Ok(buf.filled().len() - before));
    }
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
    ready!(inner.poll_read(cx, &mut part))?;
    let read = part.filled().len();
    buf.advance(read);
    Poll::Ready(Ok(read))
}

/// Bytes that are asked for to see whether the source has more than it may.
const PROBE_BYTES: usize = 1;

/// Passes exactly a number of bytes and fails if the source has fewer or more.
///
/// More: [`io::ErrorKind::Other`], `input provided more bytes than specified`; none of the bytes above the limit is handed out. Fewer:
/// [`io::ErrorKind::UnexpectedEof`] with [`IncompleteBody`]. Both errors stay.
pub struct HardLimitReader<R> {
    /// The source.
    pub inner: R,
    remaining: i64,
    over: bool,
}

impl<R> HardLimitReader<R> {
    /// The bytes of `inner`, which must be `limit`. A negative limit fails at the first read.
    pub fn new(inner: R, limit: i64) -> Self {
        Self { inner, remaining: limit, over: limit < 0 }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for HardLimitReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(Err(too_many()));
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.remaining == 0 {
            // Where the source puts a byte that must not be there.
            let mut probe = [0; PROBE_BYTES];
            let mut probe = ReadBuf::new(&mut probe);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut probe))?;
            this.over = !probe.filled().is_empty();
            return Poll::Ready(if this.over { Err(too_many()) } else { Ok(()) });
        }
        let limit = usize::try_from(this.remaining).unwrap_or(usize::MAX);
        let read = ready!(read_limited(Pin::new(&mut this.inner), cx, buf, limit))?;
        if read == 0 {
            let missing = IncompleteBody { remaining: this.remaining };
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing)));
        }
        this.remaining -= i64::try_from(read).unwrap_or(i64::MAX);
        Poll::Ready(Ok(()))
    }
}

delegate!([R] HardLimitReader<R>: etag, hash, index);

pub(crate) fn too_many() -> io::Error {
    io::Error::other("input provided more bytes than specified")
}
