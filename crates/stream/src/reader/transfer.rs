//! Reading and writing whole buffers, with the rules of the original's utilities.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes all of `buf`. Returns the bytes written: fewer only if the writer takes no more.
///
/// # Errors
///
/// The writer's.
pub async fn write_all<W: AsyncWrite + Send + Sync + Unpin>(writer: &mut W, buf: &[u8]) -> io::Result<usize> {
    let mut rest = buf;
    while !rest.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *writer).poll_write(cx, rest)).await?;
        if written == 0 {
            break;
        }
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(buf.len() - rest.len())
}

/// Reads until `buf` is full or the source ends. Returns the bytes read, at least one unless `buf` is empty.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if the source has no bytes at all, or fails after some (the failure is the error's source);
/// the source's error if it fails at once, or if it is [`io::ErrorKind::InvalidData`].
pub async fn read_full<R: AsyncRead + Send + Sync + Unpin>(reader: R, buf: &mut [u8]) -> io::Result<usize> {
    let wanted = buf.len();
    match read_full_or_eof(reader, buf).await? {
        None if wanted > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "early EOF")),
        read => Ok(read.unwrap_or_default()),
    }
}

/// As [`read_full`]; `None` if the source has no bytes at all.
///
/// # Errors
///
/// As [`read_full`], but for the empty source.
pub async fn read_full_or_eof<R: AsyncRead + Send + Sync + Unpin>(
    mut reader: R,
    buf: &mut [u8],
) -> io::Result<Option<usize>> {
    let wanted = buf.len();
    let mut target = ReadBuf::new(buf);
    while target.remaining() > 0 {
        let before = target.filled().len();
        match poll_fn(|cx| Pin::new(&mut reader).poll_read(cx, &mut target)).await {
            Ok(()) if target.filled().len() == before => break,
            Ok(()) => {}
            Err(error) if before == 0 || error.kind() == io::ErrorKind::InvalidData => return Err(error),
            Err(error) => {
                let error = Interrupted { read: before, error };
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
            }
        }
    }
    let read = target.filled().len();
    Ok(if read == 0 && wanted > 0 { None } else { Some(read) })
}

#[derive(Debug, thiserror::Error)]
#[error("read {read} bytes, error: {error}")]
struct Interrupted {
    read: usize,
    #[source]
    error: io::Error,
}
