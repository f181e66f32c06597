//! When a device would answer: a queue with a number of servers, demand before prefetch.
//!
//! Each operation holds one server for `latency + bytes / bandwidth per server`. Demand operations take the server that is free
//! first; what is read ahead starts only on a server that is idle at that moment, in the order of issue. So a
//! demand operation waits for at most one prefetch, the one that holds its server.

use crate::index::{Kind, key};
use crate::predict::plan::Ticket;
use crate::simulate::cache::Block;
use std::collections::VecDeque;

/// What the device can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceModel {
    /// Time of the smallest operation, nanoseconds.
    pub latency_ns: u64,
    /// Bytes per second of all servers together.
    pub bytes_per_second: u64,
    /// Operations at once, 1 to 1,024.
    pub depth: u16,
    /// By how many percent of itself the latency varies either way, evenly; 100 at most.
    pub jitter_percent: u8,
    /// What the variation starts from: the same seed gives the same times.
    pub seed: u64,
}

impl Default for DeviceModel {
    /// A virtual disk as the project is measured on: 0.5 ms, 62,000 operations of 4 KiB per second at depth 32, 2 GB/s; a variation
    /// of a tenth is an assumption.
    fn default() -> Self {
        Self { latency_ns: 500_000, bytes_per_second: 2_000_000_000, depth: 32, jitter_percent: 10, seed: 1 }
    }
}

/// A piece of what is to be read ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) first: Block,
    pub(crate) blocks: u32,
    pub(crate) ticket: Ticket,
    pub(crate) at_ns: u64,
}

/// The device's servers and what waits for them.
pub(crate) struct Device {
    model: DeviceModel,
    free_at: Vec<u64>,
    queue: VecDeque<Queued>,
    operations: u64,
}

impl Device {
    pub(crate) fn new(model: DeviceModel) -> Self {
        let depth = model.depth.clamp(1, 1024);
        Self { model, free_at: vec![0; usize::from(depth)], queue: VecDeque::new(), operations: 0 }
    }

    /// Does a demand operation at `now`; returns when it is complete.
    pub(crate) fn demand(&mut self, now: u64, bytes: u64) -> u64 {
        let at = self.first_free();
        let start = self.free_at[at].max(now);
        self.serve(at, start, bytes)
    }

    pub(crate) fn queue(&mut self, queued: Queued) {
        self.queue.push_back(queued);
    }

    /// The next piece that a server could have begun before `now`.
    pub(crate) fn next_queued(&mut self, now: u64) -> Option<(Queued, usize, u64)> {
        let at = self.first_free();
        let start = self.queue.front()?.at_ns.max(self.free_at[at]);
        if start > now { None } else { self.queue.pop_front().map(|queued| (queued, at, start)) }
    }

    /// Begins an operation on a server; returns when it is complete.
    pub(crate) fn serve(&mut self, at: usize, start: u64, bytes: u64) -> u64 {
        let per_server = (self.model.bytes_per_second / self.free_at.len() as u64).max(1);
        let transfer = u128::from(bytes) * 1_000_000_000 / u128::from(per_server);
        let transfer = u64::try_from(transfer).unwrap_or(u64::MAX);
        let end = start.saturating_add(self.latency_ns()).saturating_add(transfer);
        self.free_at[at] = end;
        end
    }

    fn latency_ns(&mut self) -> u64 {
        self.operations += 1;
        let jitter = u64::from(self.model.jitter_percent.min(100));
        let spread = u128::from(self.model.latency_ns) * u128::from(jitter) / 100;
        // 0 to 2 spreads, less one.
        let part = u128::from(key(0, Kind::Start, self.model.seed.wrapping_add(self.operations)) >> 32);
        let latency = u128::from(self.model.latency_ns) - spread + ((2 * spread * part) >> 32);
        u64::try_from(latency).unwrap_or(u64::MAX)
    }

    /// Takes out of the queue what `drop` says.
    pub(crate) fn drop_queued(&mut self, mut drop: impl FnMut(&mut Queued) -> bool) {
        self.queue.retain_mut(|queued| !drop(queued));
    }

    /// Bytes of the queue's length, for pressure.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    fn first_free(&self) -> usize {
        let free = self.free_at.iter().enumerate().min_by_key(|(_, free_at)| **free_at);
        free.map_or(0, |(at, _)| at)
    }
}
