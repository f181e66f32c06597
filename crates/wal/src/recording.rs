//! Where the log counts its appends, commits and recovery, if its engine has a recorder; one branch each if not. Its writes and syncs
//! are counted by the engine.

use crate::error::WalError;
use rustfs_rio_engine::Engine;
use rustfs_rio_monitor::{Ended, ErrorClass, FileClass, Key, Operation, Path, Recorder, Timer};
use std::sync::Arc;

/// The recorder of the log's engine, or none.
#[derive(Clone, Default)]
pub(crate) struct Recording(Option<Arc<Recorder>>);

impl Recording {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self(engine.recorder().cloned())
    }

    #[inline]
    pub(crate) fn start(&self) -> Option<Timer> {
        self.0.as_ref().map(|recorder| recorder.start())
    }

    /// An operation on so many bytes of records ended, `error` being how it failed.
    #[inline]
    pub(crate) fn finish(
        &self,
        timer: Option<Timer>,
        operation: Operation,
        bytes: u64,
        error: Option<ErrorClass>,
    ) {
        if let (Some(recorder), Some(timer)) = (&self.0, timer) {
            let bytes = if error.is_none() { bytes } else { 0 };
            recorder.finish(timer, Key::new(operation, Path::Other, FileClass::Log), Ended { bytes, error });
        }
    }

    /// Counts an operation as a whole. An append whose future is dropped is not counted; its commit is.
    pub(crate) async fn whole<T>(
        &self,
        operation: Operation,
        bytes: u64,
        work: impl Future<Output = Result<T, WalError>>,
    ) -> Result<T, WalError> {
        let timer = self.start();
        let result = work.await;
        self.finish(timer, operation, bytes, result.as_ref().err().map(error_class));
        result
    }
}

pub(crate) fn error_class(error: &WalError) -> ErrorClass {
    match error {
        WalError::NoSpace(_) => ErrorClass::Exhausted,
        WalError::Damaged { .. } | WalError::Draft { .. } => ErrorClass::Damaged,
        WalError::Poisoned(_) | WalError::Io(_) => ErrorClass::Device,
        WalError::NotFound { .. } | WalError::Exists { .. } | WalError::Locked { .. } => ErrorClass::Access,
        WalError::Config { .. }
        | WalError::EmptyRecord
        | WalError::RecordTooLarge { .. }
        | WalError::BatchTooLarge { .. }
        | WalError::NotALog { .. } => ErrorClass::Invalid,
        _ => ErrorClass::Other,
    }
}
