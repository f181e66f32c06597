//! [`HashReader`]: the reader that checks an object's size, MD5, SHA-256 and announced checksum while it is read.
//!
//! * `reader`: the type, how it is read and what is checked at the end.
//! * `build`: construction, also over a reader that is or contains a [`HashReader`].
//! * `content`: the checksum that a request announces, or that is to be computed.
//! * `trailer`: [`TrailingHeaders`], where an announced checksum may come from after the content.

mod build;
mod content;
mod reader;
mod trailer;

pub use reader::HashReader;
pub use trailer::TrailingHeaders;
