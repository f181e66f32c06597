//! Files: positional operations for concurrent use, and a cursor for the tokio traits.

use crate::access_ring::AccessTag;
use crate::cache::{CachedFile, FileCache};
use crate::cursor::Cursor;
use crate::error::RuntimeError;
use crate::runtime::{RuntimeHandle, bounded};
use crate::{AlignedBuf, OptimizedBuffer, Slice};
use bytes::Bytes;
use parking_lot::Mutex;
use rustfs_rio_buf::{IoBuf, IoBufMut};
use rustfs_rio_engine::{Advice, File, FileError, OpKind, OpenOptions, Stat};
use std::io::{self, IoSlice, IoSliceMut, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// Reads up to this size take the caller's word for the length; longer ones look at the file size first, so that a wrong
/// length cannot demand memory without bound.
const TRUSTED_LEN: u64 = 1 << 20;

/// Reads up to this size may hold memory while they wait for the engine: a thousand of them are 64 MiB.
const UNTURNED_LEN: usize = 64 << 10;

/// Reads beyond this are left to the engine: in whole blocks they could exceed the largest offset.
const CACHED_END_MAX: u64 = i64::MAX as u64 - (1 << 20);

/// A file opened through the engine.
///
/// The positional operations take `&self` and may run concurrently. The cursor of `AsyncRead`, `AsyncWrite` and `AsyncSeek`
/// is separate: a write through it is accepted into a buffer, `flush` waits for it, and its error is returned by the next
/// operation of the cursor or by a sync. Positional reads see such data only after a flush.
pub struct DiskFile {
    file: File,
    cache: FileCache,
    cursor: Mutex<Cursor>,
    runtime: RuntimeHandle,
    tag: AccessTag,
}

impl DiskFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::IoError`] with kind, path and operation; [`RuntimeError::OperationTimeout`] after
    /// [`io_timeout`](crate::RuntimeConfig::io_timeout).
    pub async fn open<P: AsRef<Path>>(path: P, runtime_handle: RuntimeHandle) -> Result<Self, RuntimeError> {
        Self::open_with(path, &OpenOptions::new().read(true), &runtime_handle).await
    }

    /// Creates a file for writing, or empties an existing one.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn create<P: AsRef<Path>>(
        path: P,
        runtime_handle: RuntimeHandle,
    ) -> Result<Self, RuntimeError> {
        Self::create_with_runtime(path, &runtime_handle).await
    }

    /// [`create`](Self::create) with a borrowed handle.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn create_with_runtime<P: AsRef<Path>>(
        path: P,
        runtime_handle: &RuntimeHandle,
    ) -> Result<Self, RuntimeError> {
        let options = OpenOptions::new().write(true).create(true).truncate(true);
        Self::open_with(path, &options, runtime_handle).await
    }

    /// Opens a file with full control over access and direct I/O.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with<P: AsRef<Path>>(
        path: P,
        options: &OpenOptions,
        runtime_handle: &RuntimeHandle,
    ) -> Result<Self, RuntimeError> {
        if options.creates() {
            runtime_handle.check_room(path.as_ref()).await?;
        }
        let opening = runtime_handle.engine().open(path.as_ref(), options);
        let timeout = runtime_handle.config().io_timeout;
        let file = bounded(timeout, opening).await?.ok_or(RuntimeError::OperationTimeout)??;
        let cursor = Mutex::new(Cursor::new(runtime_handle.live().buffer_size() as usize));
        let tag = AccessTag::new(runtime_handle, file.path());
        let cache = runtime_handle.cache_for(&file, options.empties());
        Ok(Self { file, cache, cursor, runtime: runtime_handle.clone(), tag })
    }

    /// The path the file was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The engine's file behind this one.
    #[must_use]
    pub fn engine_file(&self) -> &File {
        &self.file
    }

    /// The runtime the file was opened with.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// Alignment of direct transfers in bytes, or `None` for a buffered file.
    #[must_use]
    pub fn direct_alignment(&self) -> Option<usize> {
        self.file.direct_alignment()
    }

    /// Reads `len` bytes from `offset` on into an aligned buffer of the runtime's pool. The buffer is shorter only at end of file.
    ///
    /// # Errors
    ///
    /// `io::Error` around a [`FileError`] with path, operation and range: what the kernel reports, or what
    /// [`RuntimeHandle::get_optimized_buffer`] says if there is no buffer of that size.
    pub async fn read_range(&self, offset: u64, len: u64) -> io::Result<OptimizedBuffer> {
        let mut len = len;
        if len > TRUSTED_LEN {
            let stat = self.file.stat().await?;
            if stat.size > 0 {
                len = len.min(stat.size.saturating_sub(offset));
            } else {
                // Empty, or a device or made up by the kernel, which have no size: what is there shows by reading.
                let start = self.read_pooled(offset, TRUSTED_LEN).await?;
                if (start.len() as u64) < TRUSTED_LEN {
                    return Ok(start);
                }
            }
        }
        self.read_pooled(offset, len).await
    }

    async fn read_pooled(&self, offset: u64, len: u64) -> io::Result<OptimizedBuffer> {
        let context = |source: io::Error| match FileError::of(&source) {
            Some(_) => source,
            None => io::Error::from(FileError {
                operation: OpKind::Read,
                path: self.file.path().to_owned(),
                offset: Some(offset),
                len: Some(len),
                transferred: 0,
                source,
            }),
        };
        let too_long = || io::Error::from(io::ErrorKind::OutOfMemory);
        let len = usize::try_from(len).map_err(|_| context(too_long()))?;
        self.note(offset, len, false);
        if let Some(cached) = self.cached(offset, len) {
            let _turn =
                if len > UNTURNED_LEN { Some(self.runtime.turn().await.map_err(context)?) } else { None };
            let buffer = self.runtime.get_optimized_buffer(len).await.map_err(context)?;
            return cached.read_pooled(buffer, offset, len).await;
        }
        // An unaligned range of a direct file is read with its surroundings straight into the result, without a copy.
        let align = self.file.direct_alignment().unwrap_or(1);
        let skip = (offset % align as u64) as usize;
        let whole = skip.checked_add(len).and_then(|whole| whole.checked_next_multiple_of(align));
        let whole = whole.ok_or_else(|| context(too_long()))?;
        // Large reads take memory when there is room for them in the kernel, not before.
        let _turn =
            if whole > UNTURNED_LEN { Some(self.runtime.turn().await.map_err(context)?) } else { None };
        let buffer = self.runtime.get_optimized_buffer(whole).await.map_err(context)?;
        let buffer = Slice::of_capacity(buffer, 0, whole);
        let (result, buffer) = self.file.read_at(buffer, offset - skip as u64).await;
        result?;
        let mut buffer = buffer.into_inner();
        buffer.discard_front(skip);
        buffer.truncate(len);
        Ok(buffer)
    }

    /// The cache, if this read can go through it; all others are the engine's, with its refusals.
    #[inline]
    fn cached(&self, offset: u64, len: usize) -> Option<&CachedFile> {
        let FileCache::On(cached) = &self.cache else { return None };
        let end = offset.checked_add(len as u64)?;
        (len > 0 && end <= CACHED_END_MAX && !self.runtime.engine().is_shut_down()).then_some(cached)
    }

    /// Reads as [`read_range`](Self::read_range), for who only looks at the bytes: what lies in one block of the runtime's cache is
    /// not copied. The memory is that of the cache until the last clone is dropped.
    ///
    /// # Errors
    ///
    /// As [`read_range`](Self::read_range).
    pub async fn read_shared(&self, offset: u64, len: u64) -> io::Result<Bytes> {
        let want = usize::try_from(len).unwrap_or(usize::MAX);
        if let Some(bytes) = self.cached(offset, want).and_then(|cached| cached.shared(offset, want)) {
            return Ok(bytes);
        }
        Ok(Bytes::from_owner(self.read_range(offset, len).await?))
    }

    /// Reads from `offset` on into `buf`, up to its capacity, and hands the buffer back whatever happens. The count is below
    /// the capacity only at end of file.
    pub async fn read_into<B: IoBufMut>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        self.note(offset, buf.bytes_total(), false);
        match self.cached(offset, buf.bytes_total()) {
            Some(cached) => cached.read_into(buf, offset).await,
            None => self.file.read_at(buf, offset).await,
        }
    }

    /// Writes the initialised bytes of `buf` at `offset`: the whole buffer, or an error that says how much
    /// ([`FileError::transferred`](crate::FileError)). The buffer is handed back whatever happens.
    pub async fn write_from<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        self.note(offset, buf.bytes_init(), true);
        self.file.write_at(buf, offset).await
    }

    /// Writes as [`write_from`](Self::write_from) and makes the data durable (`fdatasync(2)`), in one operation. An error after
    /// all bytes were written is that of the sync, and poisons the file: later writes and syncs are refused.
    pub async fn write_durable<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        self.note(offset, buf.bytes_init(), true);
        self.file.write_durable_at(buf, offset).await
    }

    /// Writes `data` at the cursor and moves it; the data has reached the page cache or device when this returns. Returns
    /// `data.len()`.
    ///
    /// # Errors
    ///
    /// `io::Error` around a [`FileError`] that says how much was written.
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<usize> {
        self.settle().await?;
        let position = self.cursor.lock().position();
        self.note(position, data.len(), true);
        let written = self.file.write_slice_at(data, position).await?;
        self.cursor.lock().advance(written);
        Ok(written)
    }

    /// Reads into `buf` from `offset` on; short only at end of file. Data that has to be waited for is copied once more than
    /// with [`read_into`](Self::read_into).
    ///
    /// # Errors
    ///
    /// As [`read_range`](Self::read_range).
    pub async fn read_object(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.note(offset, buf.len(), false);
        match self.cached(offset, buf.len()) {
            Some(cached) => cached.read_slice(buf, offset).await,
            None => self.file.read_slice_at(buf, offset).await,
        }
    }

    /// Writes all of `data` at `offset` and returns its length. Data that has to wait is copied once more than with
    /// [`write_from`](Self::write_from).
    ///
    /// # Errors
    ///
    /// As [`write_all`](Self::write_all).
    pub async fn write_object(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.note(offset, data.len(), true);
        self.file.write_slice_at(data, offset).await
    }

    /// [`write_object`](Self::write_object) with the runtime's error type. The engine bounds every write alike.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::IoError`].
    pub async fn bounded_write(&self, data: &[u8], offset: u64) -> Result<usize, RuntimeError> {
        Ok(self.write_object(data, offset).await?)
    }

    /// Fills several buffers in order from `offset` on with one operation.
    pub async fn read_vectored_into<B: IoBufMut>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        self.note(offset, bufs.iter().map(IoBufMut::bytes_total).sum(), false);
        self.file.read_vectored_at(bufs, offset).await
    }

    /// Writes several buffers in order from `offset` on with one operation.
    pub async fn write_vectored_from<B: IoBuf>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        self.note(offset, bufs.iter().map(IoBuf::bytes_init).sum(), true);
        self.file.write_vectored_at(bufs, offset).await
    }

    /// Waits for a write of the cursor, then makes data and metadata durable.
    ///
    /// # Errors
    ///
    /// The error of that write or of the sync. After a failed sync the file refuses writes and syncs.
    pub async fn flush_and_sync(&self) -> io::Result<()> {
        self.settle().await?;
        self.file.sync_all().await
    }

    /// Attributes of the file.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn stat(&self) -> io::Result<Stat> {
        self.file.stat().await
    }

    /// Reserves space: `fallocate(2)`, mode 0.
    ///
    /// # Errors
    ///
    /// The kernel's error; `Unsupported` where the file system cannot.
    pub async fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(0, offset, len).await
    }

    /// Tells the kernel how a range will be used; `len` 0 means to the end.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn advise(&self, offset: u64, len: u64, advice: Advice) -> io::Result<()> {
        self.file.advise(offset, len, advice).await
    }

    /// Waits for a write of the cursor and closes the file, away from the calling task.
    ///
    /// # Errors
    ///
    /// The error of that write or of `close(2)`.
    pub async fn close(self) -> io::Result<()> {
        self.settle().await?;
        // It holds the file open too.
        drop(self.cache);
        drop(self.cursor);
        self.file.close().await
    }

    /// For the picture of offset over time.
    fn note(&self, offset: u64, len: usize, write: bool) {
        self.tag.note(&self.runtime, offset, len, write);
    }

    async fn settle(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.cursor.lock().poll_settle(cx)).await
    }
}

