//! Follows adjoining requests, forward and backward.
//!
//! [`StreamPredictor`] learns how often a sequence in a given state goes on: by direction, the number of requests so far, their size,
//! and how the region behaved before. It learns from every sequence, also those for which it issues nothing, so that a state
//! is proven before it costs a read. A window ends where the probability of use falls below [`PrefetchBounds::use_min`].

use crate::access::{Access, AccessKind};
use crate::index::{Index, Kind, LONE, key};
use crate::predict::Predictor;
use crate::predict::odds::Odds;
use crate::predict::plan::{PrefetchBounds, Proposal, Proposals, Range};

/// States: direction, requests so far, size, and history of the region.
const RUNS: usize = 30;
const SIZES: usize = 6;
const HISTORIES: usize = 4;
const STATES: usize = RUNS * SIZES * HISTORIES;
const REGIONS: usize = 4096;
/// A region of 1 MiB remembers whether sequences went on in it.
const REGION_SHIFT: u32 = 20;
/// Requests in a row that are evidence of their own; two or three may adjoin by chance.
const RUN_TRUSTED: u32 = 4;
/// Ranges proposed for one request: the window opens over a few requests.
const RANGES_MAX: usize = 4;

const FORWARD: usize = 0;
const BACKWARD: usize = 1;

#[derive(Clone, Copy, Default)]
struct Stream {
    space: u32,
    used: bool,
    forward: bool,
    backward: bool,
    /// Where the next request is expected to start, and where a backward one is expected to end.
    next: u64,
    back: u64,
    /// Read ahead up to here, by direction.
    ahead: [u64; 2],
    requests: u32,
    state: u16,
}

/// Follows adjoining requests with windows that its own measurements bound.
pub struct StreamPredictor {
    bounds: PrefetchBounds,
    streams: Box<[Stream]>,
    index: Index,
    odds: [Box<[Odds]>; 2],
    regions: Box<[u8]>,
    hand: usize,
    tick: u32,
}

impl StreamPredictor {
    /// A predictor that knows nothing and follows so many sequences, 16 to 65,536, rounded up to a power of two.
    #[must_use]
    pub fn new(streams: usize) -> Self {
        let streams = streams.clamp(16, 65_536).next_power_of_two();
        let odds = || vec![Odds::default(); STATES].into();
        Self {
            bounds: PrefetchBounds::default(),
            streams: vec![Stream::default(); streams].into(),
            index: Index::new(streams * 4),
            odds: [odds(), odds()],
            regions: vec![0; REGIONS].into(),
            hand: 0,
            tick: 0,
        }
    }

    fn state(&self, requests: u32, access: &Access) -> u16 {
        let size = (access.len >> 12).checked_ilog2().unwrap_or(0) as usize;
        let history = usize::from(self.regions[region(access)]).min(HISTORIES - 1);
        ((run(requests) * SIZES + size.min(SIZES - 1)) * HISTORIES + history) as u16
    }

    /// Bytes beyond the stream's end that will be used with a probability of at least `use_min`, and that probability.
    fn window(&self, direction: usize, stream: &Stream, access: &Access) -> (u64, f32) {
        let (mut probability, mut bytes) = (1.0, 0_u64);
        let mut requests = stream.requests;
        let distance = u64::from(self.bounds.distance_bytes);
        while bytes < distance {
            let odds = self.odds[direction][usize::from(self.state(requests, access))];
            // What has gone on so often goes on once more, in a state never seen before (the rule of succession, Laplace 1774).
            let share = match requests {
                0..RUN_TRUSTED => odds.share(),
                _ => odds.share_from(1.0 - 1.0 / requests as f32),
            };
            let next = probability * share;
            if next < self.bounds.use_min || next <= 0.0 {
                break;
            }
            probability = next;
            // Requests of a few bytes would make this loop long.
            bytes += u64::from(access.len.max(512));
            requests += 1;
        }
        (bytes.min(distance), probability)
    }

