//! Whether random requests spread evenly or gather in hot spots.

/// Offsets remembered. Sorting them costs the price of an access every [`EVERY`] accesses only.
const KEPT: usize = 28;
const EVERY: u32 = 14;
const BLOCK_SHIFT: u32 = 12;
/// Neighbours closer than this part of the span count as close.
const PARTS: u32 = 256;
/// Share of close neighbours above what even spreading gives that is no chance: three standard deviations of two windows.
const EXCESS: f32 = 0.17;

/// The last offsets without a stream, and how they lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spots {
    recent: [u32; KEPT],
    seen: u32,
    close: f32,
    expected: f32,
    hot_part: f32,
}

impl Default for Spots {
    fn default() -> Self {
        Self { recent: [0; KEPT], seen: 0, close: 0.0, expected: 0.0, hot_part: 1.0 }
    }
}

impl Spots {
    pub(crate) fn observe(&mut self, offset: u64) {
        let block = u32::try_from(offset >> BLOCK_SHIFT).unwrap_or(u32::MAX);
        self.recent[self.seen as usize % KEPT] = block;
        self.seen = self.seen.wrapping_add(1);
        if self.seen.is_multiple_of(EVERY) && self.seen >= EVERY {
            self.judge();
        }
    }

    pub(crate) const fn seen(&self) -> u32 {
        self.seen
    }

    /// `(share of requests in hot spots, how many times denser they are than the whole)`, or `None` where requests spread evenly.
    pub(crate) fn hot(&self) -> Option<(f32, f32)> {
        // One window alone varies more.
        let excess = if self.seen as usize >= KEPT { EXCESS } else { 2.0 * EXCESS };
        let hot = self.seen >= EVERY && self.close > self.expected + excess;
        hot.then(|| (self.close, (self.close / self.hot_part.max(1e-6)).max(1.0)))
    }

    fn judge(&mut self) {
        let mut sorted = self.recent;
        let count = KEPT.min(self.seen as usize);
        let sorted = &mut sorted[..count];
        sorted.sort_unstable();
        let span = sorted[count - 1] - sorted[0];
        let width = span / PARTS;
        let (mut distances, mut close) = ([0_u32; KEPT], 0);
        for pair in sorted.windows(2).filter(|pair| pair[1] - pair[0] <= width) {
            distances[close] = pair[1] - pair[0];
            close += 1;
        }
        // The median: a few neighbours are close by chance, and far from as close as in a hot spot.
        let median = distances[..close.max(1)].select_nth_unstable(close / 2).1;
        let covered = (f64::from(*median) + 1.0) * close as f64;
        let span = span as f32 + 1.0;
        let expected = 1.0 - (-(count as f32) * (width as f32 + 1.0) / span).exp();
        let part = if self.seen <= EVERY { 1.0 } else { 0.5 };
        self.close += (close as f32 / (count - 1) as f32 - self.close) * part;
        self.expected += (expected - self.expected) * part;
        self.hot_part += (covered as f32 / span - self.hot_part) * part;
    }
}