impl std::fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskFile").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Positional operations on borrowed slices, with the names and shapes of the existing API. Unlike there, `&self` suffices
/// and nothing moves a cursor.
pub trait AsyncFile: AsyncRead + AsyncWrite + AsyncSeek + Send + Sync + Unpin {
    /// Reads into `buf` from `offset` on; short only at end of file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;
    /// Writes all of `buf` at `offset`.
    fn write_at(&self, buf: &[u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;
    /// Fills the slices in order; short only at end of file.
    fn read_vectored_at(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        offset: u64,
    ) -> impl Future<Output = io::Result<usize>> + Send;
    /// Writes the slices in order.
    fn write_vectored_at(
        &self,
        bufs: &[IoSlice<'_>],
        offset: u64,
    ) -> impl Future<Output = io::Result<usize>> + Send;
    /// Waits for a write of the cursor, then `fsync(2)`.
    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits for a write of the cursor, then `fdatasync(2)`.
    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + Send;
    /// The standard library's view of the file's attributes.
    fn metadata(&self) -> impl Future<Output = io::Result<std::fs::Metadata>> + Send;
    /// Waits for a write of the cursor, then sets the size.
    fn set_len(&self, size: u64) -> impl Future<Output = io::Result<()>> + Send;
}

impl AsyncFile for DiskFile {
    async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_object(buf, offset).await
    }

    async fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.write_object(buf, offset).await
    }

    async fn read_vectored_at(&self, bufs: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        for buf in bufs {
            let count = self.read_object(buf, offset.saturating_add(done as u64)).await?;
            done += count;
            if count < buf.len() {
                break;
            }
        }
        Ok(done)
    }

    async fn write_vectored_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let parts = bufs.iter().map(|buf| AlignedBuf::copy_from(buf));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.write_vectored_from(parts, offset).await.0
    }

