//! What was attempted, what was promised, and what may therefore be found.

use rustfs_rio_engine::sim::Rng;
use rustfs_rio_wal::{Wal, WalEntry, WalError};
use std::collections::BTreeMap;

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Cancelled, or under way when the power went: it may be there.
    Unknown,
    /// With the sequence of its first record.
    Acknowledged(u64),
    /// With an error that leaves open whether it is there.
    Failed,
    /// With an error that says that it is not there.
    Refused,
}

impl Outcome {
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Acknowledged(_))
    }
}

/// Records that were appended together.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) outcome: Outcome,
    /// Whether a flush says that it is durable.
    pub(crate) flushed: bool,
}

/// One life.
pub(crate) struct Model {
    next_id: u64,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) truncated: u64,
    pub(crate) truncation_asked: u64,
    pub(crate) checkpoints: Vec<u64>,
}

impl Model {
    pub(crate) fn new(seed: u64, expected: &Expected) -> Self {
        Self {
            next_id: seed,
            attempts: Vec::new(),
            truncated: expected.truncated,
            truncation_asked: expected.truncated,
            checkpoints: expected.checkpoints.clone(),
        }
    }

    /// Notes an append and makes its records, each of which is unique.
    pub(crate) fn attempt(&mut self, sizes: &[usize]) -> (usize, Vec<Vec<u8>>) {
        let records: Vec<Vec<u8>> = sizes
            .iter()
            .map(|size| {
                self.next_id = self.next_id.wrapping_add(1);
                let mut rng = Rng::new(self.next_id);
                let mut data = self.next_id.to_le_bytes().to_vec();
                data.resize_with(*size, || rng.next_u64() as u8);
                data
            })
            .collect();
        self.attempts.push(Attempt { records: records.clone(), outcome: Outcome::Unknown, flushed: false });
        (self.attempts.len() - 1, records)
    }

    /// Appends that are acknowledged now.
    pub(crate) fn settled(&self) -> Vec<usize> {
        let indices = self.attempts.iter().enumerate();
        indices.filter(|(_, attempt)| attempt.outcome.is_acknowledged()).map(|(index, _)| index).collect()
    }

    pub(crate) fn flushed(&mut self, indices: &[usize]) {
        for index in indices {
            self.attempts[*index].flushed = true;
        }
    }

    pub(crate) fn count(&self, holds: impl Fn(&Outcome) -> bool) -> u64 {
        self.attempts.iter().filter(|attempt| holds(&attempt.outcome)).count() as u64
    }
}

/// What the next life may find.
pub(crate) struct Expected {
    durable: bool,
    /// What the last look found, which is durable.
    settled: BTreeMap<u64, Vec<u8>>,
    attempts: Vec<Attempt>,
    truncated: u64,
    truncation_asked: u64,
    checkpoints: Vec<u64>,
    pub(crate) lied: bool,
}

impl Expected {
    pub(crate) fn new(durable: bool) -> Self {
        Self {
            durable,
            settled: BTreeMap::new(),
            attempts: Vec::new(),
            truncated: 1,
            truncation_asked: 1,
            checkpoints: vec![0],
            lied: false,
        }
    }

    pub(crate) fn join(&mut self, model: Model, closed: bool) {
        self.attempts = model.attempts;
        for attempt in &mut self.attempts {
            attempt.flushed |= closed;
        }
        self.truncated = model.truncated;
        self.truncation_asked = model.truncation_asked;
        self.checkpoints = model.checkpoints;
    }

    pub(crate) fn settle(&mut self, entries: &[WalEntry], wal: &Wal) {
        self.settled = entries.iter().map(|entry| (entry.sequence, entry.data.to_vec())).collect();
        self.attempts.clear();
        self.truncated = wal.first_sequence();
        self.truncation_asked = self.truncated;
    }

    /// Compares with what was found and returns how many promised records are gone.
    pub(crate) fn check(&self, wal: &Wal, entries: &[WalEntry]) -> usize {
        let first = wal.first_sequence();
        assert!(first >= self.truncated || self.lied, "records that were given up are back");
        assert!(first <= self.truncation_asked, "more than asked was given up");
        // What is bounded by the end of the log at that time may be any number up to it.
        let checkpoint = wal.last_checkpoint();
        assert!(self.checkpoints.iter().any(|asked| checkpoint <= *asked), "a checkpoint out of nowhere");
        let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
        let all: Vec<u64> = (first..first + entries.len() as u64).collect();
        assert_eq!(sequences, all, "sequences have gaps");
        let mut attempted: BTreeMap<&[u8], (usize, usize)> = BTreeMap::new();
        for (index, attempt) in self.attempts.iter().enumerate() {
            for (place, record) in attempt.records.iter().enumerate() {
                attempted.insert(record, (index, place));
            }
        }
        let mut found: BTreeMap<usize, Vec<(usize, u64)>> = BTreeMap::new();
        let mut lost = self.settled.range(first..).count();
        for entry in entries {
            if let Some(data) = self.settled.get(&entry.sequence) {
                assert_eq!(entry.data, data, "record {} changed", entry.sequence);
                lost -= 1;
            } else if let Some((index, place)) = attempted.remove(&entry.data[..]) {
                found.entry(index).or_default().push((place, entry.sequence));
            } else {
                panic!("record {} was never appended, or is there twice", entry.sequence);
            }
        }
        for (index, attempt) in self.attempts.iter().enumerate() {
            let found = found.get(&index).map_or(&[][..], Vec::as_slice);
            lost += check_attempt(attempt, found, first, self.durable);
        }
        lost
    }
}

/// Checks one append and returns how many of its promised records are gone.
fn check_attempt(attempt: &Attempt, found: &[(usize, u64)], first: u64, durable: bool) -> usize {
    let count = attempt.records.len();
    for pair in found.windows(2) {
        assert_eq!((pair[0].0 + 1, pair[0].1 + 1), pair[1], "records of a batch are out of order");
    }
    if let Some((place, sequence)) = found.first() {
        assert_ne!(attempt.outcome, Outcome::Refused, "record {sequence} is there, and was refused");
        let cut_off = *sequence == first;
        assert!(found.len() + place == count && (*place == 0 || cut_off), "a batch is there in part");
    }
    let Outcome::Acknowledged(sequence) = attempt.outcome else { return 0 };
    let wanted = (0..count as u64).filter(|place| sequence + place >= first).count();
    for (place, at) in found {
        assert_eq!(*at, sequence + *place as u64, "a record has another sequence than was acknowledged");
    }
    if durable || attempt.flushed { wanted - found.len().min(wanted) } else { 0 }
}

pub(crate) async fn read_all(wal: &Wal) -> Vec<WalEntry> {
    let mut reader = wal.read_from(wal.first_sequence()).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        entries.push(entry);
    }
    entries
}

/// Reads while others append and truncate.
pub(crate) async fn read_some(wal: &Wal, rng: &mut Rng) {
    let Ok(mut reader) = wal.read_from(wal.first_sequence()) else { return };
    let mut before = None;
    for _ in 0..rng.below(30) {
        match reader.next().await {
            Ok(Some(entry)) => {
                assert!(before.is_none_or(|before| before + 1 == entry.sequence), "a reader skips");
                before = Some(entry.sequence);
            }
            // A failed sync may take records with it that were acknowledged without one.
            Err(WalError::Damaged { .. })
                if wal.failure().is_some() && !wal.config().durability.is_durable() =>
            {
                return;
            }
            Err(error @ WalError::Damaged { .. }) => panic!("a reader sees damage: {error}"),
            Ok(None) | Err(_) => return,
        }
    }
}
