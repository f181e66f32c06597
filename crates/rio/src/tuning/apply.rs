//! Brings a value to the part that uses it, at once and without a restart.

use crate::buffers::AdvancedBufferPool;
use crate::runtime::RuntimeHandle;
use rustfs_rio_tune::{Codec, Parameter, Parameters};
use std::time::Duration;

/// The parts that parameters belong to.
pub(super) struct Applier {
    base: RuntimeHandle,
    pool: Option<AdvancedBufferPool>,
}

impl Applier {
    pub(super) fn new(base: RuntimeHandle, pool: Option<AdvancedBufferPool>) -> Self {
        Self { base, pool }
    }

    /// Applies a value, clamped to its bounds, and returns the one in force, which may differ where a part has a bound of its own.
    pub(super) fn apply(&self, parameter: Parameter, value: f64) -> f64 {
        let mut values = self.in_force();
        values.set(parameter, value);
        let (engine, live) = (self.base.engine(), self.base.live());
        match parameter {
            Parameter::PrefetchDistance => live.set_prefetch_distance(values.prefetch_distance as u64),
            Parameter::PrefetchSize => live.set_prefetch_size(values.prefetch_size as u64),
            Parameter::BatchSize | Parameter::BatchTimeout => {
                engine.set_batch(values.batch_size, values.batch_timeout);
                let limits = engine.limits();
                live.set_batch_size(limits.batch_size as u64);
                live.set_batch_timeout_us(limits.batch_timeout.as_micros() as u64);
            }
            Parameter::Compression | Parameter::CompressionLevel => {
                live.set_compression(values.codec.code() as u8, values.compression_level);
            }
            Parameter::BufferPoolSize => {
                if let Some(Ok(pool)) = self.pool.as_ref().map(AdvancedBufferPool::pool) {
                    pool.set_buffers_max(values.buffer_pool_size);
                    live.set_buffer_pool_size(values.buffer_pool_size as u64);
                }
            }
            Parameter::BufferSize => {
                live.set_buffer_size(values.buffer_size as u64);
                if let Some(Ok(pool)) = self.pool.as_ref().map(AdvancedBufferPool::pool) {
                    pool.set_size_min(values.buffer_size);
                }
            }
            Parameter::MaxConcurrentOps => {
                engine.set_max_concurrent_ops(values.max_concurrent_ops);
                live.set_max_concurrent_ops(engine.limits().max_concurrent_ops as u64);
            }
            Parameter::QueueDepth => {
                engine.set_queue_depth(u32::try_from(values.queue_depth).unwrap_or(u32::MAX));
                live.set_queue_depth(u64::from(engine.limits().queue_depth));
            }
        }
        self.in_force().get(parameter)
    }

    /// What each part says is in force, within the bounds of tuning.
    pub(super) fn in_force(&self) -> Parameters {
        let (limits, live) = (self.base.engine().limits(), self.base.live());
        let whole = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let (codec, level) = live.compression();
        let pool = self.pool.as_ref().and_then(|pool| pool.pool().ok());
        let defaults = Parameters::default();
        Parameters {
            prefetch_distance: whole(live.prefetch_distance()),
            prefetch_size: whole(live.prefetch_size()),
            batch_size: limits.batch_size,
            batch_timeout: limits.batch_timeout.max(Duration::from_millis(1)),
            codec: Codec::from_code(f64::from(codec)),
            compression_level: level,
            buffer_pool_size: pool
                .and_then(rustfs_rio_buf::BufferPool::buffers_max)
                .unwrap_or(defaults.buffer_pool_size),
            buffer_size: whole(live.buffer_size()),
            max_concurrent_ops: limits.max_concurrent_ops,
            queue_depth: limits.queue_depth as usize,
        }
        .clamp()
    }
}
