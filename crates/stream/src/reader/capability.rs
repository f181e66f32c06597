//! What a reader can be asked besides bytes.

use std::sync::Arc;

use rustfs_rio_monitor::Recorder;
use tokio::io::AsyncRead;

use super::warp::WarpReader;
use crate::checksum::Checksum;
use crate::hash::{HashReader, TrailingHeaders};
use crate::rustfs::Index;

/// A source of bytes that may be boxed and sent to other threads. Every such type is one.
pub trait ReadStream: AsyncRead + Unpin + Send + Sync {}

impl<T: AsyncRead + Unpin + Send + Sync> ReadStream for T {}

/// All that a [`Reader`] can be asked. Every type with the three traits is one.
pub trait ReaderCapabilities: EtagResolvable + HashReaderDetector + TryGetIndex {}

impl<T: EtagResolvable + HashReaderDetector + TryGetIndex> ReaderCapabilities for T {}

/// A source of bytes that can be asked for an ETag, a [`HashReader`] and an index. Every type with both halves is one.
pub trait Reader: ReadStream + ReaderCapabilities {}

impl<T: ReadStream + ReaderCapabilities> Reader for T {}

/// A reader of any type.
pub type DynReader = Box<dyn Reader>;

/// Boxes a reader with all that it can be asked.
pub fn boxed_reader<R>(reader: R) -> DynReader
where
    R: Reader + 'static,
{
    Box::new(reader)
}

/// Boxes a source of bytes; it then has no ETag, no [`HashReader`] and no index, whatever it is.
pub fn wrap_reader<R>(reader: R) -> DynReader
where
    R: ReadStream + 'static,
{
    Box::new(WarpReader::new(reader))
}

/// A reader that may know the ETag of what it read.
pub trait EtagResolvable {
    /// Whether this is itself an [`EtagReader`](super::EtagReader).
    fn is_etag_reader(&self) -> bool {
        false
    }

    /// The ETag, as soon as it is known.
    fn try_resolve_etag(&mut self) -> Option<String> {
        None
    }
}

/// The ETag of a reader, as soon as it is known.
pub fn resolve_etag_generic<R>(reader: &mut R) -> Option<String>
where
    R: EtagResolvable,
{
    reader.try_resolve_etag()
}

/// A reader that may be or contain a [`HashReader`].
pub trait HashReaderDetector {
    /// Whether there is one.
    fn is_hash_reader(&self) -> bool {
        false
    }

    /// The one that is next to the source.
    fn as_hash_reader_mut(&mut self) -> Option<&mut dyn HashReaderMut> {
        None
    }

    /// This reader, if it is itself a [`HashReader`]. Only that type answers, so that no layer between is lost.
    #[doc(hidden)]
    fn itself_hash_reader_mut(&mut self) -> Option<&mut HashReader> {
        None
    }

    /// Counts what this reader and those below it compute (checksums, compression, encryption) for a monitor, from now on. By default
    /// nothing is computed.
    fn record_to(&mut self, recorder: &Arc<Recorder>) {
        let _ = recorder;
    }
}

/// What can be asked of and told to a [`HashReader`] inside other readers. Sizes are in bytes; negative ones are not known.
pub trait HashReaderMut {
    /// The reader below.
    fn into_inner(self) -> DynReader
    where
        Self: Sized;

    /// The reader below; an empty one takes its place.
    fn take_inner(&mut self) -> DynReader;

    /// Bytes that were read.
    fn bytes_read(&self) -> u64;

    /// The expected MD5 in hexadecimal.
    fn checksum(&self) -> &Option<String>;

    /// Replaces the expected MD5.
    fn set_checksum(&mut self, checksum: Option<String>);

    /// Bytes that must come.
    fn size(&self) -> i64;

    /// Replaces the number of bytes that must come.
    fn set_size(&mut self, size: i64);

    /// Size of the original object.
    fn actual_size(&self) -> i64;

    /// Replaces the size of the original object.
    fn set_actual_size(&mut self, actual_size: i64);

    /// The checksum of the content that was announced or is computed.
    fn content_hash(&self) -> &Option<Checksum>;

    /// The expected SHA-256 in hexadecimal.
    fn content_sha256(&self) -> &Option<String>;

    /// Where the trailer will be.
    fn get_trailer(&self) -> Option<&TrailingHeaders>;

    /// Says where the trailer will be.
    fn set_trailer(&mut self, trailer: Option<TrailingHeaders>);
}

/// A reader that may have made an index of the stream it writes.
pub trait TryGetIndex {
    /// The index, which grows while the reader is read.
    fn try_get_index(&self) -> Option<&Index> {
        None
    }
}

impl<T: EtagResolvable + ?Sized> EtagResolvable for Box<T> {
    fn try_resolve_etag(&mut self) -> Option<String> {
        (**self).try_resolve_etag()
    }
}

impl<T: HashReaderDetector + ?Sized> HashReaderDetector for Box<T> {
    fn is_hash_reader(&self) -> bool {
        (**self).is_hash_reader()
    }

    fn as_hash_reader_mut(&mut self) -> Option<&mut dyn HashReaderMut> {
        (**self).as_hash_reader_mut()
    }

    fn itself_hash_reader_mut(&mut self) -> Option<&mut HashReader> {
        (**self).itself_hash_reader_mut()
    }

    fn record_to(&mut self, recorder: &Arc<Recorder>) {
        (**self).record_to(recorder);
    }
}

impl<T: TryGetIndex + ?Sized> TryGetIndex for Box<T> {
    fn try_get_index(&self) -> Option<&Index> {
        (**self).try_get_index()
    }
}
