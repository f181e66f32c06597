//! What accesses look like, by the name of their operation.

use super::types::{AccessDirection, AccessPattern, AccessPatternType};
use rustfs_rio_tune::{Access, AccessKind, Arrival, Direction, Pattern, Recogniser, Verdict};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// Names remembered; the one not seen for longest goes first.
const NAMES_MAX: usize = 64;
/// Streams followed at one time, over all names.
const STREAMS: usize = 256;
/// Weight of an access in the shares of its name: they reach back over about as many accesses as its reciprocal.
const WEIGHT: f64 = 1.0 / 64.0;
/// Share of the accesses from which a name is called sequential.
const MOSTLY: f64 = 0.5;
/// Share of the sequential accesses from which the rarer direction counts.
const BOTH_WAYS: f64 = 0.25;

pub(super) struct Patterns {
    recogniser: Recogniser,
    names: HashMap<String, Named>,
    /// Number of the next name: a space of its own.
    next_space: u32,
    period: (u64, u64),
}

struct Named {
    space: u32,
    count: usize,
    last_update: Duration,
    last: (u64, usize),
    /// Shares by weight.
    sequential: f64,
    backward: f64,
    confidence: f64,
    mean_size: f64,
    stride: u64,
    hot: (f64, f64),
    arrival: Arrival,
}

impl Patterns {
    pub(super) fn new() -> Self {
        let recogniser = Recogniser::new(STREAMS, NAMES_MAX);
        Self { recogniser, names: HashMap::new(), next_space: 0, period: (0, 0) }
    }

    pub(super) fn observe(&mut self, name: &str, offset: u64, size: usize, now: Duration) {
        if !self.names.contains_key(name) {
            self.make_room();
            self.names.insert(name.to_owned(), Named::new(self.next_space));
            self.next_space = self.next_space.wrapping_add(1);
        }
        let Some(named) = self.names.get_mut(name) else { return };
        let kind = if name.contains("write") { AccessKind::Write } else { AccessKind::Read };
        let len = u32::try_from(size).unwrap_or(u32::MAX);
        let at_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let verdict = self.recogniser.observe(&Access { at_ns, space: named.space, offset, len, kind });
        let sequential = named.observe(&verdict, offset, size);
        self.period.0 += u64::from(sequential);
        self.period.1 += 1;
    }

    fn make_room(&mut self) {
        if self.names.len() < NAMES_MAX {
            return;
        }
        let oldest = self.names.iter().min_by_key(|(_, named)| named.last_update);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.names.remove(&name);
        }
    }

    /// Share of the accesses since the last call that continued a stream.
    pub(super) fn end_period(&mut self) -> f64 {
        let (sequential, all) = std::mem::take(&mut self.period);
        if all == 0 { 0.0 } else { sequential as f64 / all as f64 }
    }

    pub(super) fn all(&self, samples_min: usize) -> HashMap<String, AccessPattern> {
        self.names.iter().map(|(name, named)| (name.clone(), named.pattern(samples_min))).collect()
    }
}

impl Named {
    fn new(space: u32) -> Self {
        Self {
            space,
            count: 0,
            last_update: Duration::ZERO,
            last: (0, 0),
            sequential: 0.0,
            backward: 0.0,
            confidence: 0.0,
            mean_size: 0.0,
            stride: 0,
            hot: (0.0, 1.0),
            arrival: Arrival::Steady,
        }
    }

    /// Returns whether the access continued a stream.
    fn observe(&mut self, verdict: &Verdict, offset: u64, size: usize) -> bool {
        self.count += 1;
        self.last_update = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last = (offset, size);
        self.arrival = verdict.arrival;
        // The mean of the first ones, then an exponential one.
        let weight = (1.0 / self.count as f64).max(WEIGHT);
        let (mut sequential, mut backward) = (0.0, 0.0);
        match verdict.pattern {
            Pattern::Sequential { stride, direction } => {
                sequential = 1.0;
                backward = f64::from(u8::from(direction == Direction::Backward));
                self.stride = if stride == 0 { size as u64 } else { stride };
            }
            Pattern::Random { hot_share, skew } => self.hot = (hot_share.into(), skew.into()),
        }
        for (mean, value) in [
            (&mut self.sequential, sequential),
            (&mut self.backward, backward),
            (&mut self.confidence, verdict.confidence.into()),
            (&mut self.mean_size, size as f64),
        ] {
            *mean += weight * (value - *mean);
        }
        sequential > 0.0
    }

    fn pattern(&self, samples_min: usize) -> AccessPattern {
        let pattern_type = match self.arrival {
            _ if self.sequential > MOSTLY => AccessPatternType::Sequential {
                stride: usize::try_from(self.stride).unwrap_or(usize::MAX),
                direction: self.direction(),
            },
            Arrival::Periodic { period_ns, amplitude } => AccessPatternType::Periodic {
                period_seconds: period_ns as f64 / 1e9,
                amplitude: amplitude.into(),
            },
            Arrival::Burst { length_ns, gap_ns } => AccessPatternType::Burst {
                burst_duration_ms: length_ns as f64 / 1e6,
                inter_burst_delay_ms: gap_ns as f64 / 1e6,
            },
            Arrival::Steady => AccessPatternType::Random { hotspot_ratio: self.hot.0 },
        };
        let parameters = [
            ("sequential_share", self.sequential),
            ("backward_share", self.backward),
            ("mean_size", self.mean_size),
            ("last_offset", self.last.0 as f64),
            ("last_size", self.last.1 as f64),
            ("skew", self.hot.1),
        ];
        AccessPattern {
            pattern_type,
            confidence: self.confidence * (self.count as f64 / samples_min.max(1) as f64).min(1.0),
            parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            last_update: self.last_update,
            observation_count: self.count,
        }
    }

    fn direction(&self) -> AccessDirection {
        match self.backward / self.sequential.max(f64::MIN_POSITIVE) {
            share if share < BOTH_WAYS => AccessDirection::Forward,
            share if share > 1.0 - BOTH_WAYS => AccessDirection::Backward,
            _ => AccessDirection::Bidirectional,
        }
    }
}
