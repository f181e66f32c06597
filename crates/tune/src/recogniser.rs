//! Assigns requests to streams and names their pattern.
//!
//! A request continues a stream if it starts where the stream's next request is expected, or ends there for a backward one. Two
//! adjacent lone requests, or four in arithmetic progression, make a stream. Each continuation is weighed against chance: in
//! a span of `s` requests, a random request continues one of the `a` streams heard of last with probability `a / s`. The
//! sum of the logarithms, less what chance gives, is a stream's score (a sequential test in the sense of Wald 1945);
//! below a bound the stream's requests count as random.

use crate::access::Access;
use crate::arrival::{Arrival, Arrivals};
use crate::calibration::Cell;
use crate::index::{Index, Kind, LONE, key};
use crate::spots::Spots;

/// Index entries per stream: next, next but one, near, and room for lone requests and what is out of date.
const ENTRIES_PER_STREAM: usize = 8;
const STREAMS_PER_ZONE: usize = 2;
const ZONE_REQUESTS: usize = 8;
/// Lone requests of 8 MiB are searched together for a stride, and those of the whole space.
const ZONE_SHIFT: u32 = 23;
const NEAR_SHIFT: u32 = 18;
/// Evidence, in natural logarithms, from which a stream counts as one: chance gets there once in 400 requests.
const SCORE_MIN: f32 = 6.0;
/// More evidence than this is not kept, so that a stream that ends is soon doubted.
const SCORE_MAX: f32 = 30.0;
/// Evidence that a stream needs before a displaced request is taken for its own.
const SCORE_FOR_NEAR: f32 = 12.0;
/// Below this score a stream is chance rather than young.
const DOUBTED: f32 = 1.0;
/// A sequence of this many requests is longer than what chance makes of a hot spot of the usual size.
const LONG: u32 = 24;
/// Chance is expected to add one per continuation; two leaves a margin.
const SCORE_COST: f32 = 2.0;

/// Which way a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To higher offsets.
    Forward,
    /// To lower offsets.
    Backward,
}

/// What the requests of a stream look like in space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Each request follows the one before at a fixed distance.
    Sequential {
        /// Bytes from the start of a request to the start of the next; 0 where requests of any length adjoin.
        stride: u64,
        /// Which way.
        direction: Direction,
    },
    /// No order.
    Random {
        /// Share of the requests that fall in hot spots, 0 to 1; 0 where they spread evenly.
        hot_share: f32,
        /// How many times denser hot spots are than the whole; 1 where requests spread evenly.
        skew: f32,
    },
}

/// Names a stream while it lives: a slot of the table and how often the slot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// Place in the table; `u32::MAX` for the requests of a space that belong to no sequence.
    pub slot: u32,
    /// How often the slot was taken before; the space, where the slot is `u32::MAX`.
    pub generation: u32,
}

/// What the recogniser says about one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// What that stream looks like.
    pub pattern: Pattern,
    /// Probability that `pattern` is right, 0 to 1, measured on labelled streams.
    pub confidence: f32,
    /// When requests of its space come.
    pub arrival: Arrival,
    /// Whether its space went from mostly sequential to mostly random, or back, with this request.
    pub regime_changed: bool,
    /// Requests of the stream so far.
    pub requests: u32,
    cell: Cell,
}

impl Verdict {
    /// The evidence behind `confidence`, as a label for tables of how often such verdicts are right.
    #[must_use]
    pub fn evidence(&self) -> String {
        let class = match self.pattern {
            Pattern::Sequential { .. } => "sequence",
            Pattern::Random { .. } => "random",
        };
        format!("{class} row {} column {}", self.cell.0, self.cell.1)
    }
}

#[derive(Clone, Copy, Default)]
struct Stream {
    space: u32,
    generation: u32,
    next: u64,
    /// Distance of starts; 0 for adjoining requests.
    stride: i64,
    backward: bool,
    used: bool,
    tick: u32,
    requests: u32,
    /// Requests since the last displaced one.
    run: u32,
    score: f32,
}

impl Stream {
    /// Where `access` would have to start to continue the stream exactly.
    fn expects(&self, access: &Access) -> bool {
        if self.stride == 0 && self.backward { access.end() == self.next } else { access.offset == self.next }
    }