    /// The stream that the request continues, and whether it is a new one.
    fn follow(&mut self, access: &Access) -> usize {
        for (kind, position, direction) in
            [(Kind::Start, access.offset, FORWARD), (Kind::End, access.end(), BACKWARD)]
        {
            let Some(slot) = self.known(access.space, kind, position) else { continue };
            let stream = self.streams[slot];
            self.index.remove(key(stream.space, Kind::Start, stream.next));
            self.index.remove(key(stream.space, Kind::End, stream.back));
            self.learn(&stream, Some(direction));
            let region = &mut self.regions[region(access)];
            *region = region.saturating_add(1).min(HISTORIES as u8 - 1);
            let stream = &mut self.streams[slot];
            stream.requests = stream.requests.saturating_add(1);
            (stream.forward, stream.backward) = (direction == FORWARD, direction == BACKWARD);
            return slot;
        }
        let slot = self.hand;
        self.hand = (self.hand + 1) & (self.streams.len() - 1);
        let old = self.streams[slot];
        if old.used {
            self.learn(&old, None);
        }
        self.streams[slot] = Stream {
            space: access.space,
            used: true,
            forward: true,
            backward: true,
            requests: 1,
            ahead: [0, u64::MAX],
            ..Stream::default()
        };
        slot
    }

    fn known(&self, space: u32, kind: Kind, position: u64) -> Option<usize> {
        let entry = self.index.find(key(space, kind, position)).filter(|entry| entry.slot != LONE)?;
        let stream = self.streams.get(entry.slot as usize)?;
        let expected = match kind {
            Kind::End => stream.backward && stream.back == position,
            _ => stream.forward && stream.next == position,
        };
        (stream.used && stream.space == space && expected).then_some(entry.slot as usize)
    }

    /// How a state ended: it went on in a direction, or not at all.
    fn learn(&mut self, stream: &Stream, went: Option<usize>) {
        let state = usize::from(stream.state);
        for (direction, open) in [(FORWARD, stream.forward), (BACKWARD, stream.backward)] {
            if open {
                self.odds[direction][state].add(went == Some(direction));
            }
        }
    }

    /// Proposes what is missing in the window of one direction.
    fn propose(&mut self, direction: usize, stream: &mut Stream, access: &Access, proposals: &mut Proposals) {
        let (bytes, probability) = self.window(direction, stream, access);
        if bytes == 0 {
            return;
        }
        let size = u64::from(self.bounds.size_bytes);
        for _ in 0..RANGES_MAX {
            let (from, to) = if direction == FORWARD {
                let from = stream.ahead[FORWARD].max(access.end());
                (from, access.end().saturating_add(bytes).min(from.saturating_add(size)))
            } else {
                let to = stream.ahead[BACKWARD].min(access.offset);
                (access.offset.saturating_sub(bytes).max(to.saturating_sub(size)), to)
            };
            if from >= to {
                break;
            }
            let range = Range { space: access.space, offset: from, len: (to - from) as u32 };
            proposals.push(Proposal { range, probability, class: direction as u8, proven: true });
            stream.ahead[direction] = if direction == FORWARD { to } else { from };
        }
    }
}

/// Numbers of requests that are told apart: up to 24 each, so that pieces of a fixed length are seen to end, then by steps of a
/// half.
const fn run(requests: u32) -> usize {
    match requests {
        0..=24 => requests.saturating_sub(1) as usize,
        25..=36 => 24,
        37..=54 => 25,
        55..=81 => 26,
        82..=122 => 27,
        123..=255 => 28,
        _ => RUNS - 1,
    }
}

fn region(access: &Access) -> usize {
    key(access.space, Kind::Zone, access.offset >> REGION_SHIFT) as usize % REGIONS
}

impl Predictor for StreamPredictor {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn observe(&mut self, access: &Access, proposals: &mut Proposals) {
        if access.kind == AccessKind::Write || access.len == 0 {
            return;
        }
        self.tick = self.tick.wrapping_add(1);
        let slot = self.follow(access);
        let mut stream = self.streams[slot];
        (stream.next, stream.back) = (access.end(), access.offset);
        stream.state = self.state(stream.requests, access);
        // Two may adjoin by chance, in an order that repeats.
        if stream.requests > 2 {
            proposals.explain();
        }
        if stream.forward {
            self.propose(FORWARD, &mut stream, access, proposals);
        }
        if stream.backward {
            self.propose(BACKWARD, &mut stream, access, proposals);
        }
        self.streams[slot] = stream;
        if stream.forward {
            self.index.put(key(access.space, Kind::Start, stream.next), slot as u32, self.tick);
        }
        if stream.backward {
            self.index.put(key(access.space, Kind::End, stream.back), slot as u32, self.tick);
        }
    }

    fn set_bounds(&mut self, bounds: PrefetchBounds) {
        self.bounds = bounds.clamped();
    }

    fn bytes(&self) -> usize {
        let odds = self.odds.iter().map(|odds| size_of_val(&**odds)).sum::<usize>();
        size_of_val(&*self.streams) + self.index.bytes() + odds + self.regions.len()
    }
}
