//! What is done about trouble beyond what the engine does by itself.

use super::diagnosis::{Ailment, Change, Trouble};
use crate::buffers::AdvancedBufferPool;
use crate::runtime::RuntimeHandle;

/// The bound on operations in flight is not lowered beyond this: a device needs some to show that it recovered.
const OPS_MIN: usize = 32;

pub(super) struct Reaction {
    base: RuntimeHandle,
    pool: Option<AdvancedBufferPool>,
    /// The bound on operations in flight before it was lowered, and what it was lowered to.
    lowered: Option<(usize, usize)>,
}

impl Reaction {
    pub(super) fn new(base: RuntimeHandle, pool: Option<AdvancedBufferPool>) -> Self {
        Self { base, pool, lowered: None }
    }

    /// Acts on what there is, and on what began or ended with this look.
    pub(super) fn act(&mut self, open: &[Trouble], changes: &[Change]) {
        let has = |ailment: Ailment| open.iter().any(|trouble| trouble.ailment == ailment);
        if has(Ailment::SlowDevice) || has(Ailment::HungDevice) {
            self.lower();
        } else {
            self.restore();
        }
        if has(Ailment::MemoryPressure) {
            self.give_memory_back();
        }
        let began = |change: &Change| matches!(change, Change::Began(trouble) if trouble.ailment == Ailment::FewDescriptors);
        if changes.iter().any(began) {
            raise_descriptors();
        }
    }

    /// Undoes what only lasts as long as somebody looks.
    pub(super) fn undo(&mut self) {
        self.restore();
    }

    /// Halves the operations in flight, with each look again.
    fn lower(&mut self) {
        let engine = self.base.engine();
        let now = engine.limits().max_concurrent_ops;
        let next = (now / 2).max(OPS_MIN.min(now));
        let before = self.lowered.map_or(now, |(before, _)| before);
        self.lowered = Some((before, next));
        if next < now {
            engine.set_max_concurrent_ops(next);
            tracing::warn!(from = now, to = next, "fewer operations are let in, because a device is slow");
        }
    }

    fn restore(&mut self) {
        let Some((before, lowered)) = self.lowered.take() else { return };
        let engine = self.base.engine();
        // Whoever set another bound meanwhile meant it.
        if engine.limits().max_concurrent_ops == lowered {
            engine.set_max_concurrent_ops(before);
            tracing::info!(to = before, "as many operations are let in as before");
        }
    }

    fn give_memory_back(&self) {
        let mut bytes = self.base.buffer_pool().trim(0);
        if let Some(Ok(pool)) = self.pool.as_ref().map(AdvancedBufferPool::pool) {
            bytes += pool.trim(0);
        }
        self.base.clear_cache();
        tracing::info!(bytes, "idle buffers and cached blocks were given back");
    }
}

/// Raises the soft limit on open files to the hard one: `getrlimit(2)`.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        tracing::warn!(
            limit = limit.current,
            "the hard limit on open files is in use; it cannot be raised from here"
        );
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => {
            tracing::info!(from = limit.current, to = limit.maximum, "the limit on open files was raised")
        }
        Err(error) => tracing::error!(%error, "the limit on open files could not be raised"),
    }
}
