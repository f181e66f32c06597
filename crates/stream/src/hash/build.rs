//! Construction.

use std::io;

use super::HashReader;
use super::reader::{Layers, sha256};
use crate::reader::{
    DynReader, EtagReader, HardLimitReader, HashReaderDetector, HashReaderMut, ReadStream, Reader,
    boxed_reader, wrap_reader,
};
use crate::recording::Recording;

impl HashReader {
    /// A reader over `inner`.
    ///
    /// If `inner` is a [`HashReader`], it is replaced by the new one, which takes over its layers, what it knew and what it was to
    /// check. If `inner` contains one further below, that one stays, is told of `md5hex` and the sizes, and checks what comes through it;
    /// the layers between stay too. With [`HashReader::SIZE_PRESERVE_LAYER`] as size, nobody looks. Otherwise as
    /// [`HashReader::from_reader`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if the reader that was found was read already, or expects another checksum or size.
    pub fn new(
        mut inner: DynReader,
        size: i64,
        actual_size: i64,
        md5hex: Option<String>,
        sha256hex: Option<String>,
        diskable_md5: bool,
    ) -> io::Result<Self> {
        let given = Given { size, actual_size, md5hex, sha256hex, diskable_md5 };
        if size == Self::SIZE_PRESERVE_LAYER {
            return Ok(given.over(inner));
        }
        if let Some(found) = inner.itself_hash_reader_mut() {
            given.agrees_with(found)?;
            return given.instead_of(found);
        }
        if let Some(found) = inner.as_hash_reader_mut() {
            given.agrees_with(found)?;
            found.set_checksum(given.md5hex.clone());
            given.tell(found);
            let (content_hash, trailer) = (found.content_hash().clone(), found.get_trailer().cloned());
            let layers = Layers { other: true, ..Layers::default() };
            return Ok(Self { content_hash, trailer, ..given.reader(inner, layers) });
        }
        Ok(given.over(inner))
    }

    /// A reader over `inner` with fresh layers: one that passes exactly `size` bytes if that is not negative, and one that computes the
    /// MD5 and compares it with `md5hex`, unless it is switched off or `size` is [`HashReader::SIZE_PRESERVE_LAYER`].
    ///
    /// # Errors
    ///
    /// None.
    pub fn from_reader<R>(
        inner: R,
        size: i64,
        actual_size: i64,
        md5hex: Option<String>,
        sha256hex: Option<String>,
        diskable_md5: bool,
    ) -> io::Result<Self>
    where
        R: Reader + 'static,
    {
        let given = Given { size, actual_size, md5hex, sha256hex, diskable_md5 };
        Ok(given.over(boxed_reader(inner)))
    }

    /// As [`HashReader::from_reader`], for a plain source of bytes.
    ///
    /// # Errors
    ///
    /// None.
    pub fn from_stream<R>(
        inner: R,
        size: i64,
        actual_size: i64,
        md5hex: Option<String>,
        sha256hex: Option<String>,
        diskable_md5: bool,
    ) -> io::Result<Self>
    where
        R: ReadStream + 'static,
    {
        let given = Given { size, actual_size, md5hex, sha256hex, diskable_md5 };
        Ok(given.over(wrap_reader(inner)))
    }
}

/// The arguments.
struct Given {
    size: i64,
    actual_size: i64,
    md5hex: Option<String>,
    sha256hex: Option<String>,
    diskable_md5: bool,
}

impl Given {
    fn reader(self, inner: DynReader, layers: Layers) -> HashReader {
        HashReader {
            inner,
            size: self.size,
            actual_size: self.actual_size,
            diskable_md5: self.diskable_md5,
            checksum: self.md5hex,
            bytes_read: 0,
            layers,
            content_hash: None,
            content_hasher: None,
            sha256: sha256(self.sha256hex.as_ref()),
            content_sha256: self.sha256hex,
            trailer: None,
            verdict: None,
            recording: Recording::default(),
        }
    }

    /// With the layers that are wanted and not there yet.
    fn layered(&self, mut inner: DynReader, mut layers: Layers) -> (DynReader, Layers) {
        if layers.limit.is_none() && self.size >= 0 {
            inner = boxed_reader(HardLimitReader::new(inner, self.size));
            layers.limit = Some(self.size);
        }
        let wanted = !self.diskable_md5 && self.size != HashReader::SIZE_PRESERVE_LAYER;
        if wanted && !layers.etag {
            inner = boxed_reader(EtagReader::new(inner, self.md5hex.clone()));
            layers.etag = true;
        }
        (inner, layers)
    }

    fn over(self, inner: DynReader) -> HashReader {
        // A reader that computes the MD5 already, with nothing else expected of it, need not do so twice.
        let etag = (*inner).is_etag_reader() && self.md5hex.is_none() && self.size < 0;
        let (inner, layers) = self.layered(inner, Layers { etag, ..Layers::default() });
        self.reader(inner, layers)
    }

    /// Whether what is given goes together with what `found` knows.
    fn agrees_with(&self, found: &dyn HashReaderMut) -> io::Result<()> {
        if found.bytes_read() > 0 {
            return Err(invalid("Cannot create HashReader from an already read HashReader".to_owned()));
        }
        let differ = |a: Option<&String>, b: Option<&String>| {
            a.zip(b).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b))
        };
        if differ(found.checksum().as_ref(), self.md5hex.as_ref())
            || differ(found.content_sha256().as_ref(), self.sha256hex.as_ref())
        {
            return Err(invalid("HashReader checksum mismatch".to_owned()));
        }
        if found.size() > 0 && self.size > 0 && found.size() != self.size {
            let (old, new) = (found.size(), self.size);
            return Err(invalid(format!("HashReader size mismatch: expected {old}, got {new}")));
        }
        Ok(())
    }

    /// Tells the sizes that `found` does not know.
    fn tell(&self, found: &mut dyn HashReaderMut) {
        if found.size() < 0 && self.size >= 0 {
            found.set_size(self.size);
        }
        if found.actual_size() <= 0 && self.actual_size >= 0 {
            found.set_actual_size(self.actual_size);
        }
    }

    fn instead_of(mut self, found: &mut HashReader) -> io::Result<HashReader> {
        self.tell(found);
        self.size = found.size;
        self.actual_size = found.actual_size;
        self.sha256hex = found.content_sha256.take().or(self.sha256hex);
        let (inner, layers) = self.layered(found.take_inner(), found.layers);
        let mut reader = self.reader(inner, layers);
        reader.content_hash = found.content_hash.take();
        reader.content_hasher = found.content_hasher.take();
        reader.trailer = found.trailer.take();
        reader.recording = std::mem::take(&mut found.recording);
        Ok(reader)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
