//! Fitting what a pool holds to what it is asked for, now and then.

use super::cache::Look;
use super::classes::PAGE;
use super::demand::{self, Bursts, Demand, PERIOD};
use super::shared::Shared;
use super::sizes::{Fit, SLOTS};
use super::{BufferPool, Pressure};
use std::time::{Duration, Instant};

/// Memory that one upkeep brings in ahead at most: a few milliseconds of work.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// What one upkeep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upkeep {
    /// Bytes given back to the system.
    pub released_bytes: u64,
    /// Bytes brought in for a burst that is expected.
    pub prepared_bytes: u64,
    /// Bytes that the pool wants to hold, in use and idle together.
    pub target_bytes: u64,
    /// Sizes that were cut anew because of what was asked for.
    pub sizes_changed: usize,
}

/// What upkeep remembers.
#[derive(Default)]
pub(crate) struct Keeper {
    last: Option<Duration>,
    demands: Vec<Demand>,
    bursts: Bursts,
    weights: Vec<f64>,
    done: Upkeep,
    /// Nothing was there the last time, and nothing is expected.
    is_at_rest: bool,
}

impl Keeper {
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

impl BufferPool {
    /// Fits the memory that the pool holds to the demand of the last seconds: gives back what was not needed, brings in what a
    /// recurring burst is about to need, and cuts sizes to what is asked for. Does nothing before half a second has passed since
    /// the last time, nor while another thread does it. Costs some ten microseconds, and 12 us per MiB brought in.
    ///
    /// Somebody has to call it, about twice a second: a pool has no thread of its own. `now` may be made up, as long as it does not
    /// go back.
    ///
    /// Under [`Pressure::Some`] the headroom is given up and nothing is brought in; under [`Pressure::Full`] all idle memory goes.
    pub fn upkeep(&self, now: Instant, pressure: Pressure) -> Upkeep {
        let shared = self.shared();
        let Some(mut keeper) = shared.keeper.try_lock() else { return Upkeep::default() };
        let now = now.saturating_duration_since(shared.epoch());
        if keeper.last.is_some_and(|last| now.saturating_sub(last) < PERIOD) {
            return Upkeep { target_bytes: keeper.done.target_bytes, ..Upkeep::default() };
        }
        keeper.last = Some(now);
        if keeper.is_at_rest && self.mapped_bytes() == 0 {
            return Upkeep::default();
        }
        keeper.done = keeper.keep(shared, now, pressure);
        keeper.done
    }
}

impl Keeper {
    fn keep(&mut self, shared: &Shared, now: Duration, pressure: Pressure) -> Upkeep {
        let mut done = Upkeep::default();
        let headroom = shared.headroom();
        if pressure == Pressure::Full {
            done.released_bytes = shared.trim(0);
        }
        let Some(headroom) = headroom else { return done };
        let headroom = if pressure == Pressure::None { headroom } else { 1.0 };
        self.demands.resize_with(SLOTS, Demand::default);
        for slot in shared.sizes.adapt(&mut self.weights) {
            done.released_bytes += shared.release(slot, usize::MAX);
            self.demands[slot] = Demand::default();
            done.sizes_changed += 1;
        }
        let holdings = shared.cache.holdings(Look::Numbers);
        let bytes = |slot| (shared.sizes.pages_of(slot) * PAGE) as u64;
        let needed =
            holdings.iter().enumerate().map(|(slot, holding)| holding.needed() as u64 * bytes(slot)).sum();
        let outlook = self.bursts.observe(now, needed);
        let mut plans = Vec::with_capacity(SLOTS);
        let mut held = 0;
        for (slot, (demand, holding)) in self.demands.iter_mut().zip(&holdings).enumerate() {
            if holding.exist() > 0 || !demand.is_over() {
                demand.observe(u32::try_from(holding.needed()).unwrap_or(u32::MAX), outlook);
                let plan = demand.plan(headroom, outlook);
                done.target_bytes += u64::from(plan.hold) * bytes(slot);
                held += holding.exist() as u64 * bytes(slot);
                plans.push((slot, holding, plan));
            }
        }
        self.is_at_rest = plans.is_empty() && self.bursts.is_over();
        let gives_back = demand::is_too_much(held, done.target_bytes);
        for (slot, holding, plan) in plans {
            let hold = plan.hold as usize;
            if gives_back && holding.exist() > hold {
                done.released_bytes += shared.release(slot, holding.idle.min(holding.exist() - hold));
            }
            let missing = hold.saturating_sub(holding.exist()) as u64;
            let fit = Fit { slot, pages: shared.sizes.pages_of(slot) };
            if plan.ahead && missing > 0 && pressure == Pressure::None && fit.pages > 0 {
                let room = AHEAD_BYTES_MAX.saturating_sub(done.prepared_bytes) / fit.bytes() as u64;
                done.prepared_bytes += shared.prepare(fit, missing.min(room));
            }
        }
        done
    }
}
