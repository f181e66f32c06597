//! Hashers with the interface of the original.

use std::io::{self, Write};

use super::algorithm::{Algorithm, Hasher};

/// A checksum that takes bytes through [`Write`], which never fails here.
pub trait ChecksumHasher: Write + Send + Sync {
    /// The digest of what was written so far, big-endian. More may be written afterwards.
    fn finalize(&mut self) -> Vec<u8>;

    /// Forgets what was written.
    fn reset(&mut self);
}

macro_rules! hashers {
    ($($(#[$doc:meta])* $name:ident: $algorithm:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(Hasher);

        impl $name {
            /// The checksum of nothing yet.
            pub fn new() -> Self {
                Self(Hasher::new(Algorithm::$algorithm))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl Write for $name {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.update(data);
                Ok(data.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl ChecksumHasher for $name {
            fn finalize(&mut self) -> Vec<u8> {
                self.0.finish().as_bytes().to_vec()
            }

            fn reset(&mut self) {
                self.0.reset();
            }
        }
    )*};
}

hashers! {
    /// CRC-32 of IEEE 802.3.
    Crc32IeeeHasher: Crc32;
    /// CRC-32C (Castagnoli).
    Crc32CastagnoliHasher: Crc32c;
    /// SHA-1.
    Sha1Hasher: Sha1;
    /// SHA-256.
    Sha256Hasher: Sha256;
    /// CRC-64/NVME.
    Crc64NvmeHasher: Crc64Nvme;
}
