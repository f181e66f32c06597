//! Several checksums in one pass.

use super::algorithm::{Algorithm, Digest, Hasher};

/// Bytes that all algorithms see before the next ones are looked at: they stay in the first-level cache (32 KiB and more on
/// the processors of the last ten years), so that memory is read once however many algorithms there are.
const PIECE_BYTES: usize = 16 << 10;

/// Computes several checksums of the same bytes, reading them from memory once.
///
/// ```
/// use rustfs_rio_stream::checksum::{Algorithm, MultiHasher};
///
/// let mut hasher = MultiHasher::new([Algorithm::Crc32, Algorithm::Md5]);
/// hasher.update(b"12345");
/// hasher.update(b"6789");
/// assert_eq!(hasher.digest(Algorithm::Crc32).unwrap().to_hex(), "cbf43926");
/// assert_eq!(hasher.digest(Algorithm::Md5).unwrap().to_hex(), "25f9e794323b453885f5181f1b624d0b");
/// ```
#[derive(Debug, Clone, Default)]
pub struct MultiHasher {
    lanes: Vec<Hasher>,
    bytes: u64,
}

impl MultiHasher {
    /// The checksums of nothing yet; an algorithm that is named twice is computed once. Without algorithms it counts bytes only.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut lanes: Vec<Hasher> = Vec::new();
        for algorithm in algorithms {
            if !lanes.iter().any(|lane| lane.algorithm() == algorithm) {
                lanes.push(Hasher::new(algorithm));
            }
        }
        Self { lanes, bytes: 0 }
    }

    /// The algorithms, in the order in which they were given.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.lanes.iter().map(Hasher::algorithm)
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        if let [lane] = self.lanes.as_mut_slice() {
            lane.update(data);
            return;
        }
        for piece in data.chunks(PIECE_BYTES) {
            for lane in &mut self.lanes {
                lane.update(piece);
            }
        }
    }

    /// Bytes that were taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The checksum of what was taken so far; `None` for an algorithm that is not computed.
    pub fn digest(&self, algorithm: Algorithm) -> Option<Digest> {
        self.lanes.iter().find(|lane| lane.algorithm() == algorithm).map(Hasher::finish)
    }

    /// All checksums of what was taken so far, in the order of [`MultiHasher::algorithms`].
    pub fn finish(&self) -> Vec<Digest> {
        self.lanes.iter().map(Hasher::finish).collect()
    }

    /// Forgets what was taken.
    pub fn reset(&mut self) {
        self.lanes.iter_mut().for_each(Hasher::reset);
        self.bytes = 0;
    }
}
