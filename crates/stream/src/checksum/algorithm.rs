//! One checksum over one stream of bytes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::Engine;
use crc_fast::CrcAlgorithm;
use md5::Digest as _;

/// The longest digest of any algorithm, in bytes.
pub const DIGEST_BYTES_MAX: usize = 32;

/// A checksum algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// CRC-32 of IEEE 802.3, as zlib and gzip use it (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli), RFC 3720 appendix B.4.
    Crc32c,
    /// CRC-64/NVME, NVM Express NVM Command Set 1.0, section 5.2.1.3.4.
    Crc64Nvme,
    /// SHA-1, FIPS 180-4. Collisions can be made: use it for compatibility only.
    Sha1,
    /// SHA-256, FIPS 180-4.
    Sha256,
    /// MD5, RFC 1321. Collisions can be made: use it for compatibility only.
    Md5,
    /// XXH3 with 64 bits, without a secret; fast, and no protection against intent.
    Xxh3,
    /// BLAKE3 with 32 bytes.
    Blake3,
}

/// A name or number that is not that of an [`Algorithm`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown checksum algorithm `{found}`; expected crc32, crc32c, crc64nvme, sha1, sha256, md5, xxh3 or blake3"
)]
pub struct UnknownAlgorithm {
    /// What was found.
    pub found: String,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 8] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Md5,
        Self::Xxh3,
        Self::Blake3,
    ];

    /// The name in lower case, without separators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
            Self::Xxh3 => "xxh3",
            Self::Blake3 => "blake3",
        }
    }

    /// A number for formats that store which algorithm was used; it never changes. None is 0.
    pub fn id(self) -> u8 {
        match self {
            Self::Crc32 => 1,
            Self::Crc32c => 2,
            Self::Crc64Nvme => 3,
            Self::Sha1 => 4,
            Self::Sha256 => 5,
            Self::Md5 => 6,
            Self::Xxh3 => 7,
            Self::Blake3 => 8,
        }
    }

    /// The algorithm with the number `id`.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.id() == id)
    }

    /// Length of the digest in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Xxh3 => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
        }
    }

    /// The digest of `data`.
    pub fn digest(self, data: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(data);
        hasher.finish()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Takes the name in any case, with or without `-` and `_`.
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let name: String = text.chars().filter(|c| !matches!(c, '-' | '_')).collect();
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(&name));
        found.ok_or_else(|| UnknownAlgorithm { found: text.to_owned() })
    }
}

/// The value of a checksum, big-endian where it is a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; DIGEST_BYTES_MAX],
}

impl Digest {
    /// A digest with given bytes; `None` if their number is not [`Algorithm::digest_bytes`].
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut digest = Self { algorithm, bytes: [0; DIGEST_BYTES_MAX] };
        let target = digest.bytes.get_mut(..algorithm.digest_bytes())?;
        if bytes.len() != target.len() {
            return None;
        }
        target.copy_from_slice(bytes);
        Some(digest)
    }

    /// What computed it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.digest_bytes()).unwrap_or_default()
    }

    /// Hexadecimal in lower case, as ETags have it.
    pub fn to_hex(&self) -> String {
        hex(self.as_bytes())
    }

    /// Base64 with padding (RFC 4648 section 4), as S3 headers have it.
    pub fn to_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.as_bytes())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Hexadecimal in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn crc(algorithm: CrcAlgorithm) -> Box<crc_fast::Digest> {
    Box::new(crc_fast::Digest::new(algorithm))
}

#[derive(Clone)]
enum State {
    Crc(Box<crc_fast::Digest>),
    Sha(digest::Context),
    Md5(md5::Md5),
    Xxh3(Box<xxhash_rust::xxh3::Xxh3>),
    Blake3(Box<blake3::Hasher>),
}

/// A checksum that is being computed.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    state: State,
}

impl Hasher {
    /// The checksum of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Crc32 => State::Crc(crc(CrcAlgorithm::Crc32IsoHdlc)),
            Algorithm::Crc32c => State::Crc(crc(CrcAlgorithm::Crc32Iscsi)),
            Algorithm::Crc64Nvme => State::Crc(crc(CrcAlgorithm::Crc64Nvme)),
            Algorithm::Sha1 => State::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Sha256 => State::Sha(digest::Context::new(&digest::SHA256)),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::Xxh3 => State::Xxh3(Box::default()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        };
        Self { algorithm, state }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Crc(state) => state.update(data),
            State::Sha(state) => state.update(data),
            State::Md5(state) => state.update(data),
            State::Xxh3(state) => state.update(data),
            State::Blake3(state) => {
                state.update(data);
            }
        }
    }

    /// The checksum of what was taken so far. More may follow.
    pub fn finish(&self) -> Digest {
        let mut bytes = [0; DIGEST_BYTES_MAX];
        let mut put = |value: &[u8]| {
            for (to, from) in bytes.iter_mut().zip(value) {
                *to = *from;
            }
        };
        match &self.state {
            State::Crc(state) => {
                let value = state.finalize().to_be_bytes();
                put(value.get(8 - self.algorithm.digest_bytes()..).unwrap_or_default());
            }
            State::Sha(state) => put(state.clone().finish().as_ref()),
            State::Md5(state) => put(&state.clone().finalize()),
            State::Xxh3(state) => put(&state.digest().to_be_bytes()),
            State::Blake3(state) => put(state.finalize().as_bytes()),
        }
        Digest { algorithm: self.algorithm, bytes }
    }

    /// Forgets what was taken.
    pub fn reset(&mut self) {
        *self = Self::new(self.algorithm);
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm)
    }
}
