//! Reads and writes over several buffers.

use crate::blocking::Weight;
use crate::direct;
use crate::engine::fail;
use crate::error::Refusal;
use crate::file::{File, split};
use crate::op::{Op, OpKind};
use rustfs_rio_buf::{IoBuf, IoBufMut};
use std::io;

/// Buffers in one operation at most. The engine splits kernel requests at `IOV_MAX` by itself; this bounds the memory that
/// describes one operation.
const BUFFERS_MAX: usize = 65_536;

/// The array that the kernel reads, kept with the buffers that it describes.
struct Vectors<B> {
    iov: Vec<libc::iovec>,
    bufs: Vec<B>,
}

impl<B> Vectors<B> {
    /// Describes the memory of each buffer. Empty ones are left out: a request to the kernel that holds nothing else moves
    /// nothing, which means the end of the file.
    fn new(mut bufs: Vec<B>, memory: impl Fn(&mut B) -> (*mut u8, usize)) -> Self {
        let entries = bufs.iter_mut().map(memory).filter(|(_, len)| *len > 0);
        let iov = entries.map(|(base, iov_len)| libc::iovec { iov_base: base.cast(), iov_len }).collect();
        Self { iov, bufs }
    }
}

// SAFETY: the raw pointers in `iov` refer to the buffers beside them, which are `Send`.
unsafe impl<B: Send> Send for Vectors<B> {}

impl File {
    /// Fills the buffers in order from `offset` on, each up to its total capacity, and returns the bytes read, which are
    /// fewer only at end of file. Each buffer's length becomes the part that was filled.
    pub async fn read_vectored_at<B: IoBufMut>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        let len = bufs.iter().map(IoBufMut::bytes_total).fold(0usize, usize::saturating_add);
        if let Err(error) = self.check_vectored(OpKind::ReadVectored, &bufs, offset, len) {
            return (Err(error), bufs);
        }
        if len == 0 {
            return (Ok(0), bufs);
        }
        if self.splits(bufs.iter().map(|buf| (buf.stable_ptr() as usize, buf.bytes_total())), offset) {
            return self.read_one_by_one(bufs, offset).await;
        }
        let vectors = Vectors::new(bufs, |buf| (buf.stable_mut_ptr(), buf.bytes_total()));
        let (result, transferred, mut bufs) = self.transfer(OpKind::ReadVectored, vectors, offset).await;
        let mut left = transferred;
        for buf in &mut bufs {
            let part = left.min(buf.bytes_total());
            // SAFETY: the kernel fills buffers in order, so the first `transferred` bytes over all of them are written.
            unsafe { buf.set_init(part) };
            left -= part;
        }
        let context =
            |error| fail(error, OpKind::ReadVectored, &self.core.path, Some((offset, len)), transferred);
        (result.map(|()| transferred).map_err(context), bufs)
    }

    /// Writes the initialised bytes of the buffers in order from `offset` on: all of them, or the error says how much.
    pub async fn write_vectored_at<B: IoBuf>(
        &self,
        bufs: Vec<B>,
        offset: u64,
    ) -> (io::Result<usize>, Vec<B>) {
        let len = bufs.iter().map(IoBuf::bytes_init).fold(0usize, usize::saturating_add);
        if let Err(error) = self.check_vectored(OpKind::WriteVectored, &bufs, offset, len) {
            return (Err(error), bufs);
        }
        if len == 0 {
            return (Ok(0), bufs);
        }
        let exclusive = self.core.direct.as_ref().is_some_and(|limits| limits.exclusion.is_some());
        if exclusive
            || self.splits(bufs.iter().map(|buf| (buf.stable_ptr() as usize, buf.bytes_init())), offset)
        {
            return self.write_one_by_one(bufs, offset).await;
        }
        let vectors = Vectors::new(bufs, |buf| (buf.stable_ptr().cast_mut(), buf.bytes_init()));
        let (result, transferred, bufs) = self.transfer(OpKind::WriteVectored, vectors, offset).await;
        let context =
            |error| fail(error, OpKind::WriteVectored, &self.core.path, Some((offset, len)), transferred);
        (result.map(|()| transferred).map_err(context), bufs)
    }

    fn check_vectored<B>(&self, kind: OpKind, bufs: &[B], offset: u64, len: usize) -> io::Result<()> {
        self.check(kind, offset, len as u64)?;
        if bufs.len() > BUFFERS_MAX {
            let refusal = Refusal::TooManyBuffers { count: bufs.len(), max: BUFFERS_MAX };
            return Err(fail(refusal.into(), kind, &self.core.path, Some((offset, len)), 0));
        }
        Ok(())
    }

    /// Whether the buffers of a direct transfer have to be served one by one because some range is not aligned.
    fn splits(&self, bufs: impl Iterator<Item = (usize, usize)>, offset: u64) -> bool {
        let Some(limits) = &self.core.direct else { return false };
        let mut position = offset;
        for (address, len) in bufs {
            if !limits.accepts(position, len, address) {
                return true;
            }
            position += len as u64;
        }
        false
    }

    async fn read_one_by_one<B: IoBufMut>(&self, bufs: Vec<B>, offset: u64) -> (io::Result<usize>, Vec<B>) {
        let mut done = 0;
        let mut result = Ok(());
        let mut ended = false;
        let mut out = Vec::with_capacity(bufs.len());
        for mut buf in bufs {
            if ended || result.is_err() {
                // SAFETY: no byte is claimed.
                unsafe { buf.set_init(0) };
                out.push(buf);
                continue;
            }
            let len = buf.bytes_total();
            let (read, back) = direct::read_unaligned(self, buf, offset + done as u64).await;
            match read {
                Ok(count) => {
                    done += count;
                    ended = count < len;
                }
                Err(error) => result = Err(error),
            }
            out.push(back);
        }
        (result.map(|()| done), out)
    }

    async fn write_one_by_one<B: IoBuf>(&self, bufs: Vec<B>, offset: u64) -> (io::Result<usize>, Vec<B>) {
        let mut done = 0;
        let mut result = Ok(());
        let mut out = Vec::with_capacity(bufs.len());
        for buf in bufs {
            if result.is_err() {
                out.push(buf);
                continue;
            }
            let (written, back) = self.write_at(buf, offset + done as u64).await;
            match written {
                Ok(count) => done += count,
                Err(error) => result = Err(error),
            }
            out.push(back);
        }
        (result.map(|()| done), out)
    }

    async fn transfer<B: Send + 'static>(
        &self,
        kind: OpKind,
        mut payload: Vectors<B>,
        offset: u64,
    ) -> (io::Result<()>, usize, Vec<B>) {
        let op = Op::vectors(kind, self.fd(), payload.iov.as_mut_ptr(), payload.iov.len(), offset);
        let op = op.in_units_of(self.direct_alignment().unwrap_or(1));
        let blocking = kind == OpKind::WriteVectored && self.core.direct.is_none();
        let (result, payload) = self.run(op, payload, Weight::Long, blocking).await;
        let (result, transferred) = split(result);
        self.engine.core.counters.add_bytes(kind, transferred);
        let bufs = payload.map_or_else(Vec::new, |payload| payload.bufs);
        (result, transferred, bufs)
    }
}
