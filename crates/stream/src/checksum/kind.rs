//! Which checksum: bits that object metadata stores and S3 headers name.

use std::fmt;

use http::HeaderMap;

use super::algorithm::Algorithm;
use super::hasher::{
    ChecksumHasher, Crc32CastagnoliHasher, Crc32IeeeHasher, Crc64NvmeHasher, Sha1Hasher, Sha256Hasher,
};
use super::header::{CHECKSUM_ALGORITHM_HEADER, CHECKSUM_TYPE_HEADER, COMPOSITE, FULL_OBJECT, text};

/// Length of a SHA-256 digest in bytes.
pub const SHA256_SIZE: usize = 32;
/// Metadata key under which RustFS keeps the checksum algorithm of a multipart upload.
pub const RUSTFS_MULTIPART_CHECKSUM: &str = "x-rustfs-multipart-checksum";
/// Metadata key under which RustFS keeps the checksum type of a multipart upload.
pub const RUSTFS_MULTIPART_CHECKSUM_TYPE: &str = "x-rustfs-multipart-checksum-type";
/// The algorithms that S3 headers may name, in the order in which headers are looked at.
pub const BASE_CHECKSUM_TYPES: &[ChecksumType] = &[
    ChecksumType::SHA256,
    ChecksumType::SHA1,
    ChecksumType::CRC32,
    ChecksumType::CRC64_NVME,
    ChecksumType::CRC32C,
];

/// An algorithm and how its value is to be understood, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChecksumType(pub u32);

impl ChecksumType {
    /// No checksum.
    pub const NONE: Self = Self(0);
    /// The value follows the content in a trailer.
    pub const TRAILING: Self = Self(1 << 0);
    /// SHA-256.
    pub const SHA256: Self = Self(1 << 1);
    /// SHA-1.
    pub const SHA1: Self = Self(1 << 2);
    /// CRC-32 of IEEE 802.3.
    pub const CRC32: Self = Self(1 << 3);
    /// CRC-32C.
    pub const CRC32C: Self = Self(1 << 4);
    /// A request that contradicts itself.
    pub const INVALID: Self = Self(1 << 5);
    /// The value is one of a multipart object.
    pub const MULTIPART: Self = Self(1 << 6);
    /// The values of the parts follow.
    pub const INCLUDES_MULTIPART: Self = Self(1 << 7);
    /// CRC-64/NVME.
    pub const CRC64_NVME: Self = Self(1 << 8);
    /// The value is that of the whole content, not of the parts' values.
    pub const FULL_OBJECT: Self = Self(1 << 9);

    /// The algorithms, in the order in which the first one that is set counts.
    const ALGORITHMS: [(Self, Algorithm); 5] = [
        (Self::CRC32, Algorithm::Crc32),
        (Self::CRC32C, Algorithm::Crc32c),
        (Self::SHA1, Algorithm::Sha1),
        (Self::SHA256, Algorithm::Sha256),
        (Self::CRC64_NVME, Algorithm::Crc64Nvme),
    ];

    /// Whether all bits of `other` are set; [`ChecksumType::NONE`] is only itself.
    pub fn is(self, other: Self) -> bool {
        if other == Self::NONE { self == Self::NONE } else { self.0 & other.0 == other.0 }
    }

    /// Sets the bits of `other`.
    pub fn merge(&mut self, other: Self) -> &mut Self {
        self.0 |= other.0;
        self
    }

    /// The bits of algorithms only.
    pub fn base(self) -> Self {
        let all = Self::ALGORITHMS.iter().fold(0, |all, (bits, _)| all | bits.0);
        Self(self.0 & all)
    }

    /// The algorithm, if there is one.
    pub fn algorithm(self) -> Option<Algorithm> {
        Self::ALGORITHMS.iter().find(|(bits, _)| self.is(*bits)).map(|(_, algorithm)| *algorithm)
    }

