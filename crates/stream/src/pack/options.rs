//! What a writer is told and what a reader brings.

use std::sync::Arc;

use rustfs_rio_monitor::Recorder;

use super::format::{BLOCK_BYTES, check_block};
use super::{PackError, Protection};
use crate::checksum::Algorithm;
use crate::codec::{Adaptive, CodecPolicy, Dictionary};
use crate::dare::Cipher;
use crate::keys::KeyProvider;
use crate::recording::Recording;

/// How to pack an object. By default: blocks of 1 MiB, [`Adaptive`] compression, no encryption, BLAKE3 as the only checksum.
#[derive(Debug, Clone)]
pub struct PackOptions {
    pub(super) block_bytes: usize,
    pub(super) policy: Arc<dyn CodecPolicy>,
    pub(super) dictionary: Option<Dictionary>,
    pub(super) encryption: Option<(Cipher, Arc<dyn KeyProvider>)>,
    pub(super) content_hash: bool,
    pub(super) checksums: Vec<Algorithm>,
    pub(super) recording: Recording,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PackOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            block_bytes: BLOCK_BYTES,
            policy: Arc::new(Adaptive::default()),
            dictionary: None,
            encryption: None,
            content_hash: true,
            checksums: Vec::new(),
            recording: Recording::default(),
        }
    }

    /// Bytes that are compressed and encrypted together, a power of two from 4 KiB to 16 MiB: small ones are read at random with less
    /// waste, large ones compress better.
    ///
    /// # Errors
    ///
    /// [`PackError::BlockBytes`].
    pub fn block_bytes(self, bytes: usize) -> Result<Self, PackError> {
        check_block(bytes)?;
        Ok(Self { block_bytes: bytes, ..self })
    }

    /// Who chooses the codec of each block.
    #[must_use]
    pub fn policy(self, policy: Arc<dyn CodecPolicy>) -> Self {
        Self { policy, ..self }
    }

    /// A dictionary for zstd; the reader needs it too.
    #[must_use]
    pub fn dictionary(self, dictionary: Dictionary) -> Self {
        Self { dictionary: Some(dictionary), ..self }
    }

    /// Encrypts with a random key for this object, which `keys` wraps.
    #[must_use]
    pub fn encrypt(self, cipher: Cipher, keys: Arc<dyn KeyProvider>) -> Self {
        Self { encryption: Some((cipher, keys)), ..self }
    }

    /// Whether the BLAKE3 hash of the content is computed and stored, as it is by default. Each frame is checked without it; it finds
    /// what goes wrong before a frame is sealed or after it was opened, and names the content.
    #[must_use]
    pub fn content_hash(self, wanted: bool) -> Self {
        Self { content_hash: wanted, ..self }
    }

    /// Checksums of the content to store besides BLAKE3; encrypted like the content if that is.
    #[must_use]
    pub fn checksums(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut checksums: Vec<Algorithm> = Vec::new();
        for algorithm in algorithms {
            if algorithm != Algorithm::Blake3 && !checksums.contains(&algorithm) {
                checksums.push(algorithm);
            }
        }
        Self { checksums, ..self }
    }

    /// Counts what is done to each block: compress, encrypt, checksum. Costs some 30 ns each, per block.
    #[must_use]
    pub fn recorder(self, recorder: &Arc<Recorder>) -> Self {
        Self { recording: Recording::new(recorder), ..self }
    }

    /// The checksums besides BLAKE3.
    pub fn extra_checksums(&self) -> &[Algorithm] {
        &self.checksums
    }

    /// Bytes in a block.
    pub fn block(&self) -> usize {
        self.block_bytes
    }

    pub(super) fn protection(&self) -> Protection {
        self.encryption.as_ref().map_or(Protection::Blake3, |(cipher, _)| (*cipher).into())
    }
}

/// What a reader brings.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    pub(super) keys: Option<Arc<dyn KeyProvider>>,
    pub(super) dictionary: Option<Dictionary>,
    pub(super) limit: Option<u64>,
    pub(super) recording: Recording,
}

impl ReadOptions {
    /// No keys, no dictionary, no limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keys for encrypted packs.
    #[must_use]
    pub fn keys(self, keys: Arc<dyn KeyProvider>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// A dictionary, for packs that name it.
    #[must_use]
    pub fn dictionary(self, dictionary: Dictionary) -> Self {
        Self { dictionary: Some(dictionary), ..self }
    }

    /// The most bytes of content that may come out.
    #[must_use]
    pub fn limit(self, bytes: u64) -> Self {
        Self { limit: Some(bytes), ..self }
    }

    /// Counts what is done to each frame: decrypt, decompress, checksum, and what is found damaged.
    #[must_use]
    pub fn recorder(self, recorder: &Arc<Recorder>) -> Self {
        Self { recording: Recording::new(recorder), ..self }
    }
}
