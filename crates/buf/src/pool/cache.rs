//! Idle memory: a small stock per group of threads, a shared depot per NUMA node behind them.
//!
//! A thread takes from and gives to its own stock (a stripe), whose lock is free unless another thread reclaims memory or
//! more threads than stripes exist. What a stripe has too much of goes to the depot in batches, and comes from there in
//! batches, so that a thread which only takes and another which only gives do not meet at the depot for each buffer.
//! Anybody may empty all stripes, so memory in the stock of an idle or dead thread is not out of reach.
//!
//! A block belongs to the node it was mapped for. A stripe stocks blocks of the node that its thread is on and collects others, to
//! take them home in batches.

use super::block::Block;
use super::node;
use super::sizes::{Fit, SAMPLED, SLOTS};
use crate::sync::{AtomicU64, Mutex, Ordering, SpinLock};
use std::cell::Cell;

/// More than the processors of most nodes use at once; one costs 13 KiB from its first use on.
pub(crate) const STRIPES: usize = if cfg!(rio_loom) { 2 } else { 32 };
/// A stripe keeps at most so much of one size, and one buffer in any case.
const STRIPE_BYTES: usize = 8 << 20;
const STRIPE_BLOCKS: usize = if cfg!(rio_loom) { 2 } else { 16 };
/// A thread may move to another node; it looks once in so many uses.
#[cfg(not(rio_loom))]
const NODE_USES: u32 = 64;

/// Idle blocks of one size, and what happened to that size here.
// A power of two in size, because it is found by index with every buffer.
#[derive(Default)]
#[repr(align(128))]
struct Stock {
    blocks: Vec<Block>,
    /// The fewest blocks since the last upkeep.
    low: usize,
    tally: Tally,
}

/// Counters of a size. A stripe's own say little: what one hands out another may take back.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) asked_bytes: u64,
    pub(crate) given_bytes: u64,
    pub(crate) returns: u64,
    pub(crate) returned_bytes: u64,
}

/// What there is of a size, for upkeep and statistics.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Holding {
    pub(crate) tally: Tally,
    pub(crate) idle: usize,
    /// Only in a look at blocks, as what follows.
    pub(crate) idle_bytes: u64,
    /// Blocks that lay idle all the time since the last upkeep; only in a look at numbers.
    pub(crate) unused: usize,
    /// Among idle blocks: the most reuses, and the earliest birth in seconds after the pool was made.
    pub(crate) reuses_max: u32,
    pub(crate) born_min: Option<u32>,
}

/// How closely holdings are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Each idle block, for statistics.
    Blocks,
    /// Numbers only; what lies unused is counted anew from here on. For upkeep.
    Numbers,
}

#[derive(Default)]
struct Stripe {
    /// By slot; empty until the first use.
    stocks: Box<[Stock]>,
    /// Blocks of other nodes, and their bytes.
    away: Vec<Block>,
    away_bytes: usize,
}

/// Keeps each stripe on cache lines of its own.
#[repr(align(128))]
struct Padded(SpinLock<Stripe>);

/// What is shared by the threads of one node.
struct Depot {
    stocks: Mutex<Box<[Stock]>>,
    /// Blocks that threads of other nodes took from here because they had no other way.
    stolen: AtomicU64,
}

pub(crate) struct Cache {
    stripes: [Padded; STRIPES],
    depots: Box<[Depot]>,
}

/// What a look for an idle block gave.
pub(crate) enum Taken {
    Block(Block),
    /// A block of a size that the slot had before; to be given back to the system.
    Stale(Block),
    Nothing,
}

/// Where a thread is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    stripe: usize,
    pub(crate) node: usize,
}

/// Blocks that one stripe keeps of a size: as many as [`STRIPE_BYTES`] hold, from one to [`STRIPE_BLOCKS`].
#[inline]
fn stock_max(pages: usize) -> usize {
    const PAGES: usize = STRIPE_BYTES / super::classes::PAGE;
    // A division would cost more than everything else that happens here.
    const TABLE: [u8; PAGES / 2 + 1] = {
        let mut table = [STRIPE_BLOCKS as u8; PAGES / 2 + 1];
        let mut pages = 1;
        while pages < table.len() {
            if PAGES / pages < STRIPE_BLOCKS {
                table[pages] = (PAGES / pages) as u8;
            }
            pages += 1;
        }
        table
    };
    TABLE.get(pages).map_or(1, |most| usize::from(*most))
}

