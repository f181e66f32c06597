//! Direct I/O: alignment, ranges that are not aligned, and read-modify-write.

use crate::engine::fail;
use crate::error::Refusal;
use crate::file::{File, FileCore};
use crate::op::OpKind;
use crate::open::{OpenOptions, UnalignedWrites};
use crate::stat::Stat;
use rustfs_rio_buf::{AlignedBuf, IoBuf, IoBufMut};
use std::io;
use std::sync::Arc;
use tokio::sync::RwLock;

/// Unaligned reads fetch the aligned superset in pieces of this size, so that memory stays bounded for any length.
const BOUNCE_BYTES: usize = 1 << 20;

/// What direct transfers on a file need.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Multiple for memory addresses.
    pub(crate) memory: usize,
    /// Multiple for offsets and lengths.
    pub(crate) offset: usize,
    /// Present if unaligned writes are served: whole-block writes share it, read-modify-write excludes them.
    pub(crate) exclusion: Option<Arc<RwLock<()>>>,
}

impl Limits {
    pub(crate) fn accepts(&self, offset: u64, len: usize, address: usize) -> bool {
        self.accepts_range(offset, len) && address.is_multiple_of(self.memory)
    }

    fn accepts_range(&self, offset: u64, len: usize) -> bool {
        offset.is_multiple_of(self.offset as u64) && len.is_multiple_of(self.offset)
    }
}

/// Alignment of an open direct file: from `statx(2)` where the kernel reports it, otherwise by trying.
pub(crate) fn limits(core: &FileCore, stat: Option<&Stat>, options: &OpenOptions) -> io::Result<Limits> {
    let exclusion =
        (options.unaligned_policy() == UnalignedWrites::ReadModifyWrite).then(|| Arc::new(RwLock::new(())));
    let (memory, offset) = match stat.and_then(|stat| stat.direct) {
        Some(reported) if reported.offset > 0 => (reported.memory.max(1), reported.offset),
        Some(_) => return Err(Refusal::NoDirectIo.into()),
        None => {
            let probed = probe(core)?;
            (probed, probed)
        }
    };
    Ok(Limits { memory: memory as usize, offset: offset as usize, exclusion })
}

/// The smallest alignment with which a read of the file's start is accepted. Files that cannot be read get the alignment of
/// the largest block size in use.
fn probe(core: &FileCore) -> io::Result<u32> {
    const CANDIDATES: [u32; 4] = [512, 1024, 2048, 4096];
    const FALLBACK: u32 = 4096;
    let mut block = AlignedBuf::with_capacity(2 * FALLBACK as usize)?;
    for candidate in CANDIDATES {
        // An address that is a multiple of the candidate and of nothing larger.
        let address = block.stable_mut_ptr().wrapping_add(candidate as usize);
        // SAFETY: `candidate` bytes from there lie within the buffer of twice the largest candidate.
        let result = unsafe { libc::pread(core.handle.raw(), address.cast(), candidate as usize, 0) };
        if result >= 0 {
            return Ok(candidate);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINVAL) => {}
            Some(libc::EBADF) => return Ok(FALLBACK),
            _ => return Err(error),
        }
    }
    Err(Refusal::NoDirectIo.into())
}

/// Serves a read whose range or buffer is not aligned through the aligned range around it.
pub(crate) async fn read_unaligned<B: IoBufMut>(
    file: &File,
    mut buf: B,
    offset: u64,
) -> (io::Result<usize>, B) {
    let len = buf.bytes_total();
    let (result, done) = read_pieces(file, &mut buf, offset, len).await;
    // SAFETY: `read_pieces` copied that many bytes to the front of the buffer.
    unsafe { buf.set_init(done) };
    (result.map(|()| done), buf)
}

async fn read_pieces<B: IoBufMut>(
    file: &File,
    buf: &mut B,
    offset: u64,
    len: usize,
) -> (io::Result<()>, usize) {
    let Some(limits) = &file.core.direct else { return (Ok(()), 0) };
    let align = limits.offset;
    let context = |error, done| fail(error, OpKind::Read, &file.core.path, Some((offset, len)), done);
    let capacity = (len + 2 * align).next_multiple_of(align).min(BOUNCE_BYTES.next_multiple_of(align));
    let mut bounce = match AlignedBuf::with_alignment(capacity, align.max(limits.memory).max(4096)) {
        Ok(bounce) => bounce,
        Err(error) => return (Err(context(error.into(), 0)), 0),
    };
    let mut done = 0;
    while done < len {
        let position = offset + done as u64;
        let skip = (position % align as u64) as usize;
        let (result, back) = Box::pin(file.read_at(bounce, position - skip as u64)).await;
        bounce = back;
        let got = match result {
            Ok(got) => got,
            Err(error) => return (Err(error), done),
        };
        let useful = got.saturating_sub(skip).min(len - done);
        // SAFETY: `done + useful <= len`, the capacity of `buf`, and `skip + useful <= got` initialised bytes of `bounce`;
        // the two are different allocations.
        unsafe {
            let target = buf.stable_mut_ptr().add(done);
            std::ptr::copy_nonoverlapping(bounce.stable_ptr().add(skip), target, useful);
        }
        done += useful;
        if useful == 0 || got < bounce.capacity() {
            break;
        }
    }
    (Ok(()), done)
}

