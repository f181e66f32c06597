//! Readers and writers over HTTP.
//!
//! * `client`: the process's two clients, which keep connections; timeouts and certificates.
//! * `error`: [`InternodeHttpError`], what failed, where, and whether to try again.
//! * `reader`: [`HttpReader`], the body of a response.
//! * `queue`: bytes on their way from a writer to the connection, bounded.
//! * `writer`: [`HttpWriter`], the body of a request.
//!
//! No task is started here: a request proceeds while its reader or writer is polled, and its connection by the client's own.

mod client;
mod error;
mod queue;
mod reader;
mod writer;

pub use error::{InternodeHttpError, InternodeHttpErrorKind, InternodeHttpRequestContext};
pub use reader::HttpReader;
pub use writer::{HTTP_WRITER_BUFFER_SIZE, HttpWriter};

pub use http::{HeaderMap, Method};