#[cfg(not(rio_loom))]
#[inline]
pub(crate) fn own_place() -> Place {
    thread_local! {
        /// One more than the stripe.
        static OWN: Cell<usize> = const { Cell::new(0) };
        static NODE: Cell<(usize, u32)> = const { Cell::new((0, 0)) };
    }
    #[cold]
    fn first() -> usize {
        use crate::sync::AtomicUsize;
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let stripe = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
        OWN.with(|own| own.set(stripe + 1));
        stripe
    }
    #[cold]
    fn node() -> usize {
        let (node, uses) = NODE.get();
        let (node, uses) = if uses == 0 { (node::current(), NODE_USES) } else { (node, uses - 1) };
        NODE.set((node, uses));
        node
    }
    let own = OWN.get();
    let stripe = if own == 0 { first() } else { own - 1 };
    Place { stripe, node: if node::count() == 1 { 0 } else { node() } }
}

#[cfg(rio_loom)]
loom::thread_local! {
    static STRIPE: Cell<usize> = Cell::new(0);
}

/// Chooses the stripe of the calling thread in a model.
#[cfg(all(test, rio_loom))]
pub(crate) fn set_stripe(stripe: usize) {
    STRIPE.with(|own| own.set(stripe));
}

#[cfg(rio_loom)]
pub(crate) fn own_place() -> Place {
    Place { stripe: STRIPE.with(|stripe| stripe.get()) % STRIPES, node: node::current() }
}

impl Cache {
    pub(crate) fn new() -> Self {
        let depot = |_| Depot { stocks: Mutex::new(stocks()), stolen: AtomicU64::new(0) };
        Self {
            stripes: std::array::from_fn(|_| Padded(SpinLock::new(Stripe::default()))),
            depots: (0..node::count()).map(depot).collect(),
        }
    }

    /// An idle block of the slot on the node. If it is of the right size, it is counted as a hit for a request of `len` bytes; one
    /// of a size that the slot had before is to be given back to the system. The second value says whether this request is one
    /// to note.
    #[inline]
    pub(crate) fn take(&self, fit: Fit, len: usize, node: usize) -> (Option<Block>, bool) {
        let place = own_place();
        let mut stripe = self.stripes[place.stripe].0.lock();
        let is_near = place.node == node;
        let away = if is_near { None } else { stripe.take_away(fit, node) };
        let stock = stripe.stock(fit.slot);
        let mut block = if is_near { stock.pop() } else { away };
        if block.is_none() {
            block = self.depots[node].refill(stock, fit, is_near);
        }
        match block {
            Some(mut block) if block.fits(fit) => {
                block.reuse();
                stock.tally.hits += 1;
                let is_noted = stock.tally.hits.is_multiple_of(SAMPLED);
                stock.tally.handed_out(fit, len);
                (Some(block), is_noted)
            }
            stale => (stale, false),
        }
    }

    /// As [`take`](Self::take), from wherever there is one: other nodes' depots and all stripes.
    pub(crate) fn steal(&self, fit: Fit, len: usize) -> Taken {
        let found = self
            .depots
            .iter()
            .find_map(|depot| {
                let block = depot.stocks.lock()[fit.slot].pop();
                if block.is_some() {
                    depot.stolen.fetch_add(1, Ordering::Relaxed);
                }
                block
            })
            .or_else(|| {
                self.stripes.iter().find_map(|stripe| {
                    let mut stripe = stripe.0.lock();
                    let away = (0..self.depots.len()).find_map(|node| stripe.take_away(fit, node));
                    away.or_else(|| stripe.stocks.get_mut(fit.slot).and_then(Stock::pop))
                })
            });
        match found {
            Some(mut block) if block.fits(fit) => {
                block.reuse();
                self.count(fit, |tally| {
                    tally.hits += 1;
                    tally.handed_out(fit, len);
                });
                Taken::Block(block)
            }
            Some(block) => Taken::Stale(block),
            None => Taken::Nothing,
        }
    }

    fn count(&self, fit: Fit, change: impl FnOnce(&mut Tally)) {
        let mut stripe = self.stripes[own_place().stripe].0.lock();
        change(&mut stripe.stock(fit.slot).tally);
    }

    /// Counts a block that came from the kernel.
    pub(crate) fn count_miss(&self, fit: Fit, len: usize) {
        self.count(fit, |tally| {
            tally.misses += 1;
            tally.handed_out(fit, len);
        });
    }

    /// Counts a block that goes from its user to the next without becoming idle, as a hit.
    pub(crate) fn count_handed_on(&self, fit: Fit, len: usize) {
        self.count(fit, |tally| {
            tally.hits += 1;
            tally.handed_out(fit, len);
        });
    }

    /// Counts a block that is no longer in use and does not become idle.
    pub(crate) fn count_return(&self, block: &Block) {
        self.count(fit_of(block), |tally| tally.came_back(block));
    }

