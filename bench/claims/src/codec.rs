//! C10: the adaptive codec beside each fixed one on a mixed corpus, and the cipher beside another implementation of it.

use std::hint::black_box;
use std::time::Duration;

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::codec::{Adaptive, Block, Codec, CodecPolicy, Codecs, Fixed, Method};
use rustfs_rio_stream::dare::{Cipher, HEADER_BYTES, Sealer, TAG_BYTES};
use serde_json::json;

use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Large objects of the corpus.
const LARGE: usize = 1 << 20;
/// Small ones, of which there are more.
const SMALL: usize = 16 << 10;
const SMALL_COUNT: usize = 16;
/// What a stored byte costs, in bytes per second: the rate that [`Adaptive`] assumes by default.
const RATE: u64 = Adaptive::DEFAULT_RATE;
/// Bytes of one package of the cipher.
const PACKAGE: usize = 64 << 10;
/// Packages sealed in one timing.
const PACKAGES: usize = 256;

/// What a policy made of an object.
#[derive(Clone, Copy, Default)]
struct Spent {
    seconds: f64,
    before: usize,
    after: usize,
}

impl Spent {
    /// Seconds to compress the object and to store what is left.
    fn cost(&self) -> f64 {
        self.seconds + self.after as f64 / RATE as f64
    }
}

/// C10.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let corpus = corpus(setting.seed);
    let fixed: Vec<(String, Fixed)> = [
        ("none", 0),
        ("lz4", 0),
        ("s2", 0),
        ("zstd", 1),
        ("zstd", 3),
        ("zstd", 9),
        ("gzip", 6),
        ("brotli", 4),
    ]
    .into_iter()
    .filter_map(|(name, level)| {
        let codec = Codec::ALL.into_iter().find(|codec| codec.name() == name)?;
        let method = Method::with_level(codec, level).unwrap_or(Method::new(codec));
        Some((method.to_string(), Fixed(method)))
    })
    .collect();
    let (mut less, mut regrets) = (Vec::new(), Vec::new());
    for _ in 0..setting.repeats.max(3) {
        setting.check()?;
        let adaptive = run(&Adaptive::new(RATE), &corpus)?;
        let mut all = Vec::new();
        for (name, policy) in &fixed {
            all.push((name, run(policy, &corpus)?));
        }
        let per_saved = |spent: &[Spent]| {
            let saved: usize = spent.iter().map(|one| one.before - one.after).sum();
            spent.iter().map(|one| one.seconds).sum::<f64>() / saved.max(1) as f64
        };
        let zstd = all.iter().find(|(name, _)| name.as_str() == "zstd:3" || name.as_str() == "zstd");
        let Some((_, zstd)) = zstd else {
            return Err(ClaimError::Setup {
                what: "the corpus",
                reason: "zstd at level 3 did not run".to_owned(),
            });
        };
        less.push((1.0 - per_saved(&adaptive) / per_saved(zstd)) * 100.0);
        let best: f64 = (0..corpus.len())
            .map(|object| all.iter().map(|(_, spent)| spent[object].cost()).fold(f64::INFINITY, f64::min))
            .sum();
        let ours: f64 = adaptive.iter().map(Spent::cost).sum();
        regrets.push((ours / best - 1.0) * 100.0);
        let sums = |spent: &[Spent]| json!({ "seconds": spent.iter().map(|one| one.seconds).sum::<f64>(), "bytes": spent.iter().map(|one| one.after).sum::<usize>() });
        let others: serde_json::Map<String, serde_json::Value> =
            all.iter().map(|(name, spent)| ((*name).clone(), sums(spent))).collect();
        raw.add(
            json!({ "claim": "C10", "adaptive": sums(&adaptive), "fixed": others, "bytes_per_second": RATE }),
        );
    }
    let faster = encryption(setting, raw)?;
    Ok(vec![
        Cell::new("CPU per byte saved, below zstd at level 3", "%", Bar::AtLeast(25.0), less),
        Cell::new("cost above the best fixed codec of each object", "%", Bar::AtMost(5.0), regrets)
            .note("seconds to compress and to store at 100 MiB/s"),
        Cell::new(
            "AES-256-GCM packages, throughput of RustCrypto aes-gcm",
            "times",
            Bar::AtLeast(3.0),
            faster,
        ),
    ])
}

/// Compresses each object as the policy says.
fn run(policy: &dyn CodecPolicy, corpus: &[Vec<u8>]) -> Result<Vec<Spent>, ClaimError> {
    let (mut codecs, mut trial, mut out) = (Codecs::new(), Vec::new(), Vec::new());
    let mut spent = Vec::with_capacity(corpus.len());
    // The first object pays for the libraries' memory, whoever is first.
    for (index, object) in corpus.iter().take(1).chain(corpus).enumerate() {
        out.clear();
        let start = cpu_time();
        let method = policy.choose(&mut Block::new(object, &mut codecs, &mut trial));
        codecs.compress(method, None, object, &mut out).map_err(ClaimError::setup("a codec"))?;
        let seconds = cpu_time().saturating_sub(start).as_secs_f64();
        if index > 0 {
            spent.push(Spent { seconds, before: object.len(), after: out.len() });
        }
    }
    Ok(spent)
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How many times faster packages are sealed than by the other implementation, for each repeat.
fn encryption(setting: &Setting, raw: &mut Raw) -> Result<Vec<f64>, ClaimError> {
    let bytes = [7; 32];
    let payload = random_bytes(PACKAGE, setting.seed);
    let other = Aes256Gcm::new(&bytes.into());
    let mut faster = Vec::new();
    for _ in 0..setting.repeats.max(3) {
        setting.check()?;
        let mut sealer = Sealer::new(Cipher::Aes256Gcm, &DataKey::take(&mut bytes.clone()))
            .map_err(ClaimError::setup("the cipher"))?;
        let mut package = vec![0; HEADER_BYTES + PACKAGE + TAG_BYTES];
        let start = cpu_time();
        for _ in 0..PACKAGES {
            sealer.seal_into(&payload, false, &mut package).map_err(ClaimError::setup("the cipher"))?;
            black_box(&package);
        }
        let ours = cpu_time().saturating_sub(start).as_secs_f64();
        let mut theirs_package = vec![0; PACKAGE];
        let start = cpu_time();
        for number in 0..PACKAGES as u64 {
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&number.to_le_bytes());
            theirs_package.copy_from_slice(&payload);
            let tag = other.encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], &mut theirs_package);
            black_box(tag.is_ok());
        }
        let theirs = cpu_time().saturating_sub(start).as_secs_f64();
        raw.add(
            json!({ "claim": "C10", "packages": PACKAGES, "seal_seconds": ours, "aes_gcm_seconds": theirs }),
        );
        faster.push(theirs / ours);
    }
    Ok(faster)
}

fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed | 1;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    }
}

fn random_bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut random = numbers(seed);
    (0..len).map(|_| random(256) as u8).collect()
}

/// Text, logs, records, columns, zeros, random and already compressed bytes; large objects, and small ones cut from them.
fn corpus(seed: u64) -> Vec<Vec<u8>> {
    let mut large = vec![
        text(seed),
        text(seed ^ 1),
        logs(seed),
        logs(seed ^ 2),
        records(seed),
        records(seed ^ 3),
        columns(seed),
        vec![0; LARGE],
        random_bytes(LARGE, seed ^ 4),
        random_bytes(LARGE, seed ^ 5),
    ];
    large.push(packed(&large[0]));
    large.push(packed(&large[2]));
    let mut random = numbers(seed ^ 6);
    let small: Vec<Vec<u8>> = (0..SMALL_COUNT)
        .map(|_| {
            let object = &large[random(large.len() as u64) as usize];
            let len = (SMALL / 8 + random(SMALL as u64 * 7 / 8) as usize).min(object.len());
            let from = random((object.len() - len) as u64 + 1) as usize;
            object[from..from + len].to_vec()
        })
        .collect();
    large.extend(small);
    large
}

/// What a compressor leaves, repeated pieces of which are rare.
fn packed(plain: &[u8]) -> Vec<u8> {
    let (mut codecs, mut out) = (Codecs::new(), Vec::new());
    match codecs.compress(Method::new(Codec::Zstd), None, plain, &mut out) {
        Ok(_) => out,
        Err(_) => random_bytes(plain.len() / 3, 9),
    }
}

/// Words of a vocabulary by a skewed frequency, in sentences.
fn text(seed: u64) -> Vec<u8> {
    let mut random = numbers(seed);
    let words: Vec<String> = (0..4000)
        .map(|_| (0..2 + random(9)).map(|_| char::from(b'a' + (random(26).min(random(26))) as u8)).collect())
        .collect();
    let mut out = Vec::with_capacity(LARGE + 16);
    while out.len() < LARGE {
        let rank = random(4000).min(random(4000)).min(random(4000));
        out.extend_from_slice(words[rank as usize].as_bytes());
        out.extend_from_slice(if random(12) == 0 { b".\n" } else { b" " });
    }
    out.truncate(LARGE);
    out
}

/// JSON lines of a service.
fn logs(seed: u64) -> Vec<u8> {
    let mut random = numbers(seed ^ 0x10);
    let (mut out, mut at) = (Vec::with_capacity(LARGE + 256), 1_700_000_000_000_u64);
    while out.len() < LARGE {
        at += random(50);
        let line = format!(
            "{{\"ts\":{at},\"level\":\"{}\",\"op\":\"{}\",\"bucket\":\"b-{}\",\"latency_us\":{},\"bytes\":{},\"id\":\"{:016x}\"}}\n",
            ["info", "info", "info", "warn"][random(4) as usize],
            ["get", "put", "head", "list"][random(4) as usize],
            random(40),
            80 + random(4000),
            random(1 << 22),
            random(u64::MAX),
        );
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(LARGE);
    out
}

/// Fixed records with counters, small numbers and a hash.
fn records(seed: u64) -> Vec<u8> {
    let mut random = numbers(seed ^ 0x20);
    let mut out = Vec::with_capacity(LARGE + 32);
    let mut number = 0_u64;
    while out.len() < LARGE {
        number += 1 + random(3);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&(random(500) as u32).to_le_bytes());
        out.extend_from_slice(&(random(16) as u32).to_le_bytes());
        out.extend_from_slice(&random(u64::MAX).to_le_bytes());
    }
    out.truncate(LARGE);
    out
}

/// A column of measurements that wander.
fn columns(seed: u64) -> Vec<u8> {
    let mut random = numbers(seed ^ 0x30);
    let mut value = 1_000_000_i32;
    let bytes = (0..LARGE / 4).flat_map(|_| {
        value = value.wrapping_add(random(64) as i32 - 32);
        value.to_le_bytes()
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_is_the_same_each_time_and_mixed() {
        let corpus = corpus(5);
        assert_eq!(corpus, super::corpus(5));
        let spent = run(&Fixed(Method::new(Codec::Zstd)), &corpus).unwrap();
        let ratio = |index: usize| spent[index].after as f64 / spent[index].before as f64;
        assert!(
            ratio(0) < 0.6 && ratio(7) < 0.01 && ratio(8) == 1.0 && ratio(10) > 0.98,
            "{:?}",
            (0..12).map(ratio).collect::<Vec<_>>()
        );
    }
}
