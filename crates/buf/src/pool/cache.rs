//! Idle memory: a small stock per group of threads, a shared depot behind them.
//!
//! A thread takes from and gives to its own stock (a stripe), whose lock is free unless another thread reclaims memory or
//! more threads than stripes exist. What a stripe has too much of goes to the depot in batches, and comes from there in
//! batches, so that a thread which only takes and another which only gives do not meet at the depot for each buffer.
//! Anybody may empty all stripes, so memory in the stock of an idle or dead thread is not out of reach.

use super::block::Block;
use super::classes::{self, CLASSES};
use crate::sync::{AtomicUsize, Mutex, Ordering};
use std::cell::Cell;

/// More than the processors of most nodes use at once; each stripe costs 3 KiB.
const STRIPES: usize = 32;
/// A stripe keeps at most so much of one class, and one buffer in any case.
const STRIPE_BYTES: usize = 1 << 20;
const STRIPE_BLOCKS: usize = 16;

/// What a stripe counts. Sums over all stripes are what they say; a single stripe's may be negative.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) requested_bytes: u64,
    pub(crate) outstanding: i64,
    pub(crate) outstanding_bytes: i64,
}

struct Stripe {
    lists: [Vec<Block>; CLASSES],
    tally: Tally,
}

/// Keeps each stripe on cache lines of its own.
#[repr(align(128))]
struct Padded(Mutex<Stripe>);

pub(crate) struct Cache {
    stripes: [Padded; STRIPES],
    depot: Mutex<[Vec<Block>; CLASSES]>,
}

/// Blocks that one stripe keeps of a class.
fn stock(class: usize) -> usize {
    (STRIPE_BYTES / classes::bytes(class)).clamp(1, STRIPE_BLOCKS)
}

fn own_stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    // A thread that ends has no such variable any more; any stripe will do.
    OWN.try_with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        own.get()
    })
    .unwrap_or(0)
}

impl Cache {
    pub(crate) fn new() -> Self {
        let stripe = || {
            Padded(Mutex::new(Stripe { lists: std::array::from_fn(|_| Vec::new()), tally: Tally::default() }))
        };
        Self {
            stripes: std::array::from_fn(|_| stripe()),
            depot: Mutex::new(std::array::from_fn(|_| Vec::new())),
        }
    }

    /// An idle block of the class, counted as a hit for a request of `len` bytes.
    pub(crate) fn take(&self, class: usize, len: usize) -> Option<Block> {
        let mut stripe = self.stripes[own_stripe()].0.lock();
        let mut block = stripe.lists[class].pop();
        if block.is_none() {
            let mut depot = self.depot.lock();
            let list = &mut depot[class];
            let rest = list.len().saturating_sub(stock(class).div_ceil(2));
            stripe.lists[class].extend(list.drain(rest..));
            block = stripe.lists[class].pop();
        }
        if block.is_some() {
            stripe.tally.hits += 1;
            stripe.tally.handed_out(class, len);
        }
        block
    }

    /// Counts a block that came from the kernel.
    pub(crate) fn count_miss(&self, class: usize, len: usize) {
        let mut stripe = self.stripes[own_stripe()].0.lock();
        stripe.tally.misses += 1;
        stripe.tally.handed_out(class, len);
    }

    /// Counts a block that goes from its user to the next without becoming idle, as a hit.
    pub(crate) fn count_handed_on(&self, class: usize, len: usize) {
        let mut stripe = self.stripes[own_stripe()].0.lock();
        stripe.tally.hits += 1;
        stripe.tally.handed_out(class, len);
    }

    /// Counts a block that is no longer in use and does not become idle.
    pub(crate) fn count_return(&self, class: usize) {
        self.stripes[own_stripe()].0.lock().tally.came_back(class);
    }

    /// Puts a block back that was in use.
    pub(crate) fn give(&self, block: Block) {
        let mut stripe = self.stripes[own_stripe()].0.lock();
        stripe.tally.came_back(block.class());
        self.stow(&mut stripe, block);
    }

    /// Keeps a block whose return was counted already.
    pub(crate) fn keep(&self, block: Block) {
        self.stow(&mut self.stripes[own_stripe()].0.lock(), block);
    }

    fn stow(&self, stripe: &mut Stripe, block: Block) {
        let class = block.class();
        let list = &mut stripe.lists[class];
        if list.len() >= stock(class) {
            let keep = list.len() / 2;
            self.depot.lock()[class].extend(list.drain(keep..));
        }
        list.push(block);
    }

    /// Takes idle blocks of any class until they hold `bytes` or none is left. The depot's go first, largest first.
    pub(crate) fn reclaim(&self, bytes: usize) -> Vec<Block> {
        let (mut taken, mut sum) = (Vec::new(), 0);
        let mut drain = |lists: &mut [Vec<Block>; CLASSES]| {
            for list in lists.iter_mut().rev() {
                while sum < bytes
                    && let Some(block) = list.pop()
                {
                    sum += block.bytes();
                    taken.push(block);
                }
            }
        };
        drain(&mut self.depot.lock());
        for stripe in &self.stripes {
            drain(&mut stripe.0.lock().lists);
        }
        taken
    }

    /// The sums over all stripes.
    pub(crate) fn tally(&self) -> Tally {
        self.stripes.iter().fold(Tally::default(), |sum, stripe| {
            let tally = stripe.0.lock().tally;
            Tally {
                hits: sum.hits + tally.hits,
                misses: sum.misses + tally.misses,
                requested_bytes: sum.requested_bytes + tally.requested_bytes,
                outstanding: sum.outstanding + tally.outstanding,
                outstanding_bytes: sum.outstanding_bytes + tally.outstanding_bytes,
            }
        })
    }

    /// Bytes of idle blocks.
    pub(crate) fn idle_bytes(&self) -> u64 {
        let sum = |lists: &[Vec<Block>; CLASSES]| -> u64 {
            lists.iter().enumerate().map(|(class, list)| (classes::bytes(class) * list.len()) as u64).sum()
        };
        let depot = sum(&self.depot.lock());
        depot + self.stripes.iter().map(|stripe| sum(&stripe.0.lock().lists)).sum::<u64>()
    }

    /// Starts counting anew.
    pub(crate) fn reset(&self) {
        for stripe in &self.stripes {
            stripe.0.lock().tally = Tally::default();
        }
    }
}

impl Tally {
    fn handed_out(&mut self, class: usize, len: usize) {
        self.requested_bytes += len as u64;
        self.outstanding += 1;
        self.outstanding_bytes += classes::bytes(class) as i64;
    }

    fn came_back(&mut self, class: usize) {
        self.outstanding -= 1;
        self.outstanding_bytes -= classes::bytes(class) as i64;
    }
}
