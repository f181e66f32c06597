//! Where stages count what they do for a monitor, if a recorder was given; one branch each if not.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustfs_rio_monitor::{Ended, ErrorClass, FileClass, Key, Operation, Path, Recorder, Timer};

/// A recorder, or none.
#[derive(Clone, Default)]
pub(crate) struct Recording(Option<Arc<Recorder>>);

impl Recording {
    pub(crate) fn new(recorder: &Arc<Recorder>) -> Self {
        Self(Some(Arc::clone(recorder)))
    }

    /// Work on a block begins. Blocks have 64 KiB and more, so each is timed.
    #[inline]
    pub(crate) fn start(&self) -> Option<Timer> {
        self.0.as_ref().map(|recorder| recorder.start())
    }

    /// Work on bytes as they come begins; a random share of it is timed.
    #[inline]
    fn start_short(&self) -> Option<Timer> {
        self.0.as_ref().map(|recorder| recorder.start_short())
    }

    /// Work on so many bytes ended.
    #[inline]
    pub(crate) fn finish(
        &self,
        timer: Option<Timer>,
        operation: Operation,
        bytes: usize,
        failed: Option<ErrorClass>,
    ) {
        if let (Some(recorder), Some(timer)) = (&self.0, timer) {
            recorder.finish(timer, key(operation), Ended { bytes: bytes as u64, error: failed });
        }
    }

    /// Computes checksums of a block of so many bytes.
    #[inline]
    pub(crate) fn checksum<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        self.checksummed(self.start(), bytes, work)
    }

    /// Computes checksums of so many bytes as they come.
    #[inline]
    pub(crate) fn checksum_short<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        self.checksummed(self.start_short(), bytes, work)
    }

    #[inline]
    fn checksummed<T>(&self, timer: Option<Timer>, bytes: usize, work: impl FnOnce() -> T) -> T {
        let computed = work();
        self.finish(timer, Operation::Checksum, bytes, None);
        computed
    }

    /// Something was found wrong where nothing is timed.
    #[cold]
    pub(crate) fn failed(&self, operation: Operation, class: ErrorClass) {
        if let Some(recorder) = &self.0 {
            recorder.count(key(operation), Ended::badly(0, class));
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recording").field(&self.0.is_some()).finish()
    }
}

/// Counts a stage that takes pieces and gives units: the time and bytes of pieces that only gathered belong to the unit that came of them.
pub(crate) struct UnitRecording {
    recorder: Arc<Recorder>,
    operation: Operation,
    bytes: u64,
    time: Duration,
    /// A stage repeats its error when it is asked again; it is one error.
    failed: bool,
}

impl UnitRecording {
    pub(crate) fn new(recorder: &Arc<Recorder>, operation: Operation) -> Self {
        let recorder = Arc::clone(recorder);
        Self { recorder, operation, bytes: 0, time: Duration::ZERO, failed: false }
    }

    pub(crate) fn start(&self) -> Timer {
        self.recorder.start()
    }

    /// A call of the stage took so many bytes; `gave` says whether something came of them.
    pub(crate) fn note(&mut self, timer: Timer, bytes: usize, gave: bool, result: &io::Result<()>) {
        let time = timer.elapsed(self.recorder.clock()).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.time = self.time.saturating_add(time);
        let error = result.as_ref().err().map(|error| class(self.operation, error.kind()));
        if self.failed || (!gave && error.is_none()) {
            return;
        }
        self.failed = error.is_some();
        let bytes = std::mem::take(&mut self.bytes);
        let time = std::mem::take(&mut self.time);
        self.recorder.record(key(self.operation), Ended { bytes, error }, time);
    }
}

/// A stage that undoes another fails because of what it was given. Some report that with the kind that the existing API has.
fn class(operation: Operation, kind: io::ErrorKind) -> ErrorClass {
    match (operation, ErrorClass::from(kind)) {
        (Operation::Decrypt | Operation::Decompress, ErrorClass::Other) => ErrorClass::Damaged,
        (_, class) => class,
    }
}

fn key(operation: Operation) -> Key {
    Key::new(operation, Path::Inline, FileClass::Data)
}
