//! Readers over DARE 2.0 streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::dare::{Cipher, DareError, Decoder, Encoder, Part, Sealer, StreamNonce, part_key};
use crate::key::DataKey;
use crate::reader::{Pump, Stage, delegate, staged};
use crate::rustfs::multipart_part_nonce;

/// The key of a part: HMAC-SHA-256 under `object_key` of the part's number, 4 bytes little-endian.
///
/// The result is a plain array, as in the original; [`part_key`] gives one that is wiped.
pub fn derive_part_key(object_key: [u8; 32], part_number: u32) -> [u8; 32] {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &object_key);
    let tag = hmac::sign(&key, &part_number.to_le_bytes());
    let mut derived = [0; 32];
    for (to, from) in derived.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    derived
}

/// An encoder that ends once; or the error that there is none.
struct Seal {
    encoder: Option<Encoder>,
    failed: Option<DareError>,
}

impl Seal {
    fn new(sealer: Result<Sealer, DareError>) -> Self {
        let failed = sealer.as_ref().err().copied();
        Self { encoder: sealer.ok().map(Encoder::new), failed }
    }

    fn with_nonce(key: [u8; 32], nonce: [u8; 12], sequence: u32) -> Self {
        let (key, nonce) = (DataKey::from(key), StreamNonce::new(nonce));
        Self::new(Sealer::with_nonce(Cipher::Aes256Gcm, &key, nonce, sequence))
    }

    fn usable(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Stage for Seal {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        self.usable()?;
        if let Some(encoder) = &mut self.encoder {
            encoder.push(input, out).inspect_err(|error| self.failed = Some(*error))?;
        }
        Ok(input.len())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.usable()?;
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out).inspect_err(|error| self.failed = Some(*error))?;
        }
        Ok(())
    }
}

/// A decoder, or the error that there is none.
struct Open(Result<Decoder, DareError>);

impl Stage for Open {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        self.0.as_mut().map_err(|error| *error)?.push(input, out)?;
        Ok(input.len())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(self.0.as_mut().map_err(|error| *error)?.finish()?)
    }
}

/// Encrypts what `inner` gives into a DARE 2.0 stream with AES-256-GCM.
pub struct EncryptReader<R> {
    inner: R,
    pump: Pump<Seal>,
}

impl<R> EncryptReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    fn over(inner: R, seal: Seal) -> Self {
        Self { inner, pump: Pump::new(seal) }
    }

    /// With a chosen nonce. The same key and nonce must never be used for two contents; prefer [`EncryptReader::new_with_object_key`].
    pub fn new(inner: R, key: [u8; 32], nonce: [u8; 12]) -> Self {
        Self::new_with_sequence(inner, key, nonce, 0)
    }

    /// As [`EncryptReader::new`], with the number of the first package.
    pub fn new_with_sequence(inner: R, key: [u8; 32], nonce: [u8; 12], sequence_number: u32) -> Self {
        Self::over(inner, Seal::with_nonce(key, nonce, sequence_number))
    }

    /// With a random nonce. If the system has no random bytes, the first read fails.
    pub fn new_with_object_key(inner: R, object_key: [u8; 32]) -> Self {
        Self::over(inner, Seal::new(Sealer::new(Cipher::Aes256Gcm, &DataKey::from(object_key))))
    }

    /// One part, whose nonce is [`multipart_part_nonce`].
    pub fn new_multipart(inner: R, key: [u8; 32], base_nonce: [u8; 12], part_number: usize) -> Self {
        Self::new_multipart_with_sequence(inner, key, base_nonce, part_number, 0)
    }

    /// As [`EncryptReader::new_multipart`], with the number of the first package.
    pub fn new_multipart_with_sequence(
        inner: R,
        key: [u8; 32],
        base_nonce: [u8; 12],
        part_number: usize,
        sequence_number: u32,
    ) -> Self {
        let nonce = multipart_part_nonce(base_nonce, part_number);
        Self::over(inner, Seal::with_nonce(key, nonce, sequence_number))
    }

    /// One part under [`derive_part_key`], with a random nonce.
    pub fn new_multipart_with_object_key(inner: R, object_key: [u8; 32], part_number: u32) -> Self {
        let key = part_key(&DataKey::from(object_key), part_number);
        Self::over(inner, Seal::new(key.and_then(|key| Sealer::new(Cipher::Aes256Gcm, &key))))
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for EncryptReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, pump } = &mut *self;
        pump.poll_read(inner, cx, buf)
    }
}