    /// Bytes from where one request is expected to where the next is.
    fn step(&self, len: u32) -> i64 {
        match (self.stride, self.backward) {
            (0, true) => -i64::from(len),
            (0, false) => i64::from(len),
            (stride, _) => stride,
        }
    }

    /// Whether a request at `position` leaves out just one.
    fn skips_to(&self, position: u64, len: u32) -> bool {
        self.requests >= 4 && position == self.next.saturating_add_signed(self.step(len))
    }

    fn next_after(&self, access: &Access) -> u64 {
        match (self.stride, self.backward) {
            (0, true) => access.offset,
            (0, false) => access.end(),
            (stride, _) => access.offset.saturating_add_signed(stride),
        }
    }

    const fn pattern(&self) -> Pattern {
        let direction = if self.backward { Direction::Backward } else { Direction::Forward };
        Pattern::Sequential { stride: self.stride.unsigned_abs(), direction }
    }
}

#[derive(Clone, Copy, Default)]
struct Zone {
    key: u64,
    seen: u32,
    starts: [u64; ZONE_REQUESTS],
}

#[derive(Clone, Copy)]
struct Space {
    id: u32,
    tick: u32,
    lowest: u64,
    highest: u64,
    loose: f32,
    mostly_random: bool,
    arrivals: Arrivals,
    spots: Spots,
}

impl Space {
    fn new(id: u32, access: &Access) -> Self {
        Self {
            id,
            tick: 0,
            lowest: access.offset,
            highest: access.end(),
            loose: 0.5,
            mostly_random: true,
            arrivals: Arrivals::default(),
            spots: Spots::default(),
        }
    }

    /// Requests of this length that fit the span seen, as a divisor of chance.
    fn places(&self, access: &Access) -> f32 {
        let len = f32::max(access.len as f32, 1.0);
        1.0 + (self.highest - self.lowest) as f32 / len
    }

    /// Notes whether a request had a stream; tells whether the space changed its regime.
    fn note(&mut self, lone: bool) -> bool {
        self.loose += (f32::from(u8::from(lone)) - self.loose) / 16.0;
        let was = self.mostly_random;
        self.mostly_random = if was { self.loose > 0.3 } else { self.loose > 0.7 };
        was != self.mostly_random
    }
}

/// Recognises patterns in bounded memory; see the module's text for how.
pub struct Recogniser {
    streams: Box<[Stream]>,
    index: Index,
    zones: Box<[Zone]>,
    spaces: Box<[Space]>,
    spaces_used: usize,
    hand: usize,
    tick: u32,
}

impl Recogniser {
    /// Room for `streams` concurrent sequences (rounded up to a power of two, 16 to 65,536) and the random requests of `spaces`
    /// spaces (1 to 4,096); the longest idle give way. Allocates all it will ever use.
    #[must_use]
    pub fn new(streams: usize, spaces: usize) -> Self {
        let streams = streams.clamp(16, 65_536).next_power_of_two();
        let nobody = Access { at_ns: 0, space: 0, offset: 0, len: 0, kind: crate::AccessKind::Read };
        Self {
            streams: vec![Stream::default(); streams].into(),
            index: Index::new(streams * ENTRIES_PER_STREAM),
            zones: vec![Zone::default(); streams / STREAMS_PER_ZONE].into(),
            spaces: vec![Space::new(0, &nobody); spaces.clamp(1, 4096)].into(),
            spaces_used: 0,
            hand: 0,
            tick: 0,
        }
    }

    /// Bytes of memory per stream: the share of the tables, and what the random requests of a space take.
    #[must_use]
    pub fn bytes_per_stream(&self) -> usize {
        let tables = size_of_val(&*self.streams) + self.index.bytes() + size_of_val(&*self.zones);
        (tables / self.streams.len()).max(size_of::<Space>())
    }

