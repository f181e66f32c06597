//! The closed sets that some settings choose from.

use crate::buffers::MemoryStrategy;

/// How many decision periods the optimizer measures before it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdaptationSpeed {
    /// At most five: fewer wrong verdicts.
    Slow,
    /// At most three.
    #[default]
    Medium,
    /// At most two: sooner, and more often wrong.
    Fast,
}

impl AdaptationSpeed {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Medium => "medium",
            Self::Fast => "fast",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        named([Self::Slow, Self::Medium, Self::Fast], Self::name, name)
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

impl OptimizationLevel {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        named([Self::Low, Self::Medium, Self::High], Self::name, name)
    }
}

fn named<T: Copy, const N: usize>(all: [T; N], name_of: fn(T) -> &'static str, name: &str) -> Option<T> {
    all.into_iter().find(|choice| name_of(*choice).eq_ignore_ascii_case(name.trim()))
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
    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AsConfigured => "as_configured",
            Self::Fixed => "fixed",
            Self::Adaptive => "adaptive",
            Self::AdaptiveNuma => "adaptive_numa",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        named([Self::AsConfigured, Self::Fixed, Self::Adaptive, Self::AdaptiveNuma], Self::name, name)
    }

    /// The strategy with the numbers of `given` in this form, as far as both have them.
    pub(super) fn apply(
        self,
        given: &MemoryStrategy,
        numa_aware: bool,
        buffers: Option<usize>,
    ) -> MemoryStrategy {
        let mut numbers = given.numbers();
        numbers.max_buffers = buffers.unwrap_or(numbers.max_buffers);
        let form = match (self, given) {
            (Self::AsConfigured, MemoryStrategy::Fixed { .. }) => Self::Fixed,
            (Self::AsConfigured, MemoryStrategy::Adaptive { .. }) if numa_aware => Self::AdaptiveNuma,
            (Self::AsConfigured, MemoryStrategy::Adaptive { .. }) => Self::Adaptive,
            (Self::AsConfigured, MemoryStrategy::AdaptiveNuma { .. }) => Self::AdaptiveNuma,
            (form, _) => form,
        };
        numbers.shape(form)
    }
}

/// All numbers that a strategy can have; those that a form lacks have their usual value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) min_size: usize,
    pub(super) max_size: usize,
    max_buffers: usize,
    pub(super) growth_factor: f64,
    numa_node: Option<u32>,
}

impl Numbers {
    fn shape(self, form: BufferPoolStrategy) -> MemoryStrategy {
        let Self { min_size, max_size, max_buffers, growth_factor, numa_node } = self;
        match form {
            BufferPoolStrategy::Fixed => MemoryStrategy::Fixed { buffer_size: min_size, max_buffers },
            BufferPoolStrategy::AdaptiveNuma => {
                MemoryStrategy::AdaptiveNuma { initial_size: min_size, max_buffers, numa_node }
            }
            BufferPoolStrategy::Adaptive | BufferPoolStrategy::AsConfigured => {
                MemoryStrategy::Adaptive { min_size, max_size, max_buffers, growth_factor }
            }
        }
    }
}

impl MemoryStrategy {
    pub(super) fn numbers(&self) -> Numbers {
        let plain = Numbers {
            min_size: 64 << 10,
            max_size: 1 << 20,
            max_buffers: 1024,
            growth_factor: crate::buffers::HEADROOM,
            numa_node: None,
        };
        match *self {
            Self::Fixed { buffer_size, max_buffers } => {
                Numbers { min_size: buffer_size, max_size: buffer_size, max_buffers, ..plain }
            }
            Self::Adaptive { min_size, max_size, max_buffers, growth_factor } => {
                Numbers { min_size, max_size, max_buffers, growth_factor, ..plain }
            }
            Self::AdaptiveNuma { initial_size, max_buffers, numa_node } => {
                let max_size = initial_size.max(plain.max_size);
                Numbers { min_size: initial_size, max_size, max_buffers, numa_node, ..plain }
            }
        }
    }

    /// Changes numbers and keeps the form.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Numbers)) {
        let mut numbers = self.numbers();
        change(&mut numbers);
        *self = numbers.shape(match self {
            Self::Fixed { .. } => BufferPoolStrategy::Fixed,
            Self::Adaptive { .. } => BufferPoolStrategy::Adaptive,
            Self::AdaptiveNuma { .. } => BufferPoolStrategy::AdaptiveNuma,
        });
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
            MemoryStrategy::Fixed { buffer_size: 4096, max_buffers: 512 }
        );
        let near = MemoryStrategy::AdaptiveNuma { initial_size: 4096, max_buffers: 3, numa_node: Some(1) };
        assert_eq!(BufferPoolStrategy::AsConfigured.apply(&near, false, None), near);
    }
}
