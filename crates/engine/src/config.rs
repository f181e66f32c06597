//! Configuration of an engine.

use crate::error::EngineError;
use rustfs_rio_monitor::Recorder;
use std::sync::Arc;
use std::time::Duration;

/// Which backend carries out operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The best path for each operation: on the calling task, through the ring, or on a blocking thread.
    #[default]
    Auto,
    /// Everything that has an opcode goes through io_uring; creating the engine fails where it is refused.
    Uring,
    /// Everything goes to the pool of blocking threads.
    Blocking,
}

/// Whether io_uring is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RingUse {
    /// If the machine allows it; otherwise blocking threads take its place.
    #[default]
    IfAvailable,
    /// Creating the engine fails where it is refused.
    Required,
    /// Never.
    Off,
}

/// Settings of an [`Engine`](crate::Engine). [`EngineConfig::default`] suits a storage service; every field may be
/// changed before the engine is made, and [`Engine::new`](crate::Engine::new) checks the ranges.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Backend; default [`Backend::Auto`].
    pub backend: Backend,
    /// io_uring; default [`RingUse::IfAvailable`]. [`Backend::Uring`] requires it, [`Backend::Blocking`] never uses it.
    pub ring: RingUse,
    /// Operations in flight, 1 to 65536; further ones wait their turn. Default 1024: beyond a device's queue depth more
    /// in flight only adds latency, and a table slot is about 300 bytes.
    pub max_concurrent_ops: usize,
    /// Operations that may wait for their turn, 0 to 1048576; further ones are refused with
    /// [`Refusal::Overloaded`](crate::Refusal), so that a device that is too slow fills no memory. Default 65536: some 15 MiB.
    pub max_waiting_ops: usize,
    /// Rings; 0 means one per four CPUs, at most 8. More rings contend less; fewer batch better.
    pub rings: usize,
    /// Operations in the kernel per ring, 1 to 4096. Default 128, above what one NVMe queue needs to be saturated.
    pub queue_depth: u32,
    /// Threads of the blocking pool at most, 1 to 1024; they start on demand. Default 64: they wait for devices most of
    /// the time, and a device rarely profits from more.
    pub blocking_threads_max: usize,
    /// Kernel workers of a ring at most, for operations the kernel cannot start without waiting. Default 32; without a cap
    /// the kernel may start thousands.
    pub ring_workers_max: u32,
    /// Lets a kernel thread submit, which burns a CPU while there is work and this long after. Default off.
    pub sqpoll_idle: Option<Duration>,
    /// Adds a ring whose completions are polled for (`IORING_SETUP_IOPOLL`), used for direct reads and writes on devices that
    /// have polled queues; a thread of the engine burns a CPU while such transfers are in flight. Default off.
    pub iopoll: bool,
    /// Asks the I/O scheduler to serve this engine first among ordinary processes: best-effort class, highest level, see
    /// `ioprio_set(2)`. Default off. Schedulers without priorities ignore it.
    pub high_priority: bool,
    /// Whether resident data is copied on the calling task. Default on.
    pub inline: bool,
    /// Whether submissions gather while woken tasks are about to add to them. Default on.
    pub gather: bool,
    /// Operations that one `io_uring_enter(2)` submits at most, 1 to 4096. Default 256.
    pub batch_size: usize,
    /// How long an operation may gather with others, 1 ms to 1 s. A bound, not a wait: it is looked at when another operation comes
    /// and whenever the ring's task runs, with the kernel's coarse clock of 1 to 4 ms. Default 10 ms.
    pub batch_timeout: Duration,
    /// Counts every operation by kind, path and class of file, with its latency. Default `None`, which costs a branch per
    /// operation. An operation whose future is dropped is not counted.
    pub recorder: Option<Arc<Recorder>>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            ring: RingUse::IfAvailable,
            high_priority: false,
            iopoll: false,
            max_concurrent_ops: 1024,
            max_waiting_ops: 65536,
            rings: 0,
            queue_depth: 128,
            blocking_threads_max: 64,
            ring_workers_max: 32,
            sqpoll_idle: None,
            inline: true,
            gather: true,
            batch_size: 256,
            batch_timeout: Duration::from_millis(10),
            recorder: None,
        }
    }
}

impl EngineConfig {
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let within = |name, value: u64, low: u64, high: u64, expected| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(EngineError::Config { name, value, expected })
            }
        };
        within("max_concurrent_ops", self.max_concurrent_ops as u64, 1, 65536, "1 to 65536")?;
        within("max_waiting_ops", self.max_waiting_ops as u64, 0, 1 << 20, "0 to 1048576")?;
        within("batch_size", self.batch_size as u64, 1, 4096, "1 to 4096")?;
        let millis = u64::try_from(self.batch_timeout.as_millis()).unwrap_or(u64::MAX);
        within("batch_timeout", millis, 1, 1000, "1 to 1000 ms")?;
        within("rings", self.rings as u64, 0, 64, "0 (automatic) to 64")?;
        within("queue_depth", u64::from(self.queue_depth), 1, 4096, "1 to 4096")?;
        within("blocking_threads_max", self.blocking_threads_max as u64, 1, 1024, "1 to 1024")?;
        within("ring_workers_max", u64::from(self.ring_workers_max), 1, 4096, "1 to 4096")
    }

    /// What `backend` and `ring` together mean.
    pub(crate) fn ring_use(&self) -> RingUse {
        match self.backend {
            Backend::Auto => self.ring,
            Backend::Uring => RingUse::Required,
            Backend::Blocking => RingUse::Off,
        }
    }

    pub(crate) fn ring_count(&self) -> usize {
        if self.rings > 0 {
            return self.rings;
        }
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (cpus / 4).clamp(1, 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        let config = EngineConfig { max_concurrent_ops: 0, ..EngineConfig::default() };
        let message = config.check().unwrap_err().to_string();
        assert_eq!(message, "engine configuration: max_concurrent_ops is 0, expected 1 to 65536");
        let config = EngineConfig { queue_depth: 5000, ..EngineConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("queue_depth is 5000"));
        assert!(EngineConfig::default().check().is_ok());
    }
}
