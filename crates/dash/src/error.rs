//! What can be wrong with a dashboard's settings or surroundings.

use std::io;
use std::path::PathBuf;

/// Why a dashboard does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DashError {
    /// The text is no address, or its name is unknown.
    #[error(
        "`{address}` is no address to listen on: {source}; expected one such as 127.0.0.1:9100 or [::1]:9100"
    )]
    Address {
        /// The text.
        address: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; {remedy}")]
    Listen {
        /// The address.
        address: String,
        /// What the kernel says.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// Others than this machine could ask, and nothing would stop them.
    #[error(
        "{address} can be reached from other machines and no token is set; set one of at least {min} characters, or listen on 127.0.0.1"
    )]
    TokenMissing {
        /// The address.
        address: String,
        /// Characters of a token at least.
        min: usize,
    },
    /// The token can be guessed.
    #[error(
        "the token has {len} characters, expected {min} to {max} without blanks; `openssl rand -hex 32` makes one"
    )]
    Token {
        /// Its length.
        len: usize,
        /// Characters at least.
        min: usize,
        /// Characters at most.
        max: usize,
    },
    /// A file of the certificate cannot be used.
    #[error("{what} {path}: {problem}; expected a PEM file")]
    Certificate {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not make a TLS server.
    #[error(
        "certificate and key cannot be used together: {0}; check that the key belongs to the certificate"
    )]
    Tls(String),
    /// Outside a tokio runtime.
    #[error("a dashboard needs a tokio runtime around it, built with enable_all()")]
    NoRuntime,
}
