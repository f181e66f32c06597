//! Writing: packages, and a stream of them from pieces of any size.

use std::fmt;

use aws_lc_rs::aead::LessSafeKey;

use super::format::{Cipher, Header, PAYLOAD_BYTES, StreamNonce, TAG_BYTES, VERSION, aead_input};
use super::{DareError, HEADER_BYTES};
use crate::key::DataKey;

/// Makes packages of whole payloads, one after the other.
pub struct Sealer {
    key: LessSafeKey,
    cipher: Cipher,
    nonce: StreamNonce,
    /// Number of the next package; `None` after the last one or an error.
    next: Option<u32>,
    /// The last possible number was used.
    exhausted: bool,
}

impl Sealer {
    /// A new stream under `key`, with a random nonce.
    ///
    /// # Errors
    ///
    /// [`DareError::Random`] or [`DareError::Cryptography`].
    pub fn new(cipher: Cipher, key: &DataKey) -> Result<Self, DareError> {
        Self::with_nonce(cipher, key, StreamNonce::random()?, 0)
    }

    /// A stream with a chosen nonce whose first package has the number `first`.
    ///
    /// The same key, nonce and number must never be used for two different payloads: an attacker who sees both can decrypt them
    /// and forge others. Prefer [`Sealer::new`].
    ///
    /// # Errors
    ///
    /// [`DareError::Cryptography`].
    pub fn with_nonce(
        cipher: Cipher,
        key: &DataKey,
        nonce: StreamNonce,
        first: u32,
    ) -> Result<Self, DareError> {
        Ok(Self { key: cipher.key(key)?, cipher, nonce, next: Some(first), exhausted: false })
    }

    /// The stream's nonce, which a reader may be told.
    pub fn nonce(&self) -> StreamNonce {
        self.nonce
    }

    /// Appends a package with `payload` to `out`: [`PAYLOAD_BYTES`], or 1 to [`PAYLOAD_BYTES`] if it is the last one.
    ///
    /// # Errors
    ///
    /// [`DareError::Payload`] for another length; [`DareError::Finished`] after the last package or an error of the cipher;
    /// [`DareError::TooLong`] after 2^32 packages. `out` is then as it was.
    pub fn seal(&mut self, payload: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), DareError> {
        let start = out.len();
        out.resize(start + HEADER_BYTES + payload.len() + TAG_BYTES, 0);
        let (_, package) = out.split_at_mut(start);
        self.seal_into(payload, last, package).inspect_err(|_| out.truncate(start))
    }

    /// As [`Sealer::seal`], into `package`, which has exactly 32 bytes more than `payload`: the cipher reads the one and writes the other, so
    /// that no byte is copied or cleared before.
    ///
    /// # Errors
    ///
    /// As there; [`DareError::Payload`] also if `package` has another length. It then holds no byte of the payload.
    pub fn seal_into(&mut self, payload: &[u8], last: bool, package: &mut [u8]) -> Result<(), DareError> {
        if package.len() != HEADER_BYTES + payload.len() + TAG_BYTES {
            return Err(DareError::Payload { found: payload.len() });
        }
        self.seal_package(package, last, |sealer, head, sequence, body| {
            sealer.encrypt(head, sequence, payload, body)
        })
    }

    /// As [`Sealer::seal`], where the payload lies already in its package, behind 16 bytes for the header and before 16 for the tag. Nothing is
    /// moved: read an object straight into its packages. Over much data it is slower than [`seal_into`](Self::seal_into)
    /// (docs/decisions/0030).
    ///
    /// # Errors
    ///
    /// As there, for the length of what lies between. After an error of the cipher, the payload is gone.
    pub fn seal_in_place(&mut self, package: &mut [u8], last: bool) -> Result<(), DareError> {
        self.seal_package(package, last, |sealer, head, sequence, body| {
            let (nonce, aad) = aead_input(head, sequence);
            let (text, end) = body.split_at_mut(body.len() - TAG_BYTES);
            let tag = sealer.key.seal_in_place_separate_tag(nonce, aad, text);
            tag.map(|tag| end.copy_from_slice(tag.as_ref())).map_err(|_| DareError::Cryptography)
        })
    }

