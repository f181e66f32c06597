//! Transfers with borrowed slices, for callers that cannot give a buffer away.
//!
//! The kernel may not keep a borrowed slice beyond the call, so only the path on the calling task uses it directly. What
//! would have to wait goes through a buffer of the engine's, at the price of a copy, in pieces of bounded size.

use crate::engine::fail;
use crate::file::File;
use crate::inline::{self, Attempt, Readiness};
use crate::op::OpKind;
use crate::sync::Ordering;
use rustfs_rio_buf::{AlignedBuf, Slice};
use rustfs_rio_monitor::Timer;
use std::io;

/// Size of the pieces.
const PIECE_BYTES: usize = 1 << 20;

impl File {
    /// Reads what is resident at `offset` into `buf` right now, at most 256 KiB. `None` means that it would have to wait,
    /// `Some(Ok(0))` end of file or an empty buffer.
    pub fn try_read_at(&self, buf: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        if let Err(error) = self.check(OpKind::Read, offset, buf.len() as u64) {
            return Some(Err(error));
        }
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if !self.asks_first(&self.core.read_readiness) {
            return None;
        }
        let len = buf.len().min(inline::CHUNK_BYTES);
        let iov = [libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: len }];
        let readiness = Readiness::from_u8(self.core.read_readiness.load(Ordering::Relaxed));
        let timer = self.engine.core.recording.start_short();
        // SAFETY: `buf` is borrowed exclusively and at least `len` long.
        let attempt = unsafe { inline::read(self.fd(), &iov, offset, readiness) };
        match attempt {
            Attempt::WouldWait => {
                self.core.misses.fetch_add(1, Ordering::Relaxed);
            }
            Attempt::Moved(_) => self.core.misses.store(0, Ordering::Relaxed),
            _ => {}
        }
        self.report(OpKind::Read, (attempt, timer), offset, len)
    }

    /// Writes from `buf` at `offset` right now, at most 256 KiB, if the file system can do so without waiting; `None` if
    /// not.
    pub fn try_write_at(&self, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
        if let Err(error) = self.check(OpKind::Write, offset, buf.len() as u64) {
            return Some(Err(error));
        }
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if !self.asks_first(&self.core.write_readiness) {
            return None;
        }
        let len = buf.len().min(inline::CHUNK_BYTES);
        let iov = [libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: len }];
        let readiness = Readiness::from_u8(self.core.write_readiness.load(Ordering::Relaxed));
        let _change = self.changes(offset, len);
        let timer = self.engine.core.recording.start_short();
        // SAFETY: `buf` is borrowed and at least `len` long; the kernel only reads it.
        let attempt = unsafe { inline::write(self.fd(), &iov, offset, readiness) };
        self.report(OpKind::Write, (attempt, timer), offset, len)
    }

    fn report(
        &self,
        kind: OpKind,
        (attempt, timer): (Attempt, Option<Timer>),
        offset: u64,
        len: usize,
    ) -> Option<io::Result<usize>> {
        match attempt {
            Attempt::Moved(count) => {
                inline::charge(count);
                self.ended_inline(timer, kind, count, None);
                Some(Ok(count))
            }
            Attempt::WouldWait => None,
            Attempt::Unsupported => {
                let readiness =
                    if kind == OpKind::Read { &self.core.read_readiness } else { &self.core.write_readiness };
                readiness.store(Readiness::Never as u8, Ordering::Relaxed);
                None
            }
            Attempt::Failed(errno) => {
                self.ended_inline(timer, kind, 0, Some(errno));
                let error = io::Error::from_raw_os_error(errno);
                Some(Err(fail(error, kind, &self.core.path, Some((offset, len)), 0)))
            }
        }
    }

    /// Fills `buf` from `offset` on and returns the bytes read, which are fewer only at end of file.
    ///
    /// # Errors
    ///
    /// As [`read_at`](File::read_at).
    pub async fn read_slice_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            inline::budget().await;
            let position = offset.saturating_add(done as u64);
            match self.try_read_at(&mut buf[done..], position) {
                Some(Ok(0)) => return Ok(done),
                Some(Ok(count)) => done += count,
                Some(Err(error)) => return Err(error),
                None => {
                    let want = (buf.len() - done).min(PIECE_BYTES);
                    let piece = Slice::of_capacity(AlignedBuf::with_capacity(want)?, 0, want);
                    let (result, piece) = self.read_at(piece, position).await;
                    let count = result?;
                    buf[done..done + count].copy_from_slice(&piece.into_inner()[..count]);
                    done += count;
                    if count < want {
                        return Ok(done);
                    }
                }
            }
        }
        Ok(done)
    }

    /// Writes all of `buf` at `offset`, or fails with an error that says how much was written.
    ///
    /// # Errors
    ///
    /// As [`write_at`](File::write_at).
    pub async fn write_slice_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            inline::budget().await;
            let position = offset.saturating_add(done as u64);
            let count = match self.try_write_at(&buf[done..], position) {
                Some(Ok(count)) if count > 0 => count,
                Some(Err(error)) => return Err(self.after(error, done)),
                _ => {
                    let piece = AlignedBuf::copy_from(&buf[done..buf.len().min(done + PIECE_BYTES)])?;
                    self.write_at(piece, position).await.0.map_err(|error| self.after(error, done))?
                }
            };
            done += count;
        }
        Ok(done)
    }

    /// Adds the bytes of earlier pieces to an error's count.
    pub(crate) fn after(&self, error: io::Error, done: usize) -> io::Error {
        let kind = error.kind();
        match error.downcast::<crate::error::FileError>() {
            Ok(context) => {
                let transferred = context.transferred + done;
                context.transferred(transferred).into()
            }
            Err(error) => io::Error::new(kind, error),
        }
    }
}
