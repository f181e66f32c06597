//! Headers that follow a body.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

/// Where the trailing headers of a request will be once its body was read.
///
/// It has the methods of `s3s::TrailingHeaders`, which this crate does not depend on. To hand one over:
///
/// ```
/// # struct Theirs; impl Theirs {
/// #     fn read<R>(&self, f: impl FnOnce(&http::HeaderMap) -> R) -> Option<R> { None } }
/// # let theirs = Theirs;
/// let trailer = rustfs_rio_stream::hash::TrailingHeaders::from_fn(move || theirs.read(|headers| headers.clone()));
/// assert!(!trailer.is_ready());
/// ```
#[derive(Clone)]
pub struct TrailingHeaders(Source);

#[derive(Clone)]
enum Source {
    Slot(Arc<Mutex<Option<HeaderMap>>>),
    Read(Arc<dyn Fn() -> Option<HeaderMap> + Send + Sync>),
}

impl Default for TrailingHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl TrailingHeaders {
    /// A place that [`TrailingHeaders::set`] fills.
    pub fn new() -> Self {
        Self(Source::Slot(Arc::default()))
    }

    /// A place that `read` looks into; it returns the headers once they are there.
    pub fn from_fn(read: impl Fn() -> Option<HeaderMap> + Send + Sync + 'static) -> Self {
        Self(Source::Read(Arc::new(read)))
    }

    /// Puts the headers in place. Without effect for [`TrailingHeaders::from_fn`].
    pub fn set(&self, headers: HeaderMap) {
        if let Source::Slot(slot) = &self.0 {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(headers);
        }
    }

    /// Whether the headers are there.
    pub fn is_ready(&self) -> bool {
        self.read(|_| ()).is_some()
    }

    /// The headers, which are then gone; from [`TrailingHeaders::from_fn`] a copy.
    pub fn take(&self) -> Option<HeaderMap> {
        match &self.0 {
            Source::Slot(slot) => slot.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Source::Read(read) => read(),
        }
    }

    /// Looks at the headers, if they are there.
    pub fn read<R>(&self, f: impl FnOnce(&HeaderMap) -> R) -> Option<R> {
        match &self.0 {
            Source::Slot(slot) => slot.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(f),
            Source::Read(read) => read().as_ref().map(f),
        }
    }
}

impl From<HeaderMap> for TrailingHeaders {
    fn from(headers: HeaderMap) -> Self {
        Self(Source::Slot(Arc::new(Mutex::new(Some(headers)))))
    }
}

impl fmt::Debug for TrailingHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrailingHeaders").field("ready", &self.is_ready()).finish_non_exhaustive()
    }
}