    /// Checks the length, takes a number, writes the header and lets `encrypt` fill what follows it.
    fn seal_package(
        &mut self,
        package: &mut [u8],
        last: bool,
        encrypt: impl FnOnce(&Self, &[u8; HEADER_BYTES], u32, &mut [u8]) -> Result<(), DareError>,
    ) -> Result<(), DareError> {
        let payload = package.len().saturating_sub(HEADER_BYTES + TAG_BYTES);
        let wrong_length = DareError::Payload { found: payload };
        if payload == 0 || payload > PAYLOAD_BYTES || (!last && payload != PAYLOAD_BYTES) {
            return Err(wrong_length);
        }
        let Some((head, body)) = package.split_first_chunk_mut::<HEADER_BYTES>() else {
            return Err(wrong_length);
        };
        let sequence = match self.next {
            Some(sequence) => sequence,
            None if self.exhausted => return Err(DareError::TooLong { part: 1 }),
            None => return Err(DareError::Finished),
        };
        // Taken before the cipher runs: a number is never used again, whatever happens.
        self.next = if last { None } else { sequence.checked_add(1) };
        self.exhausted = !last && self.next.is_none();
        let (version, cipher) = (VERSION, self.cipher.byte());
        *head = Header { version, cipher, payload, last, nonce: self.nonce }.encode();
        encrypt(self, head, sequence, body).inspect_err(|_| {
            // What the cipher left may be the payload itself.
            body.fill(0);
            self.next = None;
        })
    }

    fn encrypt(
        &self,
        head: &[u8; HEADER_BYTES],
        sequence: u32,
        payload: &[u8],
        body: &mut [u8],
    ) -> Result<(), DareError> {
        let (nonce, aad) = aead_input(head, sequence);
        match self.cipher {
            // From one buffer into the other. The library takes the payload as what follows an empty one.
            Cipher::Aes256Gcm => self.key.seal_in_place_scatter(nonce, aad, &mut [], payload, body),
            // The library encrypts what follows 64 bytes at a time with this cipher: a copy costs less.
            Cipher::ChaCha20Poly1305 => {
                let (text, end) = body.split_at_mut(payload.len());
                text.copy_from_slice(payload);
                self.key
                    .seal_in_place_separate_tag(nonce, aad, text)
                    .map(|tag| end.copy_from_slice(tag.as_ref()))
            }
        }
        .map_err(|_| DareError::Cryptography)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, cipher, nonce, next, exhausted: _ } = self;
        f.debug_struct("Sealer")
            .field("cipher", cipher)
            .field("nonce", nonce)
            .field("next", next)
            .finish_non_exhaustive()
    }
}

/// Makes the stream of one object or part from pieces of any size.
///
/// It holds back up to [`PAYLOAD_BYTES`], since only the end of the input tells which package is the last.
///
/// ```
/// use rustfs_rio_stream::DataKey;
/// use rustfs_rio_stream::dare::{Cipher, Decoder, Encoder, Part, Sealer};
///
/// # fn main() -> Result<(), rustfs_rio_stream::dare::DareError> {
/// let key = DataKey::from([7; 32]);
/// let mut stream = Vec::new();
/// let mut encoder = Encoder::new(Sealer::new(Cipher::Aes256Gcm, &key)?);
/// encoder.push(b"hello ", &mut stream)?;
/// encoder.push(b"world", &mut stream)?;
/// encoder.finish(&mut stream)?;
///
/// let mut plain = Vec::new();
/// let mut decoder = Decoder::new(vec![Part::new(key)]);
/// decoder.push(&stream, &mut plain)?;
/// decoder.finish()?;
/// assert_eq!(plain, b"hello world");
/// # Ok(()) }
/// ```
pub struct Encoder {
    sealer: Sealer,
    held: Vec<u8>,
}

impl Encoder {
    /// An encoder over a sealer that made no package yet.
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer, held: Vec::new() }
    }

    /// Takes the next bytes of the input and appends the packages that are complete to `out`: at most `input.len()` and one
    /// package more, and 32 bytes for each.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal`]. The stream is then of no use.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), DareError> {
        while !input.is_empty() {
            if self.held.len() == PAYLOAD_BYTES {
                self.sealer.seal(&self.held, false, out)?;
                self.held.clear();
            }
            // Whole payloads with more behind them need no copy.
            if self.held.is_empty()
                && let Some((payload, rest)) = input.split_at_checked(PAYLOAD_BYTES)
                && !rest.is_empty()
            {
                self.sealer.seal(payload, false, out)?;
                input = rest;
                continue;
            }
            let (now, rest) = input.split_at(input.len().min(PAYLOAD_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
        }
        Ok(())
    }

    /// Appends the last package. An empty input has none: its stream is empty.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), DareError> {
        if self.held.is_empty() { Ok(()) } else { self.sealer.seal(&self.held, true, out) }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("sealer", &self.sealer)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}