/// Serves a direct write that is not aligned in memory, or on a file that allows unaligned ranges.
pub(crate) async fn write_general<B: IoBuf>(file: &File, buf: B, offset: u64) -> (io::Result<usize>, B) {
    let len = buf.bytes_init();
    let context = |error| fail(error, OpKind::Write, &file.core.path, Some((offset, len)), 0);
    let Some(limits) = &file.core.direct else { return file.write_plain(buf, offset).await };
    if let Some(lock) = &limits.exclusion {
        if !limits.accepts_range(offset, len) {
            let guard = Arc::clone(lock).write_owned().await;
            let copy = match AlignedBuf::copy_from(buf.as_slice()) {
                Ok(copy) => copy,
                Err(error) => return (Err(context(error.into())), buf),
            };
            let owner = file.clone();
            let work = async move {
                let result = modify(&owner, &copy, offset).await;
                drop(guard);
                result
            };
            let result = match tokio::runtime::Handle::try_current() {
                // In a task of its own, which goes on if this future is dropped: half of the work must not be left.
                Ok(runtime) => {
                    runtime.spawn(work).await.unwrap_or_else(|error| Err(context(io::Error::other(error))))
                }
                // Without a runtime nothing can go on for a future that is dropped.
                Err(_) => work.await,
            };
            return (result.map(|()| len), buf);
        }
        let guard = Arc::clone(lock).read_owned().await;
        let (result, guarded) = write_bounced(file, Guarded { buf, _guard: Some(guard) }, offset).await;
        return (result, guarded.buf);
    }
    if !limits.accepts_range(offset, len) {
        let refusal = Refusal::Misaligned { alignment: limits.offset, offset, len };
        return (Err(context(refusal.into())), buf);
    }
    write_bounced(file, buf, offset).await
}

/// A buffer that keeps read-modify-write out until the kernel is done with it, also when the future is dropped.
struct Guarded<B> {
    buf: B,
    _guard: Option<tokio::sync::OwnedRwLockReadGuard<()>>,
}

// SAFETY: delegates to the inner buffer.
unsafe impl<B: IoBuf> IoBuf for Guarded<B> {
    fn stable_ptr(&self) -> *const u8 {
        self.buf.stable_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.buf.bytes_init()
    }
}

/// Writes an aligned range, from an aligned copy if the caller's memory is not aligned.
async fn write_bounced<B: IoBuf>(file: &File, buf: B, offset: u64) -> (io::Result<usize>, B) {
    let memory = file.core.direct.as_ref().map_or(1, |limits| limits.memory);
    if (buf.stable_ptr() as usize).is_multiple_of(memory) {
        return file.write_plain(buf, offset).await;
    }
    let len = buf.bytes_init();
    let mut done = 0;
    while done < len {
        let piece = &buf.as_slice()[done..len.min(done + BOUNCE_BYTES)];
        let bounce = match AlignedBuf::copy_from(piece) {
            Ok(bounce) => bounce,
            Err(error) => {
                let error = fail(error.into(), OpKind::Write, &file.core.path, Some((offset, len)), done);
                return (Err(error), buf);
            }
        };
        match file.write_plain(bounce, offset + done as u64).await.0 {
            Ok(count) => done += count,
            Err(error) => return (Err(error), buf),
        }
    }
    (Ok(done), buf)
}

/// Read-modify-write of the blocks around a range. The caller excludes other writers.
async fn modify(file: &File, data: &AlignedBuf, offset: u64) -> io::Result<()> {
    let align = file.direct_alignment().unwrap_or(1) as u64;
    let end = offset + data.len() as u64;
    let size = file.stat().await?.size;
    let mut position = offset;
    while position < end {
        let start = position - position % align;
        let stop = end.next_multiple_of(align).min(start + BOUNCE_BYTES as u64);
        let block = AlignedBuf::with_alignment((stop - start) as usize, align.max(4096) as usize)?;
        let (result, mut block) = Box::pin(file.read_at(block, start)).await;
        result?;
        block.resize((stop - start) as usize, 0);
        let from = (position - start) as usize;
        let upto = end.min(stop);
        let source = (position - offset) as usize..(upto - offset) as usize;
        block[from..from + source.len()].copy_from_slice(&data[source]);
        file.write_plain(block, start).await.0?;
        position = upto;
    }
    // Whole blocks were written; a file that ends inside the last one gets its size back.
    let size = size.max(end);
    if !size.is_multiple_of(align) && size < end.next_multiple_of(align) {
        file.set_len(size).await?;
    }
    Ok(())
}