    /// Puts a block back that was in use.
    #[inline]
    pub(crate) fn give(&self, block: Block) {
        let place = own_place();
        let mut stripe = self.stripes[place.stripe].0.lock();
        let stock = stripe.stock(block.slot());
        stock.tally.came_back(&block);
        if block.node() == place.node {
            self.stow(stock, block);
        } else {
            self.send_home(&mut stripe, block);
        }
    }

    /// Keeps a block whose return was counted already, or that nobody used yet.
    pub(crate) fn keep(&self, block: Block) {
        let place = own_place();
        let mut stripe = self.stripes[place.stripe].0.lock();
        if block.node() == place.node {
            self.stow(stripe.stock(block.slot()), block);
        } else {
            self.send_home(&mut stripe, block);
        }
    }

    /// Puts blocks that nobody used yet into the depot of their node.
    pub(crate) fn stock_up(&self, blocks: impl IntoIterator<Item = Block>) {
        for block in blocks {
            let stock = &mut self.depots[block.node()].stocks.lock()[block.slot()];
            // It is not there because somebody needed it.
            stock.low += 1;
            stock.blocks.push(block);
        }
    }

    #[inline]
    fn stow(&self, stock: &mut Stock, block: Block) {
        if stock.blocks.len() >= stock_max(block.pages()) {
            self.depots[block.node()].unload(stock, block.slot());
        }
        stock.blocks.push(block);
    }

    #[cold]
    fn send_home(&self, stripe: &mut Stripe, block: Block) {
        stripe.away_bytes += block.bytes();
        stripe.away.push(block);
        if stripe.away.len() >= STRIPE_BLOCKS || stripe.away_bytes >= STRIPE_BYTES {
            stripe.away_bytes = 0;
            for block in stripe.away.drain(..) {
                self.depots[block.node()].stocks.lock()[block.slot()].blocks.push(block);
            }
        }
    }

    /// Takes idle blocks of any size until they hold `bytes` or none is left. The depots' go first, largest first.
    pub(crate) fn reclaim(&self, bytes: usize) -> Vec<Block> {
        let (mut taken, mut sum) = (Vec::new(), 0);
        let mut drain = |stocks: &mut [Stock]| {
            for stock in stocks.iter_mut().rev() {
                while sum < bytes
                    && let Some(block) = stock.pop()
                {
                    sum += block.bytes();
                    taken.push(block);
                }
            }
            sum < bytes
        };
        if self.depots.iter().all(|depot| drain(&mut depot.stocks.lock())) {
            for stripe in &self.stripes {
                let mut stripe = stripe.0.lock();
                if !drain(&mut stripe.stocks) {
                    return taken;
                }
            }
            for stripe in &self.stripes {
                let mut stripe = stripe.0.lock();
                while sum < bytes
                    && let Some(block) = stripe.away.pop()
                {
                    stripe.away_bytes -= block.bytes();
                    sum += block.bytes();
                    taken.push(block);
                }
            }
        }
        taken
    }

    /// Takes up to `most` idle blocks of a slot, those of the depots first.
    pub(crate) fn reclaim_of(&self, slot: usize, most: usize) -> Vec<Block> {
        let mut taken = Vec::new();
        let mut drain = |stock: Option<&mut Stock>| {
            let Some(stock) = stock else { return };
            let rest = stock.blocks.len().saturating_sub(most - taken.len());
            taken.extend(stock.blocks.drain(rest..));
            stock.low = stock.low.min(rest);
        };
        for depot in &self.depots {
            drain(depot.stocks.lock().get_mut(slot));
        }
        for stripe in &self.stripes {
            drain(stripe.0.lock().stocks.get_mut(slot));
        }
        taken
    }

    /// What there is, by slot.
    pub(crate) fn holdings(&self, look: Look) -> Vec<Holding> {
        let mut all = vec![Holding::default(); SLOTS];
        let mut add = |stocks: &mut [Stock]| {
            for (holding, stock) in all.iter_mut().zip(stocks) {
                holding.tally.add(&stock.tally);
                match look {
                    Look::Blocks => stock.blocks.iter().for_each(|block| holding.add_block(block)),
                    Look::Numbers => {
                        holding.idle += stock.blocks.len();
                        holding.unused += stock.low;
                        stock.low = stock.blocks.len();
                    }
                }
            }
        };
        for depot in &self.depots {
            add(&mut depot.stocks.lock());
        }
        for stripe in &self.stripes {
            add(&mut stripe.0.lock().stocks);
        }
        for stripe in &self.stripes {
            for block in &stripe.0.lock().away {
                all[block.slot()].add_block(block);
            }
        }
        all
    }