    /// Takes in one request and says what it belongs to.
    pub fn observe(&mut self, access: &Access) -> Verdict {
        self.tick = self.tick.wrapping_add(1);
        let at = self.space(access);
        let space = &mut self.spaces[at];
        space.tick = self.tick;
        space.lowest = space.lowest.min(access.offset);
        space.highest = space.highest.max(access.end());
        space.arrivals.observe(access.at_ns);
        let places = space.places(access);
        // Where random requests gather, chance brings them together more often.
        let skew = space.spots.hot().map_or(1.0, |(_, skew)| skew);
        let slot = self.continued(access, places, skew).or_else(|| self.lone(access, places / skew));
        let space = &mut self.spaces[at];
        let arrival = space.arrivals.arrival();
        if let Some(slot) = slot {
            let stream = &self.streams[slot];
            if stream.score >= SCORE_MIN {
                let cell = Cell::of_stream(stream.score, stream.requests);
                return Verdict {
                    stream: StreamId { slot: slot as u32, generation: stream.generation },
                    pattern: stream.pattern(),
                    confidence: cell.confidence(),
                    cell,
                    arrival,
                    regime_changed: space.note(false),
                    requests: stream.requests,
                };
            }
        }
        // A sequence that is about to prove itself is no hot spot.
        if slot.is_none_or(|slot| self.streams[slot].score < DOUBTED) {
            space.spots.observe(access.offset);
        }
        let regime_changed = space.note(true);
        let cell = Cell::of_random(space.spots.seen(), space.loose);
        let (hot_share, skew) = space.spots.hot().unwrap_or((0.0, 1.0));
        Verdict {
            stream: StreamId { slot: LONE, generation: access.space },
            pattern: Pattern::Random { hot_share, skew },
            confidence: cell.confidence(),
            cell,
            arrival,
            regime_changed,
            requests: space.spots.seen(),
        }
    }

    fn space(&mut self, access: &Access) -> usize {
        let used = &self.spaces[..self.spaces_used];
        if let Some(at) = used.iter().position(|space| space.id == access.space) {
            // Spaces in use move to the front, so that the search stays short.
            if at > 0 {
                self.spaces.swap(at, at / 2);
            }
            return at / 2;
        }
        let at = if self.spaces_used < self.spaces.len() {
            self.spaces_used += 1;
            self.spaces_used - 1
        } else {
            let idle = |space: &Space| self.tick.wrapping_sub(space.tick);
            self.spaces.iter().enumerate().max_by_key(|(_, space)| idle(space)).map_or(0, |(at, _)| at)
        };
        self.spaces[at] = Space::new(access.space, access);
        at
    }

    /// The stream that `access` continues, if any, advanced by it.
    fn continued(&mut self, access: &Access, places: f32, skew: f32) -> Option<usize> {
        for (kind, position) in [(Kind::Start, access.offset), (Kind::End, access.end())] {
            let key = key(access.space, kind, position);
            let Some(entry) = self.index.find(key) else { continue };
            let age = self.tick.wrapping_sub(entry.tick).max(1) as f32;
            let backward = matches!(kind, Kind::End);
            let slot = if entry.slot == LONE {
                self.create(access.space, 0, backward, 1)
            } else {
                let slot = entry.slot as usize;
                let stream = &self.streams[slot];
                let ours = stream.used && stream.space == access.space && stream.backward == backward
                    || stream.stride < 0 && stream.space == access.space;
                if !ours || !(stream.expects(access) || stream.skips_to(position, access.len)) {
                    continue;
                }
                slot
            };
            self.index.remove(key);
            let skew = if self.streams[slot].run < LONG { skew } else { 1.0 };
            self.advance(slot, access, age * skew / places);
            return Some(slot);
        }
        let entry = self.index.find(key(access.space, Kind::Near, access.offset >> NEAR_SHIFT))?;
        let stream = self.streams.get(entry.slot as usize)?;
        let displaced = stream.used && stream.space == access.space && stream.score >= SCORE_FOR_NEAR;
        let reach = 8 * u64::from(access.len).max(stream.stride.unsigned_abs());
        if !displaced || access.offset.abs_diff(stream.next) > reach {
            return None;
        }
        let age = self.tick.wrapping_sub(stream.tick).max(1) as f32;
        self.streams[entry.slot as usize].run = 0;
        self.advance(entry.slot as usize, access, 16.0 * age * skew / places);
        Some(entry.slot as usize)
    }

