//! What stands in the place of the block cache in a build without the feature `tune`: nothing is cached.

use crate::OptimizedBuffer;
use crate::error::RuntimeError;
use crate::live::LiveParameters;
use bytes::Bytes;
use rustfs_rio_buf::IoBufMut;
use rustfs_rio_engine::{Engine, File};
use rustfs_rio_monitor::{CacheCounters, Recorder};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

/// There is none.
pub(crate) struct CacheConfig(Infallible);

/// There is none.
#[derive(Clone)]
pub(crate) struct BlockCache(Infallible);

impl BlockCache {
    pub(crate) fn new(
        config: Option<&CacheConfig>,
        _recorder: Option<Arc<Recorder>>,
        _live: &Arc<LiveParameters>,
        _engine: &Engine,
    ) -> Result<Option<Self>, RuntimeError> {
        Ok(config.map(|config| match config.0 {}))
    }

    pub(crate) fn counters(&self) -> CacheCounters {
        match self.0 {}
    }

    pub(crate) async fn stop(&self) {
        match self.0 {}
    }

    pub(crate) fn clear(&self) {
        match self.0 {}
    }

    pub(crate) fn open(&self, _file: &File, _was_emptied: bool) -> FileCache {
        match self.0 {}
    }
}

/// How a file stands to the cache.
pub(crate) enum FileCache {
    /// Not at all.
    Off,
    /// Never.
    #[allow(dead_code, reason = "the shape of the real one")]
    On(Box<CachedFile>),
}

/// There is none.
pub(crate) struct CachedFile(Infallible);

impl CachedFile {
    pub(crate) async fn read_pooled(
        &self,
        _buffer: OptimizedBuffer,
        _offset: u64,
        _len: usize,
    ) -> io::Result<OptimizedBuffer> {
        match self.0 {}
    }

    pub(crate) async fn read_into<B: IoBufMut>(&self, _buffer: B, _offset: u64) -> (io::Result<usize>, B) {
        match self.0 {}
    }

    pub(crate) async fn read_slice(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn shared(&self, _offset: u64, _len: usize) -> Option<Bytes> {
        match self.0 {}
    }
}
