//! Reading: a stream of packages from pieces of any size, over one or several parts.

use std::fmt;

use aws_lc_rs::aead::LessSafeKey;

use super::DareError;
use super::format::{
    Cipher, HEADER_BYTES, Header, PAYLOAD_BYTES, StreamNonce, TAG_BYTES, VERSION, aead_input,
};
use crate::key::DataKey;

/// What a reader knows about one part of an object; an object that was written at once is one part.
#[derive(Debug, Clone)]
pub struct Part {
    key: DataKey,
    nonce: Option<StreamNonce>,
    first: u32,
    declared: Option<u64>,
}

impl Part {
    /// A part under `key`, whose nonce is taken from its first package.
    pub fn new(key: DataKey) -> Self {
        Self { key, nonce: None, first: 0, declared: None }
    }

    /// The nonce that the part must have.
    pub fn with_nonce(self, nonce: StreamNonce) -> Self {
        Self { nonce: Some(nonce), ..self }
    }

    /// The number of the first package, for reading from the middle of a part: the package that holds byte `n` of the payload has
    /// the number `n / PAYLOAD_BYTES`.
    pub fn starting_at(self, package: u32) -> Self {
        Self { first: package, ..self }
    }

    /// The bytes of payload that must come, no more and no fewer; counted from the first package that is read. 0 says that there
    /// is no package. Without it, a stream that lost all of its packages cannot be told from an empty object.
    pub fn declaring(self, bytes: u64) -> Self {
        Self { declared: Some(bytes), ..self }
    }
}

/// The part that is being read.
struct Current {
    part: Part,
    /// The cipher and its key, from the first package on.
    key: Option<(Cipher, LessSafeKey)>,
    packages: u64,
    payload: u64,
}

/// Turns the bytes of a stream, in pieces of any size, into those of its payload.
///
/// Bytes come out only after their package was authenticated. What goes in is held until its package is whole: at most one
/// package of 65,568 bytes. After an error, every call returns that error.
pub struct Decoder {
    parts: std::vec::IntoIter<Part>,
    count: u32,
    /// Number of the current part, from 1.
    number: u32,
    current: Option<Current>,
    held: Vec<u8>,
    failed: Option<DareError>,
}

impl Decoder {
    /// A decoder of these parts, one after the other. No parts: only the empty stream is right.
    pub fn new(parts: Vec<Part>) -> Self {
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let mut decoder = Self {
            parts: parts.into_iter(),
            count,
            number: 0,
            current: None,
            held: Vec::new(),
            failed: None,
        };
        decoder.next_part();
        decoder
    }

