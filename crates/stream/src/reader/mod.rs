//! Readers over [`tokio::io::AsyncRead`], with the traits and call shapes of the original.
//!
//! * `capability`: [`Reader`] and what it consists of; [`DynReader`], [`boxed_reader`], [`wrap_reader`].
//! * `warp`: [`WarpReader`] makes any byte source a [`Reader`].
//! * `limit`: [`LimitReader`] ends early; [`HardLimitReader`] fails unless exactly so many bytes come.
//! * `etag`: [`EtagReader`] computes and checks the MD5.
//! * `transfer`: [`read_full`], [`read_full_or_eof`], [`write_all`].
//! * `pump`: how the readers over formats are driven.
//!
//! What holds for every reader here: a read into an empty buffer does nothing; `Pending` comes from the inner reader only, which has
//! registered the waker; after an error of its own a reader stays in that error; bytes that break a limit are not handed out.

mod capability;
mod etag;
mod limit;
mod pump;
mod transfer;
mod warp;

pub use capability::{
    DynReader, EtagResolvable, HashReaderDetector, HashReaderMut, ReadStream, Reader, ReaderCapabilities,
    TryGetIndex, boxed_reader, resolve_etag_generic, wrap_reader,
};
pub use etag::EtagReader;
pub use limit::{HardLimitReader, LimitReader};
pub use transfer::{read_full, read_full_or_eof, write_all};
pub use warp::WarpReader;

pub(crate) use etag::EtagMismatch;
pub(crate) use limit::too_many;
pub(crate) use pump::{Pump, Stage, delegate, staged};
pub(crate) use warp::Empty;