    /// The S3 header that carries the value.
    pub fn key(self) -> Option<&'static str> {
        Some(match self.algorithm()? {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
            _ => "x-amz-checksum-crc64nvme",
        })
    }

    /// Length of the digest in bytes; 0 without an algorithm.
    pub fn raw_byte_len(self) -> usize {
        self.algorithm().map_or(0, Algorithm::digest_bytes)
    }

    /// Whether there is an algorithm and the type is not [`ChecksumType::INVALID`].
    pub fn is_set(self) -> bool {
        !self.is(Self::INVALID) && self.base() != Self::NONE
    }

    /// Whether the value of a content follows from those of its parts.
    pub fn can_merge(self) -> bool {
        self.is(Self::CRC64_NVME) || self.is(Self::CRC32C) || self.is(Self::CRC32)
    }

    /// A hasher for the algorithm, if there is one.
    pub fn hasher(self) -> Option<Box<dyn ChecksumHasher>> {
        Some(match self.algorithm()? {
            Algorithm::Crc32 => Box::new(Crc32IeeeHasher::new()),
            Algorithm::Crc32c => Box::new(Crc32CastagnoliHasher::new()),
            Algorithm::Sha1 => Box::new(Sha1Hasher::new()),
            Algorithm::Sha256 => Box::new(Sha256Hasher::new()),
            _ => Box::new(Crc64NvmeHasher::new()),
        })
    }

    /// Whether the value follows the content.
    pub fn trailing(self) -> bool {
        self.is(Self::TRAILING)
    }

    /// Whether the value is that of the whole content, which CRC-64/NVME always is.
    pub fn full_object_requested(self) -> bool {
        self.is(Self::FULL_OBJECT) || self.is(Self::CRC64_NVME)
    }

    /// `FULL_OBJECT`, `COMPOSITE`, or nothing without an algorithm.
    pub fn obj_type(self) -> &'static str {
        match (self.full_object_requested(), self.is_set()) {
            (true, _) => FULL_OBJECT,
            (false, true) => COMPOSITE,
            (false, false) => "",
        }
    }

    /// The type that `x-amz-checksum-algorithm` and `x-amz-checksum-type` name.
    pub fn from_header(headers: &HeaderMap) -> Self {
        let value = |name| text(headers, name).unwrap_or_default();
        Self::from_string_with_obj_type(value(CHECKSUM_ALGORITHM_HEADER), value(CHECKSUM_TYPE_HEADER))
    }

    /// The type of an algorithm's name, in any case: [`ChecksumType::NONE`] for nothing, [`ChecksumType::INVALID`] for an unknown one.
    pub fn from_string(alg: &str) -> Self {
        Self::from_string_with_obj_type(alg, "")
    }

    /// As [`ChecksumType::from_string`], with `FULL_OBJECT`, `COMPOSITE` or nothing as the object type;
    /// [`ChecksumType::INVALID`] where the two do not go together.
    pub fn from_string_with_obj_type(alg: &str, obj_type: &str) -> Self {
        let full = match obj_type {
            FULL_OBJECT => Self::FULL_OBJECT.0,
            COMPOSITE | "" => 0,
            _ => return Self::INVALID,
        };
        match (alg.to_ascii_uppercase().as_str(), full) {
            ("CRC32", _) => Self(Self::CRC32.0 | full),
            ("CRC32C", _) => Self(Self::CRC32C.0 | full),
            ("CRC64NVME", _) => Self::CRC64_NVME,
            ("SHA1", 0) => Self::SHA1,
            ("SHA256", 0) => Self::SHA256,
            ("", 0) => Self::NONE,
            _ => Self::INVALID,
        }
    }
}

impl fmt::Display for ChecksumType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.algorithm() {
            Some(Algorithm::Crc32) => "CRC32",
            Some(Algorithm::Crc32c) => "CRC32C",
            Some(Algorithm::Sha1) => "SHA1",
            Some(Algorithm::Sha256) => "SHA256",
            Some(Algorithm::Crc64Nvme) => "CRC64NVME",
            _ => "",
        })
    }
}
