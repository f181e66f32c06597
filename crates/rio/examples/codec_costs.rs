//! Measures what codecs cost and save on a mixed corpus, and prints a line an object:
//! `codec_costs FOLDER... > FILE`. Objects are files of the folders, cut at 1 MiB, and generated ones: noise, zeros, JSON, a log.
//!
//! A line: kind, bytes, bits a byte, repeats, then `CODEC:LEVEL=OUT/NANOSECONDS` for each codec. The time is the least of three runs.
#![allow(clippy::print_stdout, reason = "an example shows its results")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails ends")]

use rustfs_rio_stream::codec::{Codec, Codecs, Method};
use rustfs_rio_tune::Compressibility;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

const OBJECT_MAX: usize = 1 << 20;
const FILES_EACH: usize = 60;
const METHODS: [(Codec, i32); 6] = [
    (Codec::Lz4, 0),
    (Codec::S2, 0),
    (Codec::Zstd, 1),
    (Codec::Zstd, 3),
    (Codec::Zstd, 9),
    (Codec::Deflate, 6),
];

fn main() {
    let mut objects: Vec<(String, Vec<u8>)> = generated();
    for folder in std::env::args().skip(1) {
        let mut files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        let kind = Path::new(&folder).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let whole =
            files.iter().filter_map(|file| std::fs::read(file).ok()).filter(|bytes| bytes.len() > 512);
        objects.extend(whole.take(FILES_EACH).map(|mut bytes| {
            bytes.truncate(OBJECT_MAX);
            (kind.clone(), bytes)
        }));
    }
    println!("# kind bytes bits_per_byte repeats codec:level=out/ns ...");
    let mut codecs = Codecs::new();
    for (kind, bytes) in &objects {
        let look = Compressibility::of(bytes);
        let mut line = format!("{kind} {} {:.4} {:.4}", bytes.len(), look.bits_per_byte, look.repeats);
        for (codec, level) in METHODS {
            let method = match codec.levels().contains(&level) && level > 0 {
                true => Method::with_level(codec, level).unwrap(),
                false => Method::new(codec),
            };
            let mut out = Vec::with_capacity(bytes.len() + 64);
            let mut least = u128::MAX;
            for _ in 0..3 {
                out.clear();
                let begun = Instant::now();
                codecs.compress(method, None, bytes, &mut out).unwrap();
                least = least.min(begun.elapsed().as_nanos());
            }
            write!(line, " {}:{level}={}/{least}", codec.name(), out.len()).unwrap();
        }
        println!("{line}");
    }
}

fn generated() -> Vec<(String, Vec<u8>)> {
    let mut seed = 1_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let mut objects = Vec::new();
    for n in 0..40_usize {
        let bytes = 2048 << (n % 9);
        objects.push(("noise".to_owned(), (0..bytes).map(|_| next() as u8).collect()));
        if n % 4 == 0 {
            objects.push(("zeros".to_owned(), vec![0; bytes]));
        }
        let mut json = String::new();
        let mut log = String::new();
        while json.len() < bytes {
            let (id, user, size) = (next(), next() % 500, next() % 1_000_000);
            write!(
                json,
                "{{\"id\":{id},\"user\":\"user-{user}\",\"size\":{size},\"etag\":\"{:08x}\"}},",
                next()
            )
            .unwrap();
        }
        while log.len() < bytes {
            let (ms, path, took) = (next() % 1000, next() % 2000, next() % 5000);
            writeln!(
                log,
                "2026-01-01T00:00:{:02}.{ms:03}Z INFO GET /bucket/object-{path} 200 {took} us",
                next() % 60
            )
            .unwrap();
        }
        objects.push(("json".to_owned(), json.into_bytes()));
        objects.push(("log".to_owned(), log.into_bytes()));
    }
    objects
}
