//! Which of a thread's short operations are timed.
//!
//! The state belongs to the thread, not to a recorder: with several recorders on a thread each gets a random share.

use super::{SAMPLING_INTERVAL, SLOW_NANOS};
use crate::clock::{Clock, Ticks};
use std::cell::Cell;

thread_local! {
    /// Operations until the next timed one.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    /// Operations that it will stand for.
    static WEIGHT: Cell<u32> = const { Cell::new(1) };
    /// When the last one was timed.
    static LAST: Cell<u64> = const { Cell::new(0) };
    /// State of the random number generator; 0 before the first use.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Whether the operation that starts now is left out.
#[inline]
pub(super) fn skips() -> bool {
    let left = LEFT.get();
    if left > 1 {
        LEFT.set(left - 1);
    }
    left > 1
}

/// The weight of the operation that starts at `now`; decides which one is next.
#[cold]
pub(super) fn turn(clock: &Clock, now: Ticks, stripe: usize) -> u32 {
    let weight = WEIGHT.get();
    let elapsed = clock.nanos(Ticks(LAST.get()), now);
    let gap = if elapsed / u64::from(weight.max(1)) >= SLOW_NANOS { 1 } else { random_gap(stripe) };
    LAST.set(now.0);
    WEIGHT.set(gap);
    LEFT.set(gap);
    weight
}

/// 1 to twice the interval less one, evenly, so that no period of the caller's can fall in step with it. The generator is
/// Marsaglia's xorshift64 (Journal of Statistical Software 8, 14).
fn random_gap(stripe: usize) -> u32 {
    let mut random = RANDOM.get();
    if random == 0 {
        // Any number but 0 does; threads should not sample in step.
        random = (stripe as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    RANDOM.set(random);
    1 + ((random >> 32) % u64::from(2 * SAMPLING_INTERVAL - 1)) as u32
}
