//! The tuned parameters: a closed list, with the bounds that no value ever leaves.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Everything that is tuned while the engine runs.
///
/// On the common scale of [`Parameters::get`](crate::Parameters::get) a value is a number in the [unit](Unit) of its parameter;
/// a codec is its [code](crate::Codec::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// How many blocks of `prefetch_size` may be read ahead of a stream, in blocks.
    PrefetchDistance,
    /// Size of one read ahead, in bytes.
    PrefetchSize,
    /// Operations that one submission to the kernel takes at most.
    BatchSize,
    /// Upper bound on the time an operation waits for others to be submitted with, in milliseconds; not a wait in itself.
    BatchTimeout,
    /// Codec for objects that do not name one, as its code.
    Compression,
    /// Level of that codec, on the codec's own scale.
    CompressionLevel,
    /// Buffers the pool keeps, in use and idle together.
    BufferPoolSize,
    /// Size of a buffer where the caller names none, in bytes.
    BufferSize,
    /// Operations accepted at one time; later ones wait for a permit.
    MaxConcurrentOps,
    /// Operations in the kernel at one time, per ring.
    QueueDepth,
}

/// A part of tuning that has its own switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Reading ahead.
    Prefetching,
    /// Submission in batches.
    Batching,
    /// Codec and level.
    CodecSelection,
    /// Number and size of buffers.
    Pools,
    /// Operations in flight.
    Concurrency,
}

/// What a parameter's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Blocks, operations, buffers: a plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// A codec's code.
    Codec,
    /// A codec's level.
    Level,
}

/// The range of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Value where nothing is known.
    pub default: f64,
    /// Values are multiples of this.
    pub grain: f64,
    /// Whether steps are factors of the value rather than amounts.
    pub geometric: bool,
    /// What the numbers count.
    pub unit: Unit,
}

const KIB: f64 = 1024.0;
/// Sizes are whole pages, so that direct transfers can use them.
const PAGE: f64 = 4096.0;

const fn counted(min: f64, max: f64, default: f64) -> Bounds {
    Bounds { min, max, default, grain: 1.0, geometric: true, unit: Unit::Count }
}

const fn sized(min: f64, max: f64, default: f64) -> Bounds {
    Bounds { min, max, default, grain: PAGE, geometric: true, unit: Unit::Bytes }
}

/// The bounds of every parameter, in the order of [`Parameter::ALL`].
///
/// The level's are those of all codecs together; [`Parameters::clamp`](crate::Parameters::clamp) narrows them to the codec in force.
pub const BOUNDS: [Bounds; Parameter::COUNT] = [
    counted(4.0, 64.0, 4.0),
    sized(64.0 * KIB, 1024.0 * KIB, 64.0 * KIB),
    counted(16.0, 256.0, 16.0),
    Bounds { min: 5.0, max: 50.0, default: 10.0, grain: 0.001, geometric: true, unit: Unit::Milliseconds },
    Bounds { min: 0.0, max: 7.0, default: 4.0, grain: 1.0, geometric: false, unit: Unit::Codec },
    Bounds { min: 0.0, max: 22.0, default: 3.0, grain: 1.0, geometric: false, unit: Unit::Level },
    counted(512.0, 8192.0, 1024.0),
    sized(32.0 * KIB, 512.0 * KIB, 64.0 * KIB),
    counted(512.0, 4096.0, 1024.0),
    counted(16.0, 128.0, 32.0),
];

impl Parameter {
    /// How many there are.
    pub const COUNT: usize = 10;

    /// All of them, in a fixed order.
    pub const ALL: [Parameter; Self::COUNT] = [
        Parameter::PrefetchDistance,
        Parameter::PrefetchSize,
        Parameter::BatchSize,
        Parameter::BatchTimeout,
        Parameter::Compression,
        Parameter::CompressionLevel,
        Parameter::BufferPoolSize,
        Parameter::BufferSize,
        Parameter::MaxConcurrentOps,
        Parameter::QueueDepth,
    ];

