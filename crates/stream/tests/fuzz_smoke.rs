//! The fuzz targets' entry points over mutated seeds, so that every build runs them a little. `cargo +nightly fuzz run TARGET
//! fuzz/seeds/TARGET` runs them for long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod entry;

use std::panic::catch_unwind;

/// Mutated inputs per target: 24,000 in all, some seconds.
const MUTATIONS: usize = 4000;

/// A generator of random numbers (xorshift64*), so that a failure is found again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} is empty");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len());
        match random.below(6) {
            0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
            1 if !input.is_empty() => input[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => input.truncate(at),
            3 => input.insert(at, random.below(256) as u8),
            4 if !input.is_empty() => {
                let end = at + random.below(input.len() - at);
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                input.extend_from_slice(&other[random.below(other.len())..]);
            }
        }
    }
    input
}

#[test]
fn mutated_seeds_break_nothing() {
    for (target, entry) in entry::ENTRIES {
        let seeds = seeds(target);
        seeds.iter().for_each(|seed| entry(seed));
        let mut random = Random(0x5eed_0000 + target.len() as u64);
        for _ in 0..MUTATIONS {
            let input = mutate(&seeds, &mut random);
            let hex = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert!(catch_unwind(|| entry(&input)).is_ok(), "{target} fails on {}", hex());
        }
    }
}
