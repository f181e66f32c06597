//! Throughput of the stream formats beside the bare libraries, on one core: `cargo run --release` in this folder.
//!
//! Each line is the median of nine rounds; the sides take turns, so that a change of the machine's speed meets both. Results are checked.
use std::hint::black_box;
use std::time::Instant;

use aes_gcm::aead::{Aead, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::checksum::{Algorithm, MultiHasher};
use rustfs_rio_stream::dare::{Cipher, Decoder, Encoder, PAYLOAD_BYTES, Part, Sealer};

const ROUNDS: usize = 9;
const BYTES: usize = 64 << 20;

fn gigabytes_per_second(bytes: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints both medians and their ratio.
fn compare(name: &str, bar: f64, bytes: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    ours();
    theirs();
    for _ in 0..ROUNDS {
        a.push(gigabytes_per_second(bytes, &mut ours));
        b.push(gigabytes_per_second(bytes, &mut theirs));
    }
    let (a, b) = (median(a), median(b));
    println!("{name:<44} {a:7.2} GB/s beside {b:7.2} GB/s: {:5.2} (bar {bar})", a / b);
}

fn main() {
    let data: Vec<u8> = (0..BYTES).map(|i| (i * 31 / 7) as u8).collect();
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let key = || DataKey::from([7; 32]);
    let nonce = |i: usize| Nonce::assume_unique_for_key(std::array::from_fn(|b| (i >> (b * 8 % 64)) as u8));

    // The library alone: one segment in the cache, encrypted in place.
    let mut segment = vec![7; PAYLOAD_BYTES];
    let mut in_place = || {
        for i in 0..BYTES / PAYLOAD_BYTES {
            let tag = bare.seal_in_place_separate_tag(nonce(i), Aad::from([0; 4]), &mut segment).unwrap();
            let _ = black_box(tag);
        }
    };
    // The library alone on the same data: each segment where it lies.
    let mut copy = data.clone();
    let mut same_data = || {
        for (i, segment) in copy.chunks_exact_mut(PAYLOAD_BYTES).enumerate() {
            let _ = black_box(bare.seal_in_place_separate_tag(nonce(i), Aad::from([0; 4]), segment).unwrap());
        }
    };
    let mut out = Vec::new();
    let mut encoder = || {
        out.clear();
        let mut encoder = Encoder::new(Sealer::new(Cipher::Aes256Gcm, &key()).unwrap());
        for piece in data.chunks(1 << 20) {
            out.clear();
            encoder.push(piece, &mut out).unwrap();
            black_box(&out);
        }
        encoder.finish(&mut out).unwrap();
    };
    let mut package = vec![0; PAYLOAD_BYTES + 32];
    let mut sealer = || {
        let mut sealer = Sealer::new(Cipher::Aes256Gcm, &key()).unwrap();
        for segment in data.chunks_exact(PAYLOAD_BYTES) {
            sealer.seal_into(segment, false, &mut package).unwrap();
            black_box(&package);
        }
    };
    let mut lying = vec![7; PAYLOAD_BYTES + 32];
    let mut sealer_in_place = || {
        let mut sealer = Sealer::new(Cipher::Aes256Gcm, &key()).unwrap();
        for _ in 0..BYTES / PAYLOAD_BYTES {
            sealer.seal_in_place(&mut lying, false).unwrap();
            black_box(&lying);
        }
    };
    let mut packages: Vec<u8> = data.iter().copied().take(BYTES / 65_568 * 65_568).collect();
    let mut lying_sealer = || {
        let mut sealer = Sealer::new(Cipher::Aes256Gcm, &key()).unwrap();
        for package in packages.chunks_exact_mut(PAYLOAD_BYTES + 32) {
            sealer.seal_in_place(package, false).unwrap();
        }
    };
    let mut copied = vec![0; PAYLOAD_BYTES];
    let mut copy_first = || {
        for (i, segment) in data.chunks_exact(PAYLOAD_BYTES).enumerate() {
            copied.copy_from_slice(segment);
            let _ =
                black_box(bare.seal_in_place_separate_tag(nonce(i), Aad::from([0; 4]), &mut copied).unwrap());
        }
    };
    compare("DARE Sealer::seal_in_place / one hot segment", 0.85, BYTES, &mut sealer_in_place, &mut in_place);
    compare("DARE Sealer::seal_in_place / same data", 0.85, BYTES, &mut lying_sealer, &mut same_data);
    compare("DARE Sealer::seal_into / copy, aws-lc-rs", 1.0, BYTES, &mut sealer, &mut copy_first);
    compare("DARE Encoder / aws-lc-rs, same data", 0.85, BYTES, &mut encoder, &mut same_data);
    compare("DARE Sealer::seal_into / aws-lc-rs, same data", 0.85, BYTES, &mut sealer, &mut same_data);
    compare("DARE Encoder / aws-lc-rs, one hot segment", 0.85, BYTES, &mut encoder, &mut in_place);
    compare("DARE Sealer::seal_into / one hot segment", 0.85, BYTES, &mut sealer, &mut in_place);

    let slow = aes_gcm::Aes256Gcm::new(&[7; 32].into());
    let mut rust_crypto = || {
        for (i, segment) in data.chunks_exact(8192).enumerate() {
            let nonce: [u8; 12] = std::array::from_fn(|b| (i >> (b * 8 % 64)) as u8);
            black_box(slow.encrypt(&nonce.into(), segment).unwrap());
        }
    };
    compare("DARE Encoder / RustCrypto aes-gcm, 8 KiB", 3.0, BYTES, &mut encoder, &mut rust_crypto);

    let mut stream = Vec::new();
    let mut once = Encoder::new(Sealer::new(Cipher::Aes256Gcm, &key()).unwrap());
    once.push(&data, &mut stream).unwrap();
    once.finish(&mut stream).unwrap();
    let mut plain = Vec::new();
    let mut decoder = || {
        let mut decoder = Decoder::new(vec![Part::new(key())]);
        for piece in stream.chunks(16 * (PAYLOAD_BYTES + 32)) {
            plain.clear();
            decoder.push(piece, &mut plain).unwrap();
            black_box(&plain);
        }
        decoder.finish().unwrap();
    };
    compare("DARE Decoder / aws-lc-rs sealing, same data", 0.85, BYTES, &mut decoder, &mut same_data);

    let expected = crc_fast::crc64_nvme(&data).to_be_bytes();
    let mut multi = || {
        let mut hasher = MultiHasher::new([Algorithm::Crc64Nvme]);
        for piece in data.chunks(64 << 10) {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish()[0].as_bytes(), expected);
    };
    let mut bare_crc = || {
        black_box(crc_fast::crc64_nvme(&data));
    };
    compare("CRC-64/NVME in 64 KiB pieces / crc-fast", 0.8, BYTES, &mut multi, &mut bare_crc);
}
