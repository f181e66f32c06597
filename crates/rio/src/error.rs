//! Errors of the runtime and of opening files.

use std::io;
use std::sync::Arc;

/// Why the runtime could not be made or an operation through it failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// The engine could not be started; the text names the setting or the refusal and what to do.
    #[error("Runtime initialization failed: {0}")]
    InitializationFailed(String),
    /// There is no tokio runtime around the call, or the engine is shut down.
    #[error("Runtime is not available or healthy")]
    RuntimeUnavailable,
    /// The operation took longer than the time it was given.
    #[error("Operation timed out")]
    OperationTimeout,
    /// A file operation failed.
    #[error("I/O operation failed: {0}")]
    IoError(IoFailure),
}

/// An `io::Error` that can be cloned, with its kind and source.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct IoFailure(#[source] Arc<io::Error>);

impl IoFailure {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }

    /// The error itself.
    #[must_use]
    pub fn get_ref(&self) -> &io::Error {
        &self.0
    }
}

impl From<io::Error> for RuntimeError {
    fn from(error: io::Error) -> Self {
        Self::IoError(IoFailure(Arc::new(error)))
    }
}

impl From<RuntimeError> for io::Error {
    fn from(error: RuntimeError) -> Self {
        let kind = match &error {
            RuntimeError::IoError(failure) => failure.kind(),
            RuntimeError::OperationTimeout => io::ErrorKind::TimedOut,
            RuntimeError::InitializationFailed(_) | RuntimeError::RuntimeUnavailable => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl From<rustfs_rio_engine::EngineError> for RuntimeError {
    fn from(error: rustfs_rio_engine::EngineError) -> Self {
        match error {
            rustfs_rio_engine::EngineError::NoRuntime => Self::RuntimeUnavailable,
            other => Self::InitializationFailed(other.to_string()),
        }
    }
}

impl From<crate::config::ConfigError> for RuntimeError {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::InitializationFailed(error.to_string())
    }
}
