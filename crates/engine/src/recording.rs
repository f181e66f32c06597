//! Where operations are counted for the monitor, if a recorder was given, and told to `tracing`, if somebody listens; one branch each
//! if not.

use crate::file::File;
use crate::op::OpKind;
use crate::shared::Route;
use rustfs_rio_monitor::{Clock, Ended, ErrorClass, FileClass, Key, Operation, Path, Recorder, Timer};
use std::sync::Arc;
use tracing::Level;

/// The target of the event that each operation ends with, at level `TRACE`, while a subscriber takes it. Its fields: `operation`, `path`,
/// `class`, `latency_us`, `throughput_mbps` (10^6 bytes), `buffer_size` (bytes moved), `optimization_applied`, `errno` (0 without error).
pub const TRACE_TARGET: &str = "rio::operation";

/// The recorder of an engine, or none, and the clock of its events.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    recorder: Option<Arc<Recorder>>,
    clock: Clock,
}

/// Whether a subscriber takes the events; a load and a branch while there is none.
#[inline]
fn is_traced() -> bool {
    tracing::enabled!(target: TRACE_TARGET, Level::TRACE)
}

impl Recording {
    pub(crate) fn new(recorder: Option<Arc<Recorder>>) -> Self {
        let clock = recorder.as_ref().map_or_else(Clock::new, |recorder| recorder.clock().clone());
        Self { recorder, clock }
    }

    /// An attempt on the calling task begins. While it is traced, every one is timed.
    #[inline]
    pub(crate) fn start_short(&self) -> Option<Timer> {
        if is_traced() {
            return Some(Timer::start(&self.clock));
        }
        self.recorder.as_ref().map(|recorder| recorder.start_short())
    }

    /// An operation leaves the calling task; the wait for admission is part of it.
    #[inline]
    pub(crate) fn start(&self) -> Option<Timer> {
        (self.recorder.is_some() || is_traced()).then(|| Timer::start(&self.clock))
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
        let Some(timer) = timer else { return };
        let key = Key::new(operation(kind), path, class);
        if is_traced() {
            self.tell(timer, key, bytes, errno);
        }
        if let Some(recorder) = &self.recorder {
            let ended = Ended { bytes: bytes as u64, error: errno.map(error_class) };
            recorder.finish(timer, key, ended);
        }
    }

    #[cold]
    fn tell(&self, timer: Timer, key: Key, bytes: usize, errno: Option<i32>) {
        // One that began before somebody listened has no time.
        let Some(latency) = timer.elapsed(&self.clock) else { return };
        let latency_us = latency.as_secs_f64() * 1e6;
        tracing::event!(
            target: TRACE_TARGET,
            Level::TRACE,
            operation = key.operation.name(),
            path = key.path.name(),
            class = key.class.name(),
            latency_us,
            throughput_mbps = if latency_us > 0.0 { bytes as f64 / latency_us } else { 0.0 },
            buffer_size = bytes as u64,
            optimization_applied = optimization(key.path),
            errno = i64::from(errno.unwrap_or(0)),
        );
    }

    /// Bytes of an operation that is counted elsewhere.
    fn moved(&self, kind: OpKind, class: FileClass, bytes: usize) {
        if let Some(recorder) = &self.recorder {
            recorder.add_bytes(Key::new(operation(kind), Path::Inline, class), bytes as u64);
        }
    }

    /// Bytes were copied on the calling task, without a time of their own.
    #[inline]
    pub(crate) fn copied(&self, kind: OpKind, class: FileClass, bytes: usize) {
        if let Some(recorder) = &self.recorder {
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

/// What was done better than handing the operation to a thread.
fn optimization(path: Path) -> &'static str {
    match path {
        Path::Inline => "copied_on_the_calling_task",
        Path::Ring => "io_uring",
        Path::Cache => "from_the_cache",
        _ => "none",
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
        // What ext4 and xfs say of metadata, and btrfs of data, whose checksum does not hold.
        libc::EUCLEAN | libc::EBADMSG => ErrorClass::Damaged,
        libc::EMFILE | libc::ENFILE | libc::ENOSPC | libc::EDQUOT | libc::ENOMEM => ErrorClass::Exhausted,
        _ => std::io::Error::from_raw_os_error(errno).kind().into(),
    }
}
