//! The closed sets that some settings choose from.

use crate::buffers::MemoryStrategy;

/// Size of a buffer where a fixed size is asked for without naming one, in bytes.
const FIXED_SIZE: usize = 64 << 10;

/// How long the optimizer looks before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdaptationSpeed {
    /// Twice the decision period: for workloads that change within hours.
    Slow,
    /// The decision period.
    #[default]
    Medium,
    /// Half the decision period: for workloads that change within minutes.
    Fast,
}

impl AdaptationSpeed {
    /// Times of the configured decision period.
    #[must_use]
    pub fn factor(self) -> f64 {
        match self {
            Self::Slow => 2.0,
            Self::Medium => 1.0,
            Self::Fast => 0.5,
        }
    }
}

/// How large a step the optimizer dares, and how sure it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OptimizationLevel {
    /// Small steps, on strong evidence.
    Low,
    /// Between the two.
    #[default]
    Medium,
    /// Large steps, on weak evidence; what does not help is taken back all the same.
    High,
}

/// The form of a pool of buffers, without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BufferPoolStrategy {
    /// As [`MemoryStrategy`] says.
    #[default]
    AsConfigured,
    /// All buffers are alike.
    Fixed,
    /// Sizes and memory follow the demand.
    Adaptive,
    /// As `Adaptive`, with memory near the processor that asks.
    AdaptiveNuma,
}

impl BufferPoolStrategy {
    /// The strategy with the numbers of `given` in this form, as far as both have them.
    pub(super) fn apply(
        self,
        given: &MemoryStrategy,
        numa_aware: bool,
        buffers: Option<usize>,
    ) -> MemoryStrategy {
        let numbers = Numbers::of(given);
        let max_buffers = buffers.unwrap_or(numbers.max_buffers);
        let form = match (self, given) {
            (Self::AsConfigured, MemoryStrategy::Fixed { .. }) => Self::Fixed,
            (Self::AsConfigured, MemoryStrategy::Adaptive { .. }) if numa_aware => Self::AdaptiveNuma,
            (Self::AsConfigured, MemoryStrategy::Adaptive { .. }) => Self::Adaptive,
            (Self::AsConfigured, MemoryStrategy::AdaptiveNuma { .. }) => Self::AdaptiveNuma,
            (form, _) => form,
        };
        match form {
            Self::Fixed => {
                MemoryStrategy::Fixed { buffer_size: numbers.fixed.unwrap_or(FIXED_SIZE), max_buffers }
            }
            Self::AdaptiveNuma => MemoryStrategy::AdaptiveNuma {
                initial_size: numbers.min_size,
                max_buffers,
                numa_node: numbers.numa_node,
            },
            Self::Adaptive | Self::AsConfigured => MemoryStrategy::Adaptive {
                min_size: numbers.min_size,
                max_size: numbers.max_size,
                max_buffers,
                growth_factor: numbers.growth_factor,
            },
        }
    }
}

struct Numbers {
    fixed: Option<usize>,
    min_size: usize,
    max_size: usize,
    max_buffers: usize,
    growth_factor: f64,
    numa_node: Option<u32>,
}

impl Numbers {
    fn of(strategy: &MemoryStrategy) -> Self {
        let plain = Self {
            fixed: None,
            min_size: FIXED_SIZE,
            max_size: 1 << 20,
            max_buffers: 1024,
            growth_factor: crate::buffers::HEADROOM,
            numa_node: None,
        };
        match *strategy {
            MemoryStrategy::Fixed { buffer_size, max_buffers } => Self {
                fixed: Some(buffer_size),
                min_size: buffer_size,
                max_size: buffer_size.max(plain.max_size),
                max_buffers,
                ..plain
            },
            MemoryStrategy::Adaptive { min_size, max_size, max_buffers, growth_factor } => {
                Self { min_size, max_size, max_buffers, growth_factor, ..plain }
            }
            MemoryStrategy::AdaptiveNuma { initial_size, max_buffers, numa_node } => Self {
                min_size: initial_size,
                max_size: initial_size.max(plain.max_size),
                max_buffers,
                numa_node,
                ..plain
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_changed_and_the_numbers_stay() {
        let given =
            MemoryStrategy::Adaptive { min_size: 4096, max_size: 8192, max_buffers: 7, growth_factor: 2.0 };
        let apply = |strategy: BufferPoolStrategy, numa, buffers| strategy.apply(&given, numa, buffers);
        assert_eq!(apply(BufferPoolStrategy::AsConfigured, false, None), given);
        assert_eq!(
            apply(BufferPoolStrategy::AsConfigured, true, None),
            MemoryStrategy::AdaptiveNuma { initial_size: 4096, max_buffers: 7, numa_node: None }
        );
        assert_eq!(
            apply(BufferPoolStrategy::Fixed, true, Some(512)),
            MemoryStrategy::Fixed { buffer_size: FIXED_SIZE, max_buffers: 512 }
        );
        let near = MemoryStrategy::AdaptiveNuma { initial_size: 4096, max_buffers: 3, numa_node: Some(1) };
        assert_eq!(BufferPoolStrategy::AsConfigured.apply(&near, false, None), near);
    }
}