    async fn sync_all(&self) -> io::Result<()> {
        self.flush_and_sync().await
    }

    async fn sync_data(&self) -> io::Result<()> {
        self.settle().await?;
        self.file.sync_data().await
    }

    async fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.settle().await?;
        let file = self.file.try_clone_to_std()?;
        tokio::task::spawn_blocking(move || file.metadata()).await.map_err(io::Error::other)?
    }

    async fn set_len(&self, size: u64) -> io::Result<()> {
        self.settle().await?;
        self.file.set_len(size).await
    }
}

impl AsyncRead for DiskFile {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (position, filled) = (this.cursor.get_mut().position(), buf.filled().len());
        let polled = this.cursor.get_mut().poll_read(&this.file, cx, buf);
        if polled.is_ready() && buf.filled().len() > filled {
            this.note(position, buf.filled().len() - filled, false);
        }
        polled
    }
}

impl AsyncWrite for DiskFile {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let position = this.cursor.get_mut().position();
        let polled = this.cursor.get_mut().poll_write(&this.file, cx, buf);
        if let Poll::Ready(Ok(accepted)) = &polled {
            this.note(position, *accepted, true);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().cursor.get_mut().poll_settle(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for DiskFile {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let this = self.get_mut();
        this.cursor.get_mut().start_seek(&this.file, position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().cursor.get_mut().poll_seek(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_can_be_spawned() {
        fn is_send<T: Send>(_: &T) {}
        fn check(file: &DiskFile) {
            is_send(&file.read_range(0, 1));
            is_send(&file.read_into(Vec::new(), 0));
            is_send(&file.write_from(Vec::new(), 0));
            is_send(&file.flush_and_sync());
        }
        let _ = check;
    }
}