staged!([R] EncryptReader<R>: Encrypt);
delegate!([R] EncryptReader<R>: etag, index);

/// Decrypts the DARE 2.0 stream that `inner` gives, with either cipher.
pub struct DecryptReader<R> {
    inner: R,
    pump: Pump<Open>,
}

impl<R> DecryptReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    fn over(inner: R, parts: Result<Vec<Part>, DareError>) -> Self {
        Self { inner, pump: Pump::new(Open(parts.map(Decoder::new))) }
    }

    /// The content of one object with a known nonce.
    pub fn new(inner: R, key: [u8; 32], nonce: [u8; 12]) -> Self {
        Self::new_with_sequence(inner, key, nonce, 0)
    }

    /// As [`DecryptReader::new`], from the package with the given number on.
    pub fn new_with_sequence(inner: R, key: [u8; 32], nonce: [u8; 12], sequence_number: u32) -> Self {
        let part = Part::new(DataKey::from(key)).with_nonce(StreamNonce::new(nonce));
        Self::over(inner, Ok(vec![part.starting_at(sequence_number)]))
    }

    /// The content of one object, with the nonce that its first package has.
    pub fn new_with_object_key(inner: R, object_key: [u8; 32]) -> Self {
        Self::new_with_object_key_and_sequence(inner, object_key, 0)
    }

    /// As [`DecryptReader::new_with_object_key`], from the package with the given number on.
    pub fn new_with_object_key_and_sequence(inner: R, object_key: [u8; 32], sequence_number: u32) -> Self {
        Self::over(inner, Ok(vec![Part::new(DataKey::from(object_key)).starting_at(sequence_number)]))
    }

    /// The content of several parts, whose numbers are given in order; their nonces are [`multipart_part_nonce`].
    pub fn new_multipart(inner: R, key: [u8; 32], base_nonce: [u8; 12], multipart_parts: Vec<usize>) -> Self {
        Self::new_multipart_with_sequence(inner, key, base_nonce, multipart_parts, 0)
    }

    /// As [`DecryptReader::new_multipart`], from the package of the first part with the given number on.
    pub fn new_multipart_with_sequence(
        inner: R,
        key: [u8; 32],
        base_nonce: [u8; 12],
        multipart_parts: Vec<usize>,
        sequence_number: u32,
    ) -> Self {
        let key = DataKey::from(key);
        let part = |number| {
            let nonce = StreamNonce::new(multipart_part_nonce(base_nonce, number));
            Ok(Part::new(key.clone()).with_nonce(nonce))
        };
        let parts: Result<_, _> = multipart_parts.into_iter().map(part).collect();
        Self::over(inner, parts.map(|parts| starting(parts, sequence_number)))
    }

    /// The content of several parts under [`derive_part_key`], whose numbers are given in order.
    pub fn new_multipart_with_object_key(
        inner: R,
        object_key: [u8; 32],
        multipart_parts: Vec<usize>,
    ) -> Self {
        Self::new_multipart_with_object_key_and_sequence(inner, object_key, multipart_parts, 0)
    }

    /// As [`DecryptReader::new_multipart_with_object_key`], from the package of the first part with the given number on.
    pub fn new_multipart_with_object_key_and_sequence(
        inner: R,
        object_key: [u8; 32],
        multipart_parts: Vec<usize>,
        sequence_number: u32,
    ) -> Self {
        let key = DataKey::from(object_key);
        let part = |number: usize| Ok(Part::new(part_key(&key, number as u32)?));
        let parts: Result<_, _> = multipart_parts.into_iter().map(part).collect();
        Self::over(inner, parts.map(|parts| starting(parts, sequence_number)))
    }
}

/// The first part begins at a package; the others at their beginning.
fn starting(parts: Vec<Part>, sequence: u32) -> Vec<Part> {
    let start = |(i, part): (usize, Part)| if i == 0 { part.starting_at(sequence) } else { part };
    parts.into_iter().enumerate().map(start).collect()
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for DecryptReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, pump } = &mut *self;
        pump.poll_read(inner, cx, buf)
    }
}

staged!([R] DecryptReader<R>: Decrypt);
delegate!([R] DecryptReader<R>: etag, index);
