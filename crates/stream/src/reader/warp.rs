//! Any byte source as a reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::capability::{EtagResolvable, HashReaderDetector, TryGetIndex};

/// Makes a [`Reader`](super::Reader) of any byte source. It passes bytes through and hides what else the source could be asked.
pub struct WarpReader<R> {
    inner: R,
}

impl<R: AsyncRead + Unpin + Send + Sync> WarpReader<R> {
    /// A reader over `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner }
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for WarpReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> EtagResolvable for WarpReader<R> {}
impl<R: AsyncRead + Unpin + Send + Sync> HashReaderDetector for WarpReader<R> {}
impl<R: AsyncRead + Unpin + Send + Sync> TryGetIndex for WarpReader<R> {}

/// A reader without bytes.
pub(crate) struct Empty;

impl AsyncRead for Empty {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl EtagResolvable for Empty {}
impl HashReaderDetector for Empty {}
impl TryGetIndex for Empty {}