    /// Moves a stream on by a request that chance would have brought with probability `chance`.
    fn advance(&mut self, slot: usize, access: &Access, chance: f32) {
        let tick = self.tick;
        let stream = &mut self.streams[slot];
        let evidence = -chance.clamp(1e-9, 1.0).ln() - SCORE_COST;
        stream.score = (stream.score + evidence).clamp(0.0, SCORE_MAX);
        stream.requests = stream.requests.saturating_add(1);
        stream.run = stream.run.saturating_add(1);
        stream.tick = tick;
        // An early or repeated request does not move the stream back.
        let next = stream.next_after(access);
        let ahead = if stream.backward { next < stream.next } else { next > stream.next };
        if !ahead {
            stream.run = 0;
        }
        if !ahead && stream.requests > 2 && stream.score >= SCORE_FOR_NEAR {
            return;
        }
        stream.next = next;
        let (space, stride, backward) = (stream.space, stream.stride, stream.backward);
        let kind = if stride == 0 && backward { Kind::End } else { Kind::Start };
        self.index.put(key(space, kind, next), slot as u32, tick);
        let after = next.saturating_add_signed(stream.step(access.len));
        if stream.score >= SCORE_MIN {
            self.index.put(key(space, kind, after), slot as u32, tick);
            self.index.put(key(space, Kind::Near, next >> NEAR_SHIFT), slot as u32, tick);
        }
    }

    fn create(&mut self, space: u32, stride: i64, backward: bool, requests: u32) -> usize {
        // Two looks ahead of the hand, the longer idle gives way: near enough to the longest idle, and constant.
        let mut slot = self.hand;
        for step in 1..4 {
            let other = (self.hand + step) & (self.streams.len() - 1);
            let idle = |slot: usize| self.tick.wrapping_sub(self.streams[slot].tick);
            if !self.streams[other].used || (self.streams[slot].used && idle(other) > idle(slot)) {
                slot = other;
            }
        }
        self.hand = (self.hand + 1) & (self.streams.len() - 1);
        let generation = self.streams[slot].generation.wrapping_add(1);
        let tick = self.tick;
        let next = if backward { u64::MAX } else { 0 };
        self.streams[slot] = Stream {
            space,
            generation,
            stride,
            backward,
            used: true,
            tick,
            requests,
            next,
            run: 0,
            score: 0.0,
        };
        slot
    }

    /// Looks for a stride among lone requests, and remembers this one.
    fn lone(&mut self, access: &Access, places: f32) -> Option<usize> {
        let mut found = None;
        let half = self.zones.len() / 2;
        for (part, position) in [access.offset >> ZONE_SHIFT, u64::MAX >> 8].into_iter().enumerate() {
            let zone_key = key(access.space, Kind::Zone, position);
            // A half for each kind, so that the two never displace each other.
            let zone = &mut self.zones[(zone_key as usize & (half - 1)) + part * half];
            if zone.key != zone_key {
                *zone = Zone { key: zone_key, ..Zone::default() };
            }
            found = found.or_else(|| zone.stride_to(access.offset));
            zone.starts[zone.seen as usize % ZONE_REQUESTS] = access.offset;
            zone.seen = zone.seen.wrapping_add(1);
        }
        if let Some(stride) = found {
            let slot = self.create(access.space, stride, stride < 0, 3);
            // 64 pairs could have made a progression of three, and the fourth had to be there as well.
            let chance = 64.0 * 8.0 / (places * places).max(1.0);
            self.advance(slot, access, chance);
            return Some(slot);
        }
        self.index.put(key(access.space, Kind::Start, access.end()), LONE, self.tick);
        self.index.put(key(access.space, Kind::End, access.offset), LONE, self.tick);
        None
    }
}

impl Zone {
    /// The distance `d` for which `offset - d`, `offset - 2d` and `offset - 3d` are all here.
    fn stride_to(&self, offset: u64) -> Option<i64> {
        let known = &self.starts[..ZONE_REQUESTS.min(self.seen as usize)];
        known.iter().find_map(|&before| {
            let stride = offset.wrapping_sub(before) as i64;
            let at = |steps: i64| offset.wrapping_sub(stride.wrapping_mul(steps) as u64);
            let whole = stride != 0 && known.contains(&at(2)) && known.contains(&at(3));
            whole.then_some(stride)
        })
    }
}
