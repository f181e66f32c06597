//! A bounded hash table from "what would continue this" to the stream or the lone request it would continue.

const WAYS: usize = 4;
/// Slot of an entry that stands for one request without a stream.
pub(crate) const LONE: u32 = u32::MAX;

/// What a key stands for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A request that starts here continues forward, or by a stride.
    Start = 1,
    /// A request that ends here continues backward.
    End = 2,
    /// A request in this quarter of a MiB may be a displaced continuation.
    Near = 3,
    /// Lone requests of this part of the space.
    Zone = 4,
}

/// Multiplication and shifts (the finaliser of splitmix64, Steele et al. 2014) over space, kind and position.
pub(crate) const fn key(space: u32, kind: Kind, position: u64) -> u64 {
    let mut z = position ^ ((space as u64) << 40) ^ ((kind as u64) << 60);
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Entry {
    key: u64,
    pub(crate) slot: u32,
    /// When it was written, in accesses.
    pub(crate) tick: u32,
}

/// Accesses since an entry was written; a lone request ages faster, so that it does not displace a stream.
const fn age(entry: &Entry, tick: u32) -> u64 {
    let age = tick.wrapping_sub(entry.tick) as u64;
    if entry.slot == LONE { age * 8 } else { age }
}

/// Entries in sets of four; the oldest of a set gives way.
pub(crate) struct Index {
    entries: Box<[Entry]>,
    mask: usize,
}

impl Index {
    pub(crate) fn new(entries: usize) -> Self {
        let sets = (entries / WAYS).next_power_of_two().max(1);
        Self { entries: vec![Entry::default(); sets * WAYS].into(), mask: sets - 1 }
    }

    fn set(&self, key: u64) -> usize {
        (key as usize & self.mask) * WAYS
    }

    pub(crate) fn find(&self, key: u64) -> Option<Entry> {
        let at = self.set(key);
        self.entries[at..at + WAYS].iter().find(|entry| entry.key == key).copied()
    }

    pub(crate) fn remove(&mut self, key: u64) {
        let at = self.set(key);
        if let Some(entry) = self.entries[at..at + WAYS].iter_mut().find(|entry| entry.key == key) {
            // Age half the range of the counter: the first of its set to give way.
            *entry = Entry { tick: entry.tick.wrapping_sub(u32::MAX / 2), ..Entry::default() };
        }
    }

    pub(crate) fn put(&mut self, key: u64, slot: u32, tick: u32) {
        let at = self.set(key);
        let set = &mut self.entries[at..at + WAYS];
        let (mut place, mut oldest) = (0, 0);
        for (way, entry) in set.iter().enumerate() {
            if entry.key == key {
                place = way;
                break;
            }
            let age = age(entry, tick);
            if age > oldest {
                (place, oldest) = (way, age);
            }
        }
        set[place] = Entry { key, slot, tick };
    }

    pub(crate) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.entries)
    }
}
