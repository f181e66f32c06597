//! What happened: every second for an hour, every ten for a day, every five minutes for ninety days.
//!
//! Samples are kept as their bytes, some 200 to 700 each, so that the whole history of 38 160 samples takes 10 to 30 MiB; with a
//! [`HistoryFile`] it survives the process. A coarser tier is merged from the finer one as time passes.

#[cfg(feature = "arrow")]
mod columnar;
mod csv;
#[cfg(feature = "history")]
mod file;
mod sample;

#[cfg(feature = "arrow")]
pub use columnar::{ParquetFailed, parquet};
pub use csv::csv;
#[cfg(feature = "history")]
pub use file::{HistoryFile, HistoryFileError};
pub use sample::{Extent, Sample, SampleError};

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How fine a part of the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// A second each, for an hour.
    Second,
    /// Ten seconds each, for a day.
    TenSeconds,
    /// Five minutes each, for ninety days.
    FiveMinutes,
}

impl Tier {
    /// From fine to coarse.
    pub const ALL: [Self; 3] = [Self::Second, Self::TenSeconds, Self::FiveMinutes];

    /// The length of a sample.
    #[must_use]
    pub fn step(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::FiveMinutes => 300,
        })
    }

    /// How far back it reaches.
    #[must_use]
    pub fn reach(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 3600,
            Self::TenSeconds => 86_400,
            Self::FiveMinutes => 90 * 86_400,
        })
    }

    fn capacity(self) -> usize {
        (self.reach().as_secs() / self.step().as_secs()) as usize
    }
}

/// A finished sample and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The tier.
    pub tier: Tier,
    /// The sample.
    pub sample: Sample,
}

/// The history in memory.
#[derive(Debug)]
pub struct History {
    tiers: [Kept; 3],
}

#[derive(Debug)]
struct Kept {
    tier: Tier,
    /// End and bytes of each sample, oldest first.
    samples: VecDeque<(u64, Arc<[u8]>)>,
    /// What has gathered for the next one, and the step of time it belongs to.
    open: Option<(u64, Sample)>,
}

impl Default for History {
    fn default() -> Self {
        Self { tiers: Tier::ALL.map(|tier| Kept { tier, samples: VecDeque::new(), open: None }) }
    }
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an interval and returns the samples that are finished with it, for a file: a sample is finished when the first
    /// interval of the next one comes, so that several intervals in one second make one sample. An interval that ends before the latest
    /// one, because the clock was set back, is taken as if it ended with it.
    pub fn push(&mut self, sample: &Sample) -> Vec<Entry> {
        self.tiers.iter_mut().filter_map(|kept| kept.push(sample.clone())).collect()
    }

    /// Ends every open step, at the end of the program. What comes afterwards begins new samples.
    pub fn finish(&mut self) -> Vec<Entry> {
        let finish = |kept: &mut Kept| kept.open.take().map(|(_, gathered)| kept.finish(gathered));
        self.tiers.iter_mut().filter_map(finish).collect()
    }

    /// Completes what was put back: a coarser sample that was open when the program was killed is merged again from its seconds.
    /// Returns those that are finished.
    pub fn resume(&mut self) -> Vec<Entry> {
        let [seconds, coarser @ ..] = &mut self.tiers;
        let mut entries = Vec::new();
        for kept in coarser {
            let missing = seconds.samples.partition_point(|(end, _)| *end <= kept.latest());
            let samples =
                seconds.samples.iter().skip(missing).filter_map(|(_, bytes)| Sample::decode(bytes).ok());
            entries.extend(samples.filter_map(|sample| kept.push(sample)));
        }
        entries
    }

    /// Puts back what a file holds. Samples may come in any order of tiers, and by time within each.
    pub fn restore(&mut self, entry: &Entry) {
        if let Some(kept) = self.tiers.iter_mut().find(|kept| kept.tier == entry.tier) {
            kept.keep(&entry.sample);
        }
    }

    /// Samples that end in `from..=to`, in seconds since 1970, oldest first, from the finest tier that still reaches back to `from`.
    /// Bytes that are damaged are left out.
    #[must_use]
    pub fn range(&self, from: u64, to: u64) -> Vec<Sample> {
        self.slice(self.tier_since(from), from, to).samples().collect()
    }

    /// The finest tier that reaches back to `from`, seen from the latest sample.
    #[must_use]
    pub fn tier_since(&self, from: u64) -> Tier {
        let latest = self.tiers.iter().map(Kept::latest).max().unwrap_or(0);
        let span = Duration::from_secs(latest.saturating_sub(from));
        Tier::ALL.into_iter().find(|tier| tier.reach() >= span).unwrap_or(Tier::FiveMinutes)
    }

    /// Samples of one tier that end in `from..=to`, without decoding them: some microseconds for a day, so that a lock around the
    /// history is held no longer.
    #[must_use]
    pub fn slice(&self, tier: Tier, from: u64, to: u64) -> Slice {
        let Some(kept) = self.tiers.iter().find(|kept| kept.tier == tier) else { return Slice::default() };
        let start = kept.samples.partition_point(|(end, _)| *end < from);
        let within = kept.samples.iter().skip(start).take_while(|(end, _)| *end <= to);
        Slice { samples: within.map(|(_, bytes)| Arc::clone(bytes)).collect() }
    }

    /// Bytes that the samples take in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tiers.iter().flat_map(|kept| &kept.samples).map(|(_, bytes)| bytes.len()).sum()
    }

    /// Samples in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tiers.iter().map(|kept| kept.samples.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A stretch of the history as it is kept. Shares the samples with the history.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    samples: Vec<Arc<[u8]>>,
}

impl Slice {
    /// The samples, oldest first; damaged ones are left out.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.samples.iter().filter_map(|bytes| Sample::decode(bytes).ok())
    }

    /// Samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

impl Kept {
    /// Adds an interval to the open step and returns the step before, if this is the first of a new one.
    fn push(&mut self, mut sample: Sample) -> Option<Entry> {
        let open_end = self.open.as_ref().map_or(0, |(_, gathered)| gathered.end);
        sample.end = sample.end.max(open_end).max(self.latest());
        // Ends on a step belong to the step before it: 10 is the end of the first ten seconds.
        let step = sample.end.saturating_sub(1) / self.tier.step().as_secs();
        match &mut self.open {
            Some((open, gathered)) if *open == step => {
                gathered.merge(&sample);
                None
            }
            open => {
                let before = open.replace((step, sample));
                before.map(|(_, gathered)| self.finish(gathered))
            }
        }
    }

    fn finish(&mut self, sample: Sample) -> Entry {
        self.keep(&sample);
        Entry { tier: self.tier, sample }
    }

    fn latest(&self) -> u64 {
        self.samples.back().map_or(0, |(end, _)| *end)
    }

    fn keep(&mut self, sample: &Sample) {
        let oldest = sample.end.saturating_sub(self.tier.reach().as_secs());
        while self.samples.len() >= self.tier.capacity()
            || self.samples.front().is_some_and(|(end, _)| *end < oldest)
        {
            if self.samples.pop_front().is_none() {
                break;
            }
        }
        self.samples.push_back((sample.end, sample.encode().into()));
    }
}