    /// Takes the next bytes of the stream and appends what they reveal of the payload to `out`: at most `input.len()` and one
    /// package more.
    ///
    /// # Errors
    ///
    /// What is wrong with the stream. The payload of the packages before is in `out` by then, nothing of the wrong one.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), DareError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.take(input, out).inspect_err(|error| self.fail(*error))
    }

    /// Says that the input has ended.
    ///
    /// # Errors
    ///
    /// [`DareError::TruncatedPackage`], [`DareError::Truncated`] or [`DareError::Length`] if something is missing; the error of
    /// an earlier call.
    pub fn finish(&mut self) -> Result<(), DareError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.end().inspect_err(|error| self.fail(*error))
    }

    fn fail(&mut self, error: DareError) {
        self.failed = Some(error);
        // Keys and held bytes are of no use any more.
        self.current = None;
        self.parts = Vec::new().into_iter();
        self.held = Vec::new();
    }

    fn end(&self) -> Result<(), DareError> {
        let Some(current) = &self.current else { return Ok(()) };
        let (part, packages) = (self.number, current.packages);
        if !self.held.is_empty() {
            return Err(DareError::TruncatedPackage { part, package: packages });
        }
        if let Some(declared) = current.part.declared {
            return Err(DareError::Length { part, declared, more: false });
        }
        // An object without bytes has no packages. Of several parts, none is empty unless it was declared so.
        if packages == 0 && self.count == 1 && current.part.first == 0 {
            return Ok(());
        }
        Err(DareError::Truncated { part, packages })
    }

    /// Goes to the next part that has packages.
    fn next_part(&mut self) {
        self.current = None;
        for part in self.parts.by_ref() {
            self.number = self.number.saturating_add(1);
            if part.declared != Some(0) {
                self.current = Some(Current { part, key: None, packages: 0, payload: 0 });
                return;
            }
        }
    }

    fn take(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), DareError> {
        while !input.is_empty() {
            if self.held.is_empty()
                && let Some(header) = input.first_chunk::<HEADER_BYTES>()
            {
                let length = self.check(header)?;
                if let Some((package, rest)) = input.split_at_checked(length) {
                    self.open(header, package.get(HEADER_BYTES..).unwrap_or_default(), out)?;
                    input = rest;
                    continue;
                }
            }
            if self.current.is_none() {
                return Err(DareError::Surplus { parts: self.count });
            }
            // A header is gathered first, checked, and then the rest of its package.
            let length = match self.held.first_chunk::<HEADER_BYTES>() {
                None => HEADER_BYTES,
                Some(header) => HEADER_BYTES + Header::decode(header).payload + TAG_BYTES,
            };
            let (now, rest) = input.split_at(input.len().min(length - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
            let Some(header) = self.held.first_chunk::<HEADER_BYTES>().copied() else { continue };
            if self.held.len() == HEADER_BYTES {
                self.check(&header)?;
            } else if self.held.len() == length {
                let mut held = std::mem::take(&mut self.held);
                self.open(&header, held.get(HEADER_BYTES..).unwrap_or_default(), out)?;
                held.clear();
                self.held = held;
            }
        }
        Ok(())
    }

    /// Checks all of a header that can be checked before authentication. Returns the length of its package.
    fn check(&self, bytes: &[u8; HEADER_BYTES]) -> Result<usize, DareError> {
        let Some(current) = &self.current else {
            return Err(DareError::Surplus { parts: self.count });
        };
        let (part, package) = (self.number, current.packages);
        let header = Header::decode(bytes);
        if header.version != VERSION {
            return Err(DareError::Version { part, package, found: header.version });
        }
        let cipher = Cipher::from_byte(header.cipher);
        if cipher.is_none() || current.key.as_ref().is_some_and(|(first, _)| Some(*first) != cipher) {
            return Err(DareError::Cipher { part, package, found: header.cipher });
        }
        if !header.last && header.payload != PAYLOAD_BYTES {
            return Err(DareError::ShortPackage { part, package, found: header.payload });
        }
        if current.part.nonce.is_some_and(|nonce| nonce != header.nonce) {
            return Err(DareError::Nonce { part, package });
        }
        if u32::try_from(u64::from(current.part.first) + package).is_err() {
            return Err(DareError::TooLong { part });
        }
        // Before the cipher runs, so that nothing above the declared length costs work or comes out.
        let payload = current.payload + header.payload as u64;
        if let Some(declared) = current.part.declared.filter(|declared| payload > *declared) {
            return Err(DareError::Length { part, declared, more: true });
        }
        Ok(HEADER_BYTES + header.payload + TAG_BYTES)
    }

    /// Authenticates and decrypts a package whose header was checked. `body` is what follows the header.
    fn open(&mut self, bytes: &[u8; HEADER_BYTES], body: &[u8], out: &mut Vec<u8>) -> Result<(), DareError> {
        let number = self.number;
        let Some(current) = &mut self.current else {
            return Err(DareError::Surplus { parts: self.count });
        };
        let header = Header::decode(bytes);
        let failure = DareError::Authentication { part: number, package: current.packages };
        let (key, sequence) = current.key(&header, number)?;
        let (nonce, aad) = aead_input(bytes, sequence);
        let (ciphertext, tag) = body.split_at_checked(header.payload).ok_or(failure)?;
        let start = out.len();
        out.resize(start + header.payload, 0);
        let (_, plain) = out.split_at_mut(start);
        if key.open_separate_gather(nonce, aad, ciphertext, tag, plain).is_err() {
            plain.fill(0);
            out.truncate(start);
            return Err(failure);
        }
        current.packages += 1;
        current.payload += header.payload as u64;
        // Its value is authenticated now: all later packages must have the same.
        current.part.nonce = Some(header.nonce);
        if header.last {
            let short = current.part.declared.filter(|declared| *declared != current.payload);
            if let Some(declared) = short {
                return Err(DareError::Length { part: number, declared, more: false });
            }
            self.next_part();
        }
        Ok(())
    }
}

impl Current {
    fn key(&mut self, header: &Header, part: u32) -> Result<(&LessSafeKey, u32), DareError> {
        let package = self.packages;
        let sequence =
            u32::try_from(u64::from(self.part.first) + package).map_err(|_| DareError::TooLong { part })?;
        let Some(cipher) = Cipher::from_byte(header.cipher) else {
            return Err(DareError::Cipher { part, package, found: header.cipher });
        };
        if self.key.is_none() {
            self.key = Some((cipher, cipher.key(&self.part.key)?));
        }
        match &self.key {
            Some((_, key)) => Ok((key, sequence)),
            None => Err(DareError::Cryptography),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("part", &self.number)
            .field("parts", &self.count)
            .field("package", &self.current.as_ref().map(|current| current.packages))
            .field("held", &self.held.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