    /// Its place in [`ALL`](Self::ALL).
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in configuration, logs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrefetchDistance => "prefetch_distance",
            Self::PrefetchSize => "prefetch_size",
            Self::BatchSize => "batch_size",
            Self::BatchTimeout => "batch_timeout",
            Self::Compression => "compression",
            Self::CompressionLevel => "compression_level",
            Self::BufferPoolSize => "buffer_pool_size",
            Self::BufferSize => "buffer_size",
            Self::MaxConcurrentOps => "max_concurrent_ops",
            Self::QueueDepth => "queue_depth",
        }
    }

    /// The switch it belongs to.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::PrefetchDistance | Self::PrefetchSize => Group::Prefetching,
            Self::BatchSize | Self::BatchTimeout => Group::Batching,
            Self::Compression | Self::CompressionLevel => Group::CodecSelection,
            Self::BufferPoolSize | Self::BufferSize => Group::Pools,
            Self::MaxConcurrentOps | Self::QueueDepth => Group::Concurrency,
        }
    }

    /// Its range.
    #[must_use]
    pub const fn bounds(self) -> Bounds {
        BOUNDS[self as usize]
    }

    /// A value of it with its unit, for people: `64 KiB`, `10 ms`, `zstd`.
    #[must_use]
    pub fn show(self, value: f64) -> Shown {
        Shown { unit: self.bounds().unit, value }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no parameter's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no tuned parameter is called '{name}'; there are {}", Parameter::ALL.map(Parameter::name).join(", "))]
pub struct UnknownParameter {
    /// What was given.
    pub name: String,
}

impl FromStr for Parameter {
    type Err = UnknownParameter;

    fn from_str(name: &str) -> Result<Self, UnknownParameter> {
        let found = Self::ALL.into_iter().find(|parameter| parameter.name() == name);
        found.ok_or_else(|| UnknownParameter { name: name.to_owned() })
    }
}

impl Bounds {
    /// The nearest allowed value: inside the range and a multiple of the grain. What is not a number becomes the default.
    #[must_use]
    pub fn clamp(&self, value: f64) -> f64 {
        if value.is_nan() {
            return self.default;
        }
        let value = value.clamp(self.min, self.max);
        ((value / self.grain).round() * self.grain).clamp(self.min, self.max)
    }

    /// Whether a value is one that [`clamp`](Self::clamp) leaves alone, but for the grain.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Where a value stands between the bounds, 0 to 1; geometric ranges by the logarithm, so that a doubling is the same
    /// distance everywhere.
    #[must_use]
    pub fn to_unit(&self, value: f64) -> f64 {
        let value = self.clamp(value);
        if self.geometric {
            (value / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        }
    }

    /// The value at a place between 0 and 1: the reverse of [`to_unit`](Self::to_unit), clamped.
    #[must_use]
    pub fn from_unit(&self, unit: f64) -> f64 {
        let unit = if unit.is_nan() { return self.default } else { unit.clamp(0.0, 1.0) };
        if self.geometric {
            self.clamp(self.min * (self.max / self.min).powf(unit))
        } else {
            self.clamp(self.min + unit * (self.max - self.min))
        }
    }

    /// Number of doublings between the bounds, or of grains where steps are amounts.
    #[must_use]
    pub fn span(&self) -> f64 {
        if self.geometric { (self.max / self.min).log2() } else { (self.max - self.min) / self.grain }
    }
}

/// See [`Parameter::show`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    unit: Unit,
    value: f64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.unit {
            Unit::Bytes if value >= 1024.0 * KIB => write!(f, "{} MiB", value / (1024.0 * KIB)),
            Unit::Bytes => write!(f, "{} KiB", value / KIB),
            Unit::Milliseconds => write!(f, "{} ms", (value * 1000.0).round() / 1000.0),
            Unit::Codec => f.write_str(crate::Codec::from_code(value).name()),
            Unit::Count | Unit::Level => write!(f, "{value}"),
        }
    }
}
