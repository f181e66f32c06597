//! Making a pack on many threads.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Workers;
use super::line::Line;
use super::workers::Shared;
use crate::checksum::Algorithm;
use crate::pack::{Assembler, PackError, PackOptions, Summary, begin};

/// What the driver of a [`Packing`] does next.
#[derive(Debug)]
pub enum PackingStep {
    /// Fill this with the next bytes of the content, up to [`block_bytes`](Packing::block_bytes), and give it to
    /// [`submit`](Packing::submit). Fewer bytes, or none, end the content.
    Fill(Vec<u8>),
    /// Write this behind what was written before, and give it to [`recycle`](Packing::recycle).
    Write(Vec<u8>),
    /// All is written.
    Done(Summary),
}

/// Makes a pack of a content of any length on the threads of [`Workers`]. Whoever has a source and a sink drives it, step by step, from a
/// thread ([`step`](Self::step)) or a task ([`poll_step`](Self::poll_step)).
///
/// Dropping it stops its work: a thread finishes the block that it has, and nothing else of the object runs.
///
/// ```
/// use rustfs_rio_stream::pack::PackOptions;
/// use rustfs_rio_stream::pipeline::{Packing, PackingStep, Workers};
///
/// # fn main() -> std::io::Result<()> {
/// let (workers, mut content, mut pack) = (Workers::new(2)?, &[7; 3_000_000][..], Vec::new());
/// let mut packing = Packing::new(&workers, &PackOptions::new())?;
/// loop {
///     match packing.step()? {
///         PackingStep::Fill(mut block) => {
///             let (now, rest) = content.split_at(content.len().min(packing.block_bytes()));
///             block.extend_from_slice(now);
///             content = rest;
///             packing.submit(block)?;
///         }
///         PackingStep::Write(bytes) => {
///             pack.extend_from_slice(&bytes);
///             packing.recycle(bytes);
///         }
///         PackingStep::Done(summary) => break assert_eq!(summary.content_bytes, 3_000_000),
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Packing {
    workers: Arc<Shared>,
    line: Arc<Line>,
    block_bytes: usize,
    frame_bytes_max: usize,
    checksums: Vec<Algorithm>,
    /// What is written first or last.
    edge: Option<Vec<u8>>,
    assembler: Option<Assembler>,
    summary: Option<Summary>,
    /// The wrapping of the block that the driver has.
    filling: Option<Arc<Vec<u8>>>,
    ended: bool,
}

impl Packing {
    /// Begins a pack.
    ///
    /// # Errors
    ///
    /// Those of [`begin`].
    pub fn new(workers: &Workers, options: &PackOptions) -> Result<Self, PackError> {
        let (header, sealer, assembler) = begin(options)?;
        let (block_bytes, frame_bytes_max) = (sealer.block_bytes(), sealer.frame_bytes_max());
        let line = Line::new(sealer, options.extra_checksums(), workers.threads());
        Ok(Self {
            workers: Arc::clone(workers.shared()),
            line: Arc::new(line),
            block_bytes,
            frame_bytes_max,
            checksums: options.extra_checksums().to_vec(),
            edge: Some(header),
            assembler: Some(assembler),
            summary: None,
            filling: None,
            ended: false,
        })
    }

    /// Bytes in every block but the last.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Bytes of content in the frames that were handed out.
    pub fn content_bytes(&self) -> u64 {
        self.assembler.as_ref().map_or(0, Assembler::content_bytes)
    }

    /// What is to be done next, after waiting for a worker if need be.
    ///
    /// # Errors
    ///
    /// What a worker reports; [`PackError::Finished`] after the end, an error, or the end of the workers.
    pub fn step(&mut self) -> Result<PackingStep, PackError> {
        loop {
            if let Some(step) = self.try_step()? {
                return Ok(step);
            }
            let workers = Arc::clone(&self.workers);
            let news = self
                .line
                .wait(self.workers.window(), self.wants_block(), self.ended, &|| workers.has_ended());
            if !news {
                self.line.fail(PackError::Finished);
            }
        }
    }

    /// As [`step`](Self::step), for a task. Keep the [`Workers`] until it is done: their end wakes no task.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<PackingStep, PackError>> {
        loop {
            match self.try_step() {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(Some(step)) => return Poll::Ready(Ok(step)),
                Ok(None) if self.workers.has_ended() => return Poll::Ready(Err(PackError::Finished)),
                Ok(None) => {}
            }
            if !self.line.poll(self.workers.window(), self.wants_block(), self.ended, cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    /// Takes a block that [`PackingStep::Fill`] handed out, filled.
    ///
    /// # Errors
    ///
    /// [`PackError::BlockBytes`] if it is too long, [`PackError::Finished`] if none was handed out.
    pub fn submit(&mut self, block: Vec<u8>) -> Result<(), PackError> {
        let mut wrapping = self.filling.take().ok_or(PackError::Finished)?;
        if block.len() > self.block_bytes {
            return Err(PackError::BlockBytes { found: block.len() });
        }
        self.ended = block.len() < self.block_bytes;
        if block.is_empty() {
            return Ok(());
        }
        match Arc::get_mut(&mut wrapping) {
            Some(place) => *place = block,
            None => wrapping = Arc::new(block),
        }
        self.line.submit(&self.workers, wrapping);
        Ok(())
    }

    /// Takes a buffer back that [`PackingStep::Write`] handed out.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.line.recycle(bytes);
    }

    fn wants_block(&self) -> bool {
        !self.ended && self.filling.is_none()
    }

    fn try_step(&mut self) -> Result<Option<PackingStep>, PackError> {
        if let Some(bytes) = self.edge.take() {
            return Ok(Some(PackingStep::Write(bytes)));
        }
        if let Some(summary) = self.summary.take() {
            return Ok(Some(PackingStep::Done(summary)));
        }
        let Some(assembler) = &mut self.assembler else { return Err(PackError::Finished) };
        if let Some((info, mut frame)) = self.line.next_frame()? {
            assembler.add(&info, &mut frame)?;
            return Ok(Some(PackingStep::Write(frame)));
        }
        if self.wants_block()
            && let Some(mut wrapping) = self.line.empty_block(self.workers.window())
        {
            let mut block = Arc::get_mut(&mut wrapping).map(std::mem::take).unwrap_or_default();
            block.clear();
            block.reserve_exact(self.block_bytes);
            self.filling = Some(wrapping);
            return Ok(Some(PackingStep::Fill(block)));
        }
        if self.ended
            && let Some(checksums) = self.line.checksums(&self.checksums)
            && let Some(assembler) = self.assembler.take()
        {
            let mut end = Vec::with_capacity(self.frame_bytes_max.min(1 << 16));
            self.summary = Some(assembler.finish(&checksums, &mut end)?);
            return Ok(Some(PackingStep::Write(end)));
        }
        Ok(None)
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        self.line.cancel();
    }
}

impl fmt::Debug for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packing").field("content_bytes", &self.content_bytes()).finish_non_exhaustive()
    }
}
