//! A writer of one of several types.

use std::io::{self, Cursor, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

#[cfg(feature = "http")]
use crate::transport::HttpWriter;

/// A writer into memory, over HTTP, or any other one.
pub enum Writer {
    /// Into memory.
    Cursor(Cursor<Vec<u8>>),
    /// Over HTTP.
    #[cfg(feature = "http")]
    Http(Box<HttpWriter>),
    /// Any other one.
    Other(Box<dyn AsyncWrite + Unpin + Send + Sync>),
}

impl Writer {
    /// A writer over any other one.
    pub fn from_tokio_writer<W>(w: W) -> Self
    where
        W: AsyncWrite + Unpin + Send + Sync + 'static,
    {
        Self::Other(Box::new(w))
    }

    /// A writer into memory.
    pub fn from_cursor(w: Cursor<Vec<u8>>) -> Self {
        Self::Cursor(w)
    }

    /// A writer over HTTP.
    #[cfg(feature = "http")]
    pub fn from_http(w: HttpWriter) -> Self {
        Self::Http(Box::new(w))
    }

    /// What was written into memory.
    pub fn into_cursor_inner(self) -> Option<Vec<u8>> {
        self.into_cursor().map(Cursor::into_inner)
    }

    /// The writer into memory.
    pub fn as_cursor(&mut self) -> Option<&mut Cursor<Vec<u8>>> {
        if let Self::Cursor(cursor) = self { Some(cursor) } else { None }
    }

    /// The writer into memory.
    pub fn into_cursor(self) -> Option<Cursor<Vec<u8>>> {
        if let Self::Cursor(cursor) = self { Some(cursor) } else { None }
    }

    /// The writer over HTTP.
    #[cfg(feature = "http")]
    pub fn as_http(&mut self) -> Option<&mut HttpWriter> {
        if let Self::Http(writer) = self { Some(writer) } else { None }
    }

    /// The writer over HTTP.
    #[cfg(feature = "http")]
    pub fn into_http(self) -> Option<HttpWriter> {
        if let Self::Http(writer) = self { Some(*writer) } else { None }
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin + Send + Sync)> {
        match self {
            Self::Cursor(cursor) => Pin::new(cursor),
            #[cfg(feature = "http")]
            Self::Http(writer) => Pin::new(writer.as_mut()),
            Self::Other(writer) => Pin::new(writer.as_mut()),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Cursor(cursor) => cursor.is_write_vectored(),
            #[cfg(feature = "http")]
            Self::Http(writer) => writer.is_write_vectored(),
            Self::Other(writer) => writer.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
