//! Where operations are counted for the monitor, if a recorder was given; one branch each if not.

use crate::file::File;
use crate::op::OpKind;
use crate::shared::Route;
use rustfs_rio_monitor::{Ended, ErrorClass, FileClass, Key, Operation, Path, Recorder, Timer};
use std::sync::Arc;

/// The recorder of an engine, or none.
#[derive(Debug, Default)]
pub(crate) struct Recording(Option<Arc<Recorder>>);

impl Recording {
    pub(crate) fn new(recorder: Option<Arc<Recorder>>) -> Self {
        Self(recorder)
    }

    /// An attempt on the calling task begins.
    #[inline]
    pub(crate) fn start_short(&self) -> Option<Timer> {
        self.0.as_ref().map(|recorder| recorder.start_short())
    }

    /// An operation leaves the calling task; the wait for admission is part of it.
    #[inline]
    pub(crate) fn start(&self) -> Option<Timer> {
        self.0.as_ref().map(|recorder| recorder.start())
    }

    /// An operation that was started ended, with an error number or without.
    #[inline]
    pub(crate) fn finish(
        &self,
        timer: Option<Timer>,
        (kind, path, class): (OpKind, Path, FileClass),
        bytes: usize,
        errno: Option<i32>,
    ) {
        let (Some(recorder), Some(timer)) = (&self.0, timer) else { return };
        let ended = Ended { bytes: bytes as u64, error: errno.map(error_class) };
        recorder.finish(timer, Key::new(operation(kind), path, class), ended);
    }

    /// Bytes of an operation that is counted elsewhere.
    fn moved(&self, kind: OpKind, class: FileClass, bytes: usize) {
        if let Some(recorder) = &self.0 {
            recorder.add_bytes(Key::new(operation(kind), Path::Inline, class), bytes as u64);
        }
    }

    /// Bytes were copied on the calling task, without a time of their own.
    #[inline]
    pub(crate) fn copied(&self, kind: OpKind, class: FileClass, bytes: usize) {
        if let Some(recorder) = &self.0 {
            recorder.count(Key::new(operation(kind), Path::Inline, class), Ended::well(bytes as u64));
        }
    }
}

impl File {
    /// Counts what ended on the calling task: `done` bytes, and an error number if it failed.
    #[inline]
    pub(crate) fn ended_inline(&self, timer: Option<Timer>, kind: OpKind, done: usize, errno: Option<i32>) {
        let core = &self.engine.core;
        if errno.is_none() {
            core.counters.count(kind, Route::Inline, done);
        }
        core.recording.finish(timer, (kind, Path::Inline, self.core.class), done, errno);
    }

    /// Counts the bytes of the part of an operation that the calling task did before it had to hand the rest over, and returns
    /// their number. The operation itself is counted where it ends.
    pub(crate) fn moved_inline(&self, kind: OpKind, done: usize) -> usize {
        if done > 0 {
            let core = &self.engine.core;
            core.counters.add_bytes(kind, done);
            core.recording.moved(kind, self.core.class, done);
        }
        done
    }
}

fn operation(kind: OpKind) -> Operation {
    match kind {
        OpKind::Read | OpKind::ReadVectored => Operation::Read,
        OpKind::Write | OpKind::WriteVectored => Operation::Write,
        OpKind::Fsync | OpKind::Fdatasync => Operation::Sync,
        OpKind::Open => Operation::Open,
        OpKind::Close => Operation::Close,
        OpKind::Fallocate | OpKind::Ftruncate | OpKind::Statx | OpKind::Fadvise => Operation::Metadata,
    }
}

/// `EIO` and its kin are the device's fault, the others have a kind in the standard library.
#[cold]
fn error_class(errno: i32) -> ErrorClass {
    match errno {
        libc::EIO | libc::ENODEV | libc::ENXIO | libc::EROFS | libc::ESTALE => ErrorClass::Device,
        libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::EDQUOT | libc::ENOMEM => ErrorClass::Exhausted,
        _ => std::io::Error::from_raw_os_error(errno).kind().into(),
    }
}
