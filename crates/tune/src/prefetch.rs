//! Prefetch plans: what to read ahead, when it has shown that it pays.
//!
//! A predictor answers each access with at most one range per call, bounded by [`PrefetchConfig::bytes_max`].
//! [`StreamPredictor`] follows adjoining requests. It learns how often a sequence in a given state goes on: by the number of
//! requests so far, their size, and how the region behaved before. It learns from every sequence, also those for which it
//! issues nothing, so that ghosts prove a state before it costs a read (Gill and Bathen, FAST 2007, on the price of
//! prefetching what is not used). A window ends where the probability of use falls below [`PrefetchConfig::use_min`].

use crate::access::{Access, AccessKind};
use crate::index::{Index, Kind, LONE, key};

/// States: requests so far, size, and history of the region.
const RUNS: usize = 16;
const SIZES: usize = 6;
const HISTORIES: usize = 4;
const REGIONS: usize = 4096;
/// A region of 1 MiB remembers whether sequences went on in it.
const REGION_SHIFT: u32 = 20;
/// Outcomes of a state before it may issue.
const OUTCOMES_MIN: f32 = 8.0;
/// Outcomes that a state remembers; older ones fade.
const OUTCOMES_MAX: f32 = 512.0;

/// Bytes of one space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The file or device.
    pub space: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes; at most [`PrefetchConfig::bytes_max`].
    pub len: u32,
}

/// Bounds of a predictor.
#[derive(Clone, Copy, Debug)]
pub struct PrefetchConfig {
    /// Bytes of one range at most, and bytes ahead of a stream at most.
    pub bytes_max: u32,
    /// Probability that a byte is used, from which it is read ahead, 0 to 1.
    pub use_min: f32,
    /// Streams followed.
    pub streams: usize,
}

impl Default for PrefetchConfig {
    /// 256 KiB, the middle of the bounds of `prefetch_size`; half of what is read ahead is to be used. 256 streams: with more, the outcome of
    /// an ended sequence is known late, and its state looks better than it is (docs/decisions/0041).
    fn default() -> Self {
        Self { bytes_max: 256 << 10, use_min: 0.5, streams: 256 }
    }
}

/// What reads ahead.
pub trait Predictor {
    /// Name for tables.
    fn name(&self) -> &'static str;

    /// Takes in one request; returns what to read ahead because of it, if anything.
    fn observe(&mut self, access: &Access) -> Option<Range>;
}

/// How often something came true, the recent past weighing more.
#[derive(Clone, Copy, Debug, Default)]
struct Odds {
    count: f32,
    held: f32,
}

impl Odds {
    fn add(&mut self, held: bool) {
        if self.count >= OUTCOMES_MAX {
            self.count *= 0.5;
            self.held *= 0.5;
        }
        self.count += 1.0;
        self.held += f32::from(u8::from(held));
    }

    /// The share that held, or 0 before there is evidence.
    fn share(self) -> f32 {
        if self.count < OUTCOMES_MIN { 0.0 } else { self.held / self.count }
    }
}

#[derive(Clone, Copy, Default)]
struct Stream {
    space: u32,
    used: bool,
    next: u64,
    /// Read ahead up to here.
    ahead: u64,
    requests: u32,
    state: u16,
}

/// Follows adjoining requests with windows that its own measurements bound.
pub struct StreamPredictor {
    config: PrefetchConfig,
    streams: Box<[Stream]>,
    index: Index,
    odds: Box<[Odds]>,
    regions: Box<[u8]>,
    hand: usize,
    tick: u32,
}

impl StreamPredictor {
    /// A predictor that knows nothing. Values outside their bounds are brought to the nearest: 4 KiB to 1 MiB for a
    /// range, 16 to 65,536 streams.
    #[must_use]
    pub fn new(config: PrefetchConfig) -> Self {
        let streams = config.streams.clamp(16, 65_536).next_power_of_two();
        let config = PrefetchConfig { bytes_max: config.bytes_max.clamp(4 << 10, 1 << 20), ..config };
        Self {
            config,
            streams: vec![Stream::default(); streams].into(),
            index: Index::new(streams * 2),
            odds: vec![Odds::default(); RUNS * SIZES * HISTORIES].into(),
            regions: vec![0; REGIONS].into(),
            hand: 0,
            tick: 0,
        }
    }

    fn state(&self, requests: u32, access: &Access) -> u16 {
        let size = (access.len >> 12).checked_ilog2().unwrap_or(0) as usize;
        let history = usize::from(self.regions[region(access)]).min(HISTORIES - 1);
        let run = (requests as usize - 1).min(RUNS - 1);
        ((run * SIZES + size.min(SIZES - 1)) * HISTORIES + history) as u16
    }

    /// Bytes beyond the stream's end that will be used with a probability of at least `use_min`.
    fn window(&self, stream: &Stream, access: &Access) -> u64 {
        let (mut probability, mut bytes) = (1.0, 0_u64);
        let mut requests = stream.requests;
        while bytes < u64::from(self.config.bytes_max) {
            probability *= self.odds[usize::from(self.state(requests, access))].share();
            if probability < self.config.use_min {
                break;
            }
            bytes += u64::from(access.len.max(1));
            requests += 1;
        }
        bytes.min(u64::from(self.config.bytes_max))
    }

    fn follow(&mut self, access: &Access) -> usize {
        let here = key(access.space, Kind::Start, access.offset);
        let known = self.index.find(here).filter(|entry| entry.slot != LONE).map(|entry| entry.slot as usize);
        let known = known.filter(|&slot| {
            let stream = &self.streams[slot];
            stream.used && stream.space == access.space && stream.next == access.offset
        });
        if let Some(slot) = known {
            self.index.remove(here);
            let stream = self.streams[slot];
            self.odds[usize::from(stream.state)].add(true);
            let region = &mut self.regions[region(access)];
            *region = region.saturating_add(1).min(HISTORIES as u8 - 1);
            self.streams[slot].requests = stream.requests.saturating_add(1);
            return slot;
        }
        let slot = self.hand;
        self.hand = (self.hand + 1) & (self.streams.len() - 1);
        let old = self.streams[slot];
        if old.used {
            self.odds[usize::from(old.state)].add(false);
        }
        self.streams[slot] =
            Stream { space: access.space, used: true, requests: 1, ahead: access.end(), ..Stream::default() };
        slot
    }
}

fn region(access: &Access) -> usize {
    key(access.space, Kind::Zone, access.offset >> REGION_SHIFT) as usize % REGIONS
}

impl Predictor for StreamPredictor {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn observe(&mut self, access: &Access) -> Option<Range> {
        if access.kind == AccessKind::Write {
            return None;
        }
        self.tick = self.tick.wrapping_add(1);
        let slot = self.follow(access);
        let end = access.end();
        let mut stream = self.streams[slot];
        stream.next = end;
        stream.state = self.state(stream.requests, access);
        stream.ahead = stream.ahead.max(end);
        let to = end.saturating_add(self.window(&stream, access));
        let from = stream.ahead;
        stream.ahead = stream.ahead.max(to);
        self.streams[slot] = stream;
        self.index.put(key(access.space, Kind::Start, end), slot as u32, self.tick);
        let len = u32::try_from(to.saturating_sub(from)).unwrap_or(self.config.bytes_max);
        (len > 0).then_some(Range { space: access.space, offset: from, len })
    }
}
