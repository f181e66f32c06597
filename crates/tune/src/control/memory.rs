//! What worked for which workload.

use crate::{Parameters, WorkloadSignature};

/// The best setting known for a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remembered {
    /// The workload.
    pub signature: WorkloadSignature,
    /// The setting.
    pub parameters: Parameters,
    /// How much better it was than where the controller started, as a share of the score; 0 where that is not known.
    pub gain: f64,
    /// Times it was met.
    pub visits: u32,
}

/// Settings by workload, at most as many as it was made for; the one not met for longest goes first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Latest last.
    entries: Vec<Remembered>,
    capacity: usize,
}

impl Memory {
    /// An empty one for at most `capacity` workloads, at least 1 and at most 4096.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), capacity: capacity.clamp(1, Self::CAPACITY_MAX) }
    }

    /// Workloads that any memory, or file of one, holds at most.
    pub const CAPACITY_MAX: usize = 4096;

    /// The nearest workload that counts as the same.
    #[must_use]
    pub fn recall(&self, signature: &WorkloadSignature) -> Option<&Remembered> {
        self.entries.get(self.nearest(signature)?)
    }

    fn nearest(&self, signature: &WorkloadSignature) -> Option<usize> {
        let near = self.entries.iter().map(|entry| entry.signature.distance(signature)).enumerate();
        let near = near.filter(|(_, distance)| *distance <= WorkloadSignature::SAME);
        near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
    }

    /// Notes the best setting of a workload. One that counts as the same is replaced, and its visits go on counting. The setting
    /// is clamped to the bounds.
    pub fn remember(&mut self, signature: WorkloadSignature, parameters: Parameters, gain: f64) {
        let before = self.nearest(&signature).map(|at| self.entries.remove(at));
        if self.entries.len() == self.capacity {
            self.entries.remove(0);
        }
        let visits = before.map_or(0, |entry| entry.visits).saturating_add(1);
        let gain = if gain.is_finite() { gain } else { 0.0 };
        self.entries.push(Remembered { signature, parameters: parameters.clamp(), gain, visits });
    }

    /// Puts entries of another memory in, as if met before everything here.
    pub(crate) fn load(&mut self, entries: &[Remembered]) {
        let own = std::mem::take(&mut self.entries);
        for entry in entries.iter().chain(&own) {
            self.remember(entry.signature, entry.parameters, entry.gain);
            if let Some(last) = self.entries.last_mut() {
                last.visits = last.visits.max(entry.visits);
            }
        }
    }

    /// All of it, the one not met for longest first.
    #[must_use]
    pub fn entries(&self) -> &[Remembered] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(size: u8) -> WorkloadSignature {
        WorkloadSignature::from_bytes([size, 20, 64, 0, 0, 8])
    }

    #[test]
    fn the_nearest_is_recalled_and_the_oldest_forgotten() {
        let mut memory = Memory::new(2);
        let mut values = Parameters::default();
        memory.remember(signature(48), values, 0.1);
        values.queue_depth = 128;
        memory.remember(signature(64), values, f64::NAN);
        assert_eq!(memory.recall(&signature(49)).map(|entry| entry.parameters.queue_depth), Some(32));
        assert_eq!(memory.recall(&signature(56)), None);
        memory.remember(signature(50), values, 0.3);
        assert_eq!(memory.entries().len(), 2);
        assert_eq!(memory.recall(&signature(48)).map(|entry| (entry.visits, entry.gain)), Some((2, 0.3)));
        memory.remember(signature(80), values, 0.0);
        assert_eq!(memory.recall(&signature(64)), None);
    }
}