    /// Idle bytes and blocks taken by other nodes' threads, by node. What stripes hold counts for the node it was mapped for.
    pub(crate) fn nodes(&self) -> Vec<(u64, u64)> {
        let mut all: Vec<(u64, u64)> =
            self.depots.iter().map(|depot| (0, depot.stolen.load(Ordering::Relaxed))).collect();
        let mut add = |block: &Block| all[block.node()].0 += block.bytes() as u64;
        for depot in &self.depots {
            depot.stocks.lock().iter().flat_map(|stock| &stock.blocks).for_each(&mut add);
        }
        for stripe in &self.stripes {
            let stripe = stripe.0.lock();
            stripe.stocks.iter().flat_map(|stock| &stock.blocks).chain(&stripe.away).for_each(&mut add);
        }
        all
    }

    /// Starts counting anew.
    pub(crate) fn reset(&self) {
        for stripe in &self.stripes {
            let mut stripe = stripe.0.lock();
            stripe.stocks.iter_mut().for_each(|stock| stock.tally = Tally::default());
        }
        self.depots.iter().for_each(|depot| depot.stolen.store(0, Ordering::Relaxed));
    }
}

fn fit_of(block: &Block) -> Fit {
    Fit { slot: block.slot(), pages: block.pages() }
}

fn stocks() -> Box<[Stock]> {
    (0..SLOTS).map(|_| Stock::default()).collect()
}

impl Depot {
    /// Takes half of a stock.
    #[cold]
    fn unload(&self, stock: &mut Stock, slot: usize) {
        let keep = stock.blocks.len() / 2;
        self.stocks.lock()[slot].blocks.extend(stock.blocks.drain(keep..));
        stock.low = stock.low.min(keep);
    }

    /// Takes a block, and for a thread of this node a batch for its stock.
    #[cold]
    fn refill(&self, stock: &mut Stock, fit: Fit, is_near: bool) -> Option<Block> {
        let mut depot = self.stocks.lock();
        let shelf = &mut depot[fit.slot];
        if !is_near {
            return shelf.pop();
        }
        let rest = shelf.blocks.len().saturating_sub(stock_max(fit.pages).div_ceil(2));
        stock.blocks.extend(shelf.blocks.drain(rest..));
        shelf.low = shelf.low.min(shelf.blocks.len());
        stock.pop()
    }
}

impl Stripe {
    /// A block of another node that is on its way home.
    #[cold]
    fn take_away(&mut self, fit: Fit, node: usize) -> Option<Block> {
        let index = self.away.iter().rposition(|block| block.slot() == fit.slot && block.node() == node)?;
        let block = self.away.swap_remove(index);
        self.away_bytes -= block.bytes();
        Some(block)
    }

    #[cold]
    fn fill(&mut self) {
        self.stocks = stocks();
    }

    #[inline]
    fn stock(&mut self, slot: usize) -> &mut Stock {
        if slot >= self.stocks.len() {
            self.fill();
        }
        &mut self.stocks[slot]
    }
}

impl Stock {
    #[inline]
    fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop();
        self.low = self.low.min(self.blocks.len());
        block
    }
}

impl Holding {
    /// Blocks in use and idle.
    pub(crate) fn exist(&self) -> usize {
        usize::try_from(self.tally.outstanding()).unwrap_or(usize::MAX).saturating_add(self.idle)
    }

    /// The most that were in use at one time since the last upkeep.
    pub(crate) fn needed(&self) -> usize {
        self.exist().saturating_sub(self.unused)
    }

    fn add_block(&mut self, block: &Block) {
        self.idle += 1;
        self.idle_bytes += block.bytes() as u64;
        self.reuses_max = self.reuses_max.max(block.reuses());
        self.born_min = Some(self.born_min.map_or(block.born(), |born| born.min(block.born())));
    }
}

impl Tally {
    #[inline]
    fn handed_out(&mut self, fit: Fit, len: usize) {
        self.asked_bytes += len as u64;
        self.given_bytes += fit.bytes() as u64;
    }

    #[inline]
    fn came_back(&mut self, block: &Block) {
        self.returns += 1;
        self.returned_bytes += block.bytes() as u64;
    }

    /// Buffers in use, if this is the sum over all stripes.
    pub(crate) fn outstanding(&self) -> u64 {
        (self.hits + self.misses).saturating_sub(self.returns)
    }

    /// Their bytes.
    pub(crate) fn outstanding_bytes(&self) -> u64 {
        self.given_bytes.saturating_sub(self.returned_bytes)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.asked_bytes += other.asked_bytes;
        self.given_bytes += other.given_bytes;
        self.returns += other.returns;
        self.returned_bytes += other.returned_bytes;
    }
}
