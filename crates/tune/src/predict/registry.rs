//! Predictors by name.

use crate::predict::Predictor;
use crate::predict::history::HistoryPredictor;
use crate::predict::stream::StreamPredictor;
use crate::predict::stride::StridePredictor;
use crate::predict::temporal::TemporalPredictor;

/// How much memory predictors may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictorSizes {
    /// Sequences followed at once, 16 to 65,536.
    pub streams: usize,
    /// Requests remembered for orders that repeat, 1,024 to 4,194,304.
    pub history: usize,
}

impl Default for PredictorSizes {
    /// 256 streams: with more, the outcome of an ended sequence is known late, and its state looks better than it is
    /// (docs/decisions/0041). 131,072 requests: blocks of 4 KiB eight times as many as a cache of 64 MiB holds.
    fn default() -> Self {
        Self { streams: 256, history: 1 << 17 }
    }
}

/// One predictor that can be chosen by name.
#[derive(Clone, Copy)]
pub struct Registration {
    /// What `--predictor` calls it.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Makes one that knows nothing.
    pub make: fn(&PredictorSizes) -> Box<dyn Predictor>,
}

const REGISTRY: &[Registration] = &[
    Registration {
        name: "stream",
        about: "adjoining requests, with windows that their own outcomes bound",
        make: |sizes| Box::new(StreamPredictor::new(sizes.streams)),
    },
    Registration {
        name: "stride",
        about: "requests at a fixed distance",
        make: |_| Box::new(StridePredictor::new()),
    },
    Registration {
        name: "history",
        about: "orders that repeat without being sequential",
        make: |sizes| Box::new(HistoryPredictor::new(sizes.history)),
    },
    Registration {
        name: "temporal",
        about: "ranges that are read again after the same time",
        make: |_| Box::new(TemporalPredictor::new()),
    },
];

/// All built-in predictors, in the order in which they are asked.
#[must_use]
pub const fn registry() -> &'static [Registration] {
    REGISTRY
}

/// One of each, in the order in which they are asked.
#[must_use]
pub fn built_in(sizes: &PredictorSizes) -> Vec<Box<dyn Predictor>> {
    REGISTRY.iter().map(|registration| (registration.make)(sizes)).collect()
}
