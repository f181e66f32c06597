//! What can stop a measurement as a whole.

use std::io;

use rustfs_rio_load::LoadError;

/// Why a promise could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The load generator could not work here.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A part that runs in a process of its own failed.
    #[error("the measuring process for {what} failed: {reason}")]
    Child {
        /// What it was to measure.
        what: String,
        /// What it or the system said.
        reason: String,
    },
    /// The system refused something that the measurement needs.
    #[error("cannot {operation}: {source}")]
    System {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A component could not be set up as the promise demands.
    #[error("cannot set up {what}: {reason}")]
    Setup {
        /// The component.
        what: &'static str,
        /// Its own error, in words.
        reason: String,
    },
}

impl ClaimError {
    /// For `map_err` on the errors of components.
    pub(crate) fn setup<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Setup { what, reason: error.to_string() }
    }

    /// For `map_err` on system calls.
    pub(crate) fn system<E: Into<io::Error>>(operation: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { operation, source: source.into() }
    }
}
