//! A runtime with a cache over a simulated device.

use rustfs_rio::{
    CacheConfig, CacheStats, DirectMode, DiskFile, OpenOptions, PrefetchStats, RuntimeConfig, RuntimeHandle,
    RuntimeType,
};
use rustfs_rio_engine::EngineConfig;
use rustfs_rio_engine::sim::{self, SimDisk};
use std::time::Duration;

pub(crate) const BLOCK: usize = 4096;

/// A cache without reading ahead.
pub(crate) const CONFIG: CacheConfig = CacheConfig {
    bytes: 1 << 20,
    block_size: BLOCK,
    prefetch: false,
    prefetch_use_min: 0.5,
    prefetch_distance: 64,
    prefetch_size: 1 << 20,
};

pub(crate) struct Scene {
    pub(crate) disk: SimDisk,
    pub(crate) runtime: RuntimeHandle,
}

impl Scene {
    pub(crate) fn new(seed: u64, cache: CacheConfig) -> Self {
        let disk = SimDisk::new(seed);
        let runtime = runtime(&disk, cache);
        Self { disk, runtime }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.runtime.block_cache().unwrap().stats()
    }

    pub(crate) fn ahead(&self) -> PrefetchStats {
        self.runtime.block_cache().unwrap().prefetch_stats().unwrap()
    }

    pub(crate) async fn direct(&self, path: &str) -> DiskFile {
        let options = OpenOptions::new().read(true).write(true).create(true).direct(DirectMode::On);
        DiskFile::open_with(path, &options, &self.runtime).await.unwrap()
    }

    pub(crate) async fn buffered(&self, path: &str) -> DiskFile {
        let options = OpenOptions::new().read(true).write(true).create(true);
        DiskFile::open_with(path, &options, &self.runtime).await.unwrap()
    }

    /// Ends everything and looks at the books.
    pub(crate) async fn close(self, files: impl Sized) {
        drop(files);
        let report = self.runtime.shutdown(Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{report:?}");
        let stats = self.runtime.stats();
        assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
        assert_eq!(report.buffers.buffers, 0, "{report:?}");
        assert_eq!(self.stats().held_bytes, 0);
    }
}

pub(crate) fn runtime(disk: &SimDisk, cache: CacheConfig) -> RuntimeHandle {
    let engine = sim::engine(EngineConfig::default(), disk).unwrap();
    let config = RuntimeConfig {
        runtime_type: RuntimeType::Tokio,
        cache: Some(cache),
        buffer_memory: 64 << 20,
        ..RuntimeConfig::default()
    };
    RuntimeHandle::with_engine(engine, config).unwrap()
}

pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8 ^ (index >> 12) as u8).collect()
}
