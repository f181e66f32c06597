//! The cursor of a file: what `AsyncRead`, `AsyncWrite` and `AsyncSeek` need beyond positional operations.
//!
//! At most one operation of the cursor is in flight. A write is accepted into a buffer and carried out from there, so that a
//! `write` future may be dropped without doubt about what was accepted; its error is kept and returned by the next call
//! that touches the cursor, including every sync, so that it cannot be lost.

use rustfs_rio_buf::{AlignedBuf, Slice};
use rustfs_rio_engine::File;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum State {
    Idle,
    /// Reading `AlignedBuf`'s worth of bytes from the position on.
    Reading(Running<io::Result<AlignedBuf>>),
    /// Bytes read ahead of the caller's buffer; `usize` of them were delivered.
    Ready(AlignedBuf, usize),
    Writing(Running<io::Result<usize>>),
    /// Finding the end of the file for a seek by this distance.
    Seeking(Running<io::Result<u64>>, i64),
}

pub(crate) struct Cursor {
    position: u64,
    state: State,
    failed_write: Option<io::Error>,
    buffer_size: usize,
}

impl Cursor {
    pub(crate) fn new(buffer_size: usize) -> Self {
        Self { position: 0, state: State::Idle, failed_write: None, buffer_size }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Moves on after a positional operation at the cursor.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.state = State::Idle;
        self.position += bytes as u64;
    }

    /// Completes a write in flight and reports its error, or one kept from before. A read in flight stays.
    pub(crate) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Writing(running) = &mut self.state {
            let result = ready!(running.as_mut().poll(cx));
            self.state = State::Idle;
            if let Err(error) = result {
                self.failed_write = Some(error);
            }
        }
        Poll::Ready(self.failed_write.take().map_or(Ok(()), Err))
    }

    pub(crate) fn poll_read(
        &mut self,
        file: &File,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_settle(cx))?;
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match &mut self.state {
                State::Ready(bytes, delivered) => {
                    let count = out.remaining().min(bytes.len() - *delivered);
                    out.put_slice(&bytes[*delivered..*delivered + count]);
                    *delivered += count;
                    self.position += count as u64;
                    if *delivered == bytes.len() {
                        self.state = State::Idle;
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Reading(running) => {
                    let result = ready!(running.as_mut().poll(cx));
                    self.state = State::Idle;
                    self.state = State::Ready(result?, 0);
                }
                State::Idle | State::Writing(_) | State::Seeking(..) => {
                    if let Some(result) = self.read_now(file, out) {
                        return Poll::Ready(result);
                    }
                    self.state = State::Reading(self.start_read(file, out.remaining()));
                }
            }
        }
    }

    /// Copies what is resident straight into the caller's buffer.
    fn read_now(&mut self, file: &File, out: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let count = match file.try_read_at(out.initialize_unfilled(), self.position)? {
            Ok(count) => count,
            Err(error) => return Some(Err(error)),
        };
        out.advance(count);
        self.position += count as u64;
        Some(Ok(()))
    }

    fn start_read(&self, file: &File, wanted: usize) -> Running<io::Result<AlignedBuf>> {
        let (file, position) = (file.clone(), self.position);
        let want = wanted.min(self.buffer_size);
        Box::pin(async move {
            let buffer = Slice::of_capacity(AlignedBuf::with_capacity(want)?, 0, want);
            let (result, buffer) = file.read_at(buffer, position).await;
            result.map(|_| buffer.into_inner())
        })
    }

    pub(crate) fn poll_write(
        &mut self,
        file: &File,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settle(cx))?;
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Bytes read ahead are of no use to a writer, and the position must not jump back over them later.
        self.state = State::Idle;
        if let Some(result) = file.try_write_at(data, self.position) {
            let count = result?;
            if count > 0 {
                self.position += count as u64;
                return Poll::Ready(Ok(count));
            }
        }
        let piece = AlignedBuf::copy_from(&data[..data.len().min(self.buffer_size)])?;
        let count = piece.len();
        let (file, position) = (file.clone(), self.position);
        self.state = State::Writing(Box::pin(async move { file.write_at(piece, position).await.0 }));
        self.position += count as u64;
        // Start it now, and learn at once of an error that needs no waiting.
        if let Poll::Ready(Err(error)) = self.poll_settle(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(count))
    }

    pub(crate) fn start_seek(&mut self, file: &File, target: SeekFrom) -> io::Result<()> {
        let is_busy = matches!(self.state, State::Seeking(..));
        if is_busy {
            return Err(io::Error::other("another seek is in progress; wait for poll_complete"));
        }
        match target {
            SeekFrom::Start(position) => self.jump(i128::from(position)),
            SeekFrom::Current(distance) => self.jump(i128::from(self.position) + i128::from(distance)),
            SeekFrom::End(distance) => {
                let file = file.clone();
                let pending = std::mem::replace(&mut self.state, State::Idle);
                let settle = Box::pin(async move {
                    // A write in flight may move the end.
                    if let State::Writing(running) = pending {
                        running.await?;
                    }
                    Ok(file.stat().await?.size)
                });
                self.state = State::Seeking(settle, distance);
                Ok(())
            }
        }
    }

    fn jump(&mut self, target: i128) -> io::Result<()> {
        let invalid =
            || io::Error::new(io::ErrorKind::InvalidInput, "seek to a negative or too large position");
        let target = u64::try_from(target).map_err(|_| invalid())?;
        if target > i64::MAX as u64 {
            return Err(invalid());
        }
        if !matches!(self.state, State::Writing(_)) {
            self.state = State::Idle;
        }
        self.position = target;
        Ok(())
    }

    pub(crate) fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let State::Seeking(running, distance) = &mut self.state {
            let end = ready!(running.as_mut().poll(cx));
            let distance = i128::from(*distance);
            self.state = State::Idle;
            self.jump(i128::from(end?) + distance)?;
        }
        ready!(self.poll_settle(cx))?;
        Poll::Ready(Ok(self.position))
    }
}
