//! Readers that encrypt and decrypt.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::open::OpenDecoder;
use super::seal::SealEncoder;
use crate::key::DataKey;
use crate::reader::{Pump, Stage, delegate, staged};

/// Declared by the original, whose blocks have [`SEALED_BLOCK_BYTES`](super::SEALED_BLOCK_BYTES) nevertheless, in bytes.
pub const DEFAULT_ENCRYPTION_BLOCK_SIZE: usize = 1024 * 1024;

impl Stage for SealEncoder {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        SealEncoder::push(self, input, out)?;
        Ok(input.len())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Ok(SealEncoder::finish(self, out)?)
    }
}

impl Stage for OpenDecoder {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        OpenDecoder::push(self, input, out)?;
        Ok(input.len())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(OpenDecoder::finish(self)?)
    }

    fn ended(&self) -> bool {
        OpenDecoder::ended(self)
    }
}

/// Encrypts what `inner` gives into a RustFS encrypted stream.
///
/// The format does not authenticate the order and the end of its blocks. For new data prefer the packed format or
/// [`rio_v2::EncryptReader`](crate::rio_v2::EncryptReader).
pub struct EncryptReader<R> {
    /// The source.
    pub inner: R,
    pump: Pump<SealEncoder>,
}

impl<R> EncryptReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// The stream of one object. The same key and nonce must never be used for two contents.
    pub fn new(inner: R, key: [u8; 32], nonce: [u8; 12]) -> Self {
        Self { inner, pump: Pump::new(SealEncoder::new(&DataKey::from(key), nonce)) }
    }

    /// The stream of one part of an object.
    pub fn new_multipart(inner: R, key: [u8; 32], base_nonce: [u8; 12], part_number: usize) -> Self {
        let encoder = SealEncoder::part(&DataKey::from(key), base_nonce, part_number);
        Self { inner, pump: Pump::new(encoder) }
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

/// Decrypts the RustFS encrypted stream that `inner` gives.
pub struct DecryptReader<R> {
    /// The source.
    pub inner: R,
    pump: Pump<OpenDecoder>,
}

impl<R> DecryptReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// The content of one object.
    pub fn new(inner: R, key: [u8; 32], nonce: [u8; 12]) -> Self {
        Self::with_decoder(inner, OpenDecoder::new(&DataKey::from(key), nonce))
    }

    /// The content of an object of several parts, whose numbers are given in order.
    pub fn new_multipart(inner: R, key: [u8; 32], base_nonce: [u8; 12], multipart_parts: Vec<usize>) -> Self {
        Self::with_decoder(inner, OpenDecoder::parts(&DataKey::from(key), base_nonce, multipart_parts))
    }

    /// With a decoder that knows how much must come.
    pub fn with_decoder(inner: R, decoder: OpenDecoder) -> Self {
        Self { inner, pump: Pump::new(decoder) }
    }
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
