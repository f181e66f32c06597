//! How large the cache is, and what it may read ahead.

use rustfs_rio_buf::memory_limit;

/// Fewer blocks than this are no cache: eviction has nothing to choose from.
const BLOCKS_MIN: u64 = 64;

/// Settings of a block cache for direct files.
///
/// Direct files are those opened with [`DirectMode::On`](crate::DirectMode::On), or `Auto` where the file system has direct I/O;
/// buffered files have the kernel's page cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// Bytes of blocks that the cache holds at most; 0: there is no cache, and nothing of it is on the path of a read. Default
    /// 64 MiB. What it takes beyond [`buffer_memory`](crate::RuntimeConfig::buffer_memory) are these bytes, a sixteenth of them (at
    /// least 4 MiB) for blocks that are on their way or still read by somebody after their eviction, and some 150 bytes of books
    /// per block.
    pub bytes: u64,
    /// Bytes of a block: a power of two from 4096 to 65536. Default 4096, because a read that misses fetches whole blocks.
    pub block_size: usize,
    /// Whether blocks are read ahead of demand. Default on; it needs the cache.
    pub prefetch: bool,
    /// Share of what is read ahead that is to be used, 0 to 1; what falls below is not read ahead. Default 0.5.
    pub prefetch_use_min: f32,
    /// How far ahead of a stream's reader may be read, in units of 64 KiB, 4 to 64; the live parameter starts with it. Default 64.
    pub prefetch_distance: u64,
    /// Bytes of one range, and bytes under way on one device, 64 KiB to 1 MiB; the live parameter starts with it. Default 1 MiB.
    pub prefetch_size: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            block_size: 4096,
            prefetch: true,
            prefetch_use_min: 0.5,
            prefetch_distance: 64,
            prefetch_size: 1 << 20,
        }
    }
}

impl CacheConfig {
    /// The defaults with so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// What is wrong, what is allowed, and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.block_size.is_power_of_two() || !(4096..=65_536).contains(&self.block_size) {
            let value = self.block_size;
            return Err(format!(
                "cache.block_size is {value}, expected a power of two from 4096 to 65536 bytes"
            ));
        }
        if !(0.0..=1.0).contains(&self.prefetch_use_min) {
            let value = self.prefetch_use_min;
            return Err(format!("cache.prefetch_use_min is {value}, expected a share from 0 to 1"));
        }
        let (distance, size) = (self.prefetch_distance, self.prefetch_size);
        if !(4..=64).contains(&distance) {
            return Err(format!("cache.prefetch_distance is {distance}, expected 4 to 64 units of 64 KiB"));
        }
        if !(64 << 10..=1 << 20).contains(&size) {
            return Err(format!("cache.prefetch_size is {size}, expected 65536 to 1048576 bytes"));
        }
        let (bytes, least) = (self.bytes, BLOCKS_MIN * self.block_size as u64);
        if bytes > 0 && bytes < least {
            return Err(format!(
                "cache.bytes is {bytes}, expected 0 (no cache) or at least {least}, which is {BLOCKS_MIN} blocks"
            ));
        }
        match memory_limit() {
            Some(memory) if bytes >= memory => Err(format!(
                "cache.bytes is {bytes}, but this machine or control group has {memory} bytes of memory in all; choose a \
                 part of that, for example {}, or 0 for no cache",
                memory / 8
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step ends the test")]
mod tests {
    use super::*;

    #[test]
    fn a_bad_setting_is_named_with_what_is_allowed() {
        let text = |config: CacheConfig| config.check().unwrap_err();
        assert!(
            text(CacheConfig::new(1)).contains("cache.bytes is 1, expected 0 (no cache) or at least 262144")
        );
        assert!(text(CacheConfig::new(u64::MAX)).contains("bytes of memory in all; choose a part of that"));
        let blocks = CacheConfig { block_size: 5000, ..CacheConfig::default() };
        assert!(text(blocks).contains("cache.block_size is 5000"));
        let share = CacheConfig { prefetch_use_min: f32::NAN, ..CacheConfig::default() };
        assert!(text(share).contains("cache.prefetch_use_min is NaN"));
        assert!(CacheConfig::new(0).check().is_ok());
        assert!(CacheConfig::default().check().is_ok());
    }
}
