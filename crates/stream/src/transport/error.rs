//! What failed, where, and whether to try again.

use std::error::Error;
use std::fmt;
use std::io;

use http::{Method, StatusCode};
use reqwest::Url;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InternodeHttpErrorKind {
    /// The other side did not accept a connection in time.
    ConnectTimeout,
    /// Nobody listens there.
    ConnectionRefused,
    /// The name has no address.
    DnsResolutionFailed,
    /// The connection broke.
    ConnectionReset,
    /// A body ended before it was whole.
    BodyStreamAborted,
    /// The other side answered with a status that is not a success.
    HttpStatus(StatusCode),
    /// Something else; the error's source tells.
    Unknown,
}

impl InternodeHttpErrorKind {
    /// Whether the same request may succeed soon.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ConnectTimeout | Self::ConnectionRefused => true,
            Self::ConnectionReset | Self::BodyStreamAborted => true,
            Self::HttpStatus(status) => matches!(status.as_u16(), 429 | 502..=504),
            Self::DnsResolutionFailed | Self::Unknown => false,
        }
    }

    /// A short name without variable parts.
    pub fn metric_label(&self) -> &'static str {
        match self {
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectionRefused => "connection_refused",
            Self::DnsResolutionFailed => "dns_resolution_failed",
            Self::ConnectionReset => "connection_reset",
            Self::BodyStreamAborted => "body_stream_aborted",
            Self::HttpStatus(_) => "http_status",
            Self::Unknown => "unknown",
        }
    }

    fn io_kind(self) -> io::ErrorKind {
        match self {
            Self::ConnectTimeout => io::ErrorKind::TimedOut,
            Self::ConnectionRefused => io::ErrorKind::ConnectionRefused,
            Self::DnsResolutionFailed => io::ErrorKind::AddrNotAvailable,
            Self::ConnectionReset => io::ErrorKind::ConnectionReset,
            Self::BodyStreamAborted => io::ErrorKind::BrokenPipe,
            Self::HttpStatus(_) | Self::Unknown => io::ErrorKind::Other,
        }
    }

    fn of(error: &reqwest::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = source {
            match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => return Self::ConnectionRefused,
                Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                    return Self::ConnectionReset;
                }
                Some(io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof) => {
                    return Self::BodyStreamAborted;
                }
                _ => {}
            }
            // The resolver's error type is private; its text is all there is.
            if error.to_string().starts_with("dns error") {
                return Self::DnsResolutionFailed;
            }
            source = error.source();
        }
        if error.is_connect() && error.is_timeout() {
            Self::ConnectTimeout
        } else if error.is_body() || error.is_decode() {
            Self::BodyStreamAborted
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for InternodeHttpErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectTimeout => f.write_str("connect timeout"),
            Self::ConnectionRefused => f.write_str("connection refused"),
            Self::DnsResolutionFailed => f.write_str("DNS resolution failed"),
            Self::ConnectionReset => f.write_str("connection reset"),
            Self::BodyStreamAborted => f.write_str("body stream aborted"),
            Self::HttpStatus(status) => write!(f, "HTTP status {status}"),
            Self::Unknown => f.write_str("HTTP request failed"),
        }
    }
}

/// Which request it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternodeHttpRequestContext {
    method: Method,
    target: String,
    operation: Option<&'static str>,
}

impl InternodeHttpRequestContext {
    pub(super) fn new(method: &Method, url: &Url) -> Self {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let operation = match url.path() {
            "/rustfs/rpc/read_file_stream" => Some("read_file_stream"),
            "/rustfs/rpc/put_file_stream" => Some("put_file_stream"),
            "/rustfs/rpc/walk_dir" => Some("walk_dir"),
            _ => None,
        };
        Self { method: method.clone(), target: format!("{}{query}", url.path()), operation }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The remote call that the path names, if it is one.
    pub fn operation(&self) -> Option<&'static str> {
        self.operation
    }
}

/// A request that failed. It is inside the [`io::Error`] that readers and writers return.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {} {}", context.method, context.target)]
pub struct InternodeHttpError {
    kind: InternodeHttpErrorKind,
    context: InternodeHttpRequestContext,
    source: Option<reqwest::Error>,
}

impl InternodeHttpError {
    /// What kind of failure it was.
    pub fn kind(&self) -> &InternodeHttpErrorKind {
        &self.kind
    }

    /// Which request it was.
    pub fn context(&self) -> &InternodeHttpRequestContext {
        &self.context
    }

    /// A failed request. The URL is taken out of the source: the context has what may be shown of it.
    pub(super) fn request(context: &InternodeHttpRequestContext, error: reqwest::Error) -> io::Error {
        let kind = InternodeHttpErrorKind::of(&error);
        let context = context.clone();
        io::Error::new(kind.io_kind(), Self { kind, context, source: Some(error.without_url()) })
    }

    /// An answer that is not a success.
    pub(super) fn status(context: &InternodeHttpRequestContext, status: StatusCode) -> io::Error {
        Self::plain(context, InternodeHttpErrorKind::HttpStatus(status))
    }

    pub(super) fn plain(context: &InternodeHttpRequestContext, kind: InternodeHttpErrorKind) -> io::Error {
        io::Error::new(kind.io_kind(), Self { kind, context: context.clone(), source: None })
    }
}
