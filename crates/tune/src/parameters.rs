//! One value for each tuned parameter.

use crate::Parameter;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A compression method, as a choice; the methods themselves are the business of whoever compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Stored as it is.
    None,
    /// LZ4 block format.
    Lz4,
    /// S2, an extension of Snappy.
    S2,
    /// Snappy.
    Snappy,
    /// Zstandard, RFC 8878.
    #[default]
    Zstd,
    /// DEFLATE, RFC 1951.
    Deflate,
    /// DEFLATE inside gzip, RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Brotli,
}

impl Codec {
    /// All of them, in the order of their [code](Self::code).
    pub const ALL: [Codec; 8] = [
        Codec::None,
        Codec::Lz4,
        Codec::S2,
        Codec::Snappy,
        Codec::Zstd,
        Codec::Deflate,
        Codec::Gzip,
        Codec::Brotli,
    ];

    /// Its number on the common scale of [`Parameter::Compression`]: a name without an order.
    #[must_use]
    pub const fn code(self) -> f64 {
        self as u8 as f64
    }

    /// The codec whose code is nearest; [`Codec::Zstd`], the default, for what is not a number.
    #[must_use]
    pub fn from_code(code: f64) -> Self {
        Self::ALL[Parameter::Compression.bounds().clamp(code) as usize]
    }

    /// Its name in configuration and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::S2 => "s2",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Brotli => "brotli",
        }
    }

    /// The codec of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Lowest and highest level; `(0, 0)` where there are none. Zstandard's ultra levels are left out: they need memory that no
    /// bound here accounts for.
    #[must_use]
    pub const fn levels(self) -> (u8, u8) {
        match self {
            Self::None | Self::Lz4 | Self::S2 | Self::Snappy => (0, 0),
            Self::Zstd => (1, 19),
            Self::Deflate | Self::Gzip => (1, 9),
            Self::Brotli => (0, 11),
        }
    }
}

/// The values in force, or proposed. [`Default`] is where an engine starts that has learnt nothing.
///
/// ```
/// use rustfs_rio_tune::{Parameter, Parameters};
///
/// let mut values = Parameters::default();
/// assert_eq!(values.get(Parameter::QueueDepth), 32.0);
/// values.set(Parameter::QueueDepth, 1e9);
/// assert_eq!(values.queue_depth, 128, "no value leaves its bounds");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// [`Parameter::PrefetchDistance`], 4 to 64 blocks. Default 4.
    pub prefetch_distance: usize,
    /// [`Parameter::PrefetchSize`], 64 KiB to 1 MiB, in bytes. Default 64 KiB.
    pub prefetch_size: usize,
    /// [`Parameter::BatchSize`], 16 to 256 operations. Default 16.
    pub batch_size: usize,
    /// [`Parameter::BatchTimeout`], 5 to 50 ms. Default 10 ms.
    pub batch_timeout: Duration,
    /// [`Parameter::Compression`]. Default Zstandard.
    pub codec: Codec,
    /// [`Parameter::CompressionLevel`], within [`Codec::levels`]. Default 3.
    pub compression_level: u8,
    /// [`Parameter::BufferPoolSize`], 512 to 8192 buffers. Default 1024.
    pub buffer_pool_size: usize,
    /// [`Parameter::BufferSize`], 32 to 512 KiB, in bytes. Default 64 KiB.
    pub buffer_size: usize,
    /// [`Parameter::MaxConcurrentOps`], 512 to 4096 operations. Default 1024.
    pub max_concurrent_ops: usize,
    /// [`Parameter::QueueDepth`], 16 to 128 operations. Default 32.
    pub queue_depth: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        let mut values = Self {
            prefetch_distance: 0,
            prefetch_size: 0,
            batch_size: 0,
            batch_timeout: Duration::ZERO,
            codec: Codec::default(),
            compression_level: 0,
            buffer_pool_size: 0,
            buffer_size: 0,
            max_concurrent_ops: 0,
            queue_depth: 0,
        };
        for parameter in Parameter::ALL {
            values.set(parameter, parameter.bounds().default);
        }
        values
    }
}

impl Parameters {
    /// The value of a parameter on the common scale.
    #[must_use]
    pub fn get(&self, parameter: Parameter) -> f64 {
        match parameter {
            Parameter::PrefetchDistance => self.prefetch_distance as f64,
            Parameter::PrefetchSize => self.prefetch_size as f64,
            Parameter::BatchSize => self.batch_size as f64,
            Parameter::BatchTimeout => self.batch_timeout.as_secs_f64() * 1e3,
            Parameter::Compression => self.codec.code(),
            Parameter::CompressionLevel => f64::from(self.compression_level),
            Parameter::BufferPoolSize => self.buffer_pool_size as f64,
            Parameter::BufferSize => self.buffer_size as f64,
            Parameter::MaxConcurrentOps => self.max_concurrent_ops as f64,
            Parameter::QueueDepth => self.queue_depth as f64,
        }
    }

    /// Sets a parameter from the common scale, clamped to its bounds; what is not a number sets the default. A change of codec
    /// brings the level into the codec's range. Returns the value now in force.
    pub fn set(&mut self, parameter: Parameter, value: f64) -> f64 {
        let value = parameter.bounds().clamp(value);
        let whole = value as usize;
        match parameter {
            Parameter::PrefetchDistance => self.prefetch_distance = whole,
            Parameter::PrefetchSize => self.prefetch_size = whole,
            Parameter::BatchSize => self.batch_size = whole,
            Parameter::BatchTimeout => {
                self.batch_timeout = Duration::from_micros((value * 1e3).round() as u64)
            }
            Parameter::Compression => {
                self.codec = Codec::from_code(value);
                self.clamp_level();
            }
            Parameter::CompressionLevel => {
                self.compression_level = whole as u8;
                self.clamp_level();
            }
            Parameter::BufferPoolSize => self.buffer_pool_size = whole,
            Parameter::BufferSize => self.buffer_size = whole,
            Parameter::MaxConcurrentOps => self.max_concurrent_ops = whole,
            Parameter::QueueDepth => self.queue_depth = whole,
        }
        self.get(parameter)
    }

    fn clamp_level(&mut self) {
        let (lowest, highest) = self.codec.levels();
        self.compression_level = self.compression_level.clamp(lowest, highest);
    }

    /// The nearest values within the [bounds](crate::BOUNDS).
    #[must_use]
    pub fn clamp(mut self) -> Self {
        for parameter in Parameter::ALL {
            self.set(parameter, self.get(parameter));
        }
        self
    }

    /// Whether [`clamp`](Self::clamp) would change nothing.
    #[must_use]
    pub fn is_within_bounds(&self) -> bool {
        *self == self.clamp()
    }

    /// Name and value of each parameter, for people.
    pub fn shown(&self) -> impl Iterator<Item = (Parameter, String)> + '_ {
        Parameter::ALL
            .into_iter()
            .map(|parameter| (parameter, parameter.show(self.get(parameter)).to_string()))
    }
}
