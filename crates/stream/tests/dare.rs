//! DARE 2.0 against the golden files, and against everything that can happen to a stream.
//!
//! The golden files were made with another implementation of the ciphers, key 00..1f and nonce a0..ab; `aes-hello.bin`,
//! `aes-zeros-second.bin` and the part keys are those that existing deployments write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod cut;

use cut::pieces;
use std::io::ErrorKind;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::dare::{
    Cipher, DareError, Decoder, Encoder, PACKAGE_BYTES, PAYLOAD_BYTES, Part, Sealer, StreamNonce,
    encrypted_bytes, part_key,
};

const HELLO: &[u8] = b"hello sse encrypt";

fn key() -> DataKey {
    DataKey::from(std::array::from_fn(|i| i as u8))
}

fn nonce() -> StreamNonce {
    StreamNonce::new(std::array::from_fn(|i| 0xa0 + i as u8))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dare/v2/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encrypt_pieces(sealer: Sealer, data: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(sealer), Vec::new());
    for piece in pieces(data, cuts) {
        encoder.push(piece, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

fn encrypt(cipher: Cipher, data: &[u8]) -> Vec<u8> {
    encrypt_pieces(Sealer::with_nonce(cipher, &key(), nonce(), 0).unwrap(), data, &[usize::MAX])
}

/// What came out, and how it ended.
fn decrypt_pieces(parts: Vec<Part>, stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<(), DareError>) {
    let (mut decoder, mut out) = (Decoder::new(parts), Vec::new());
    for piece in pieces(stream, cuts) {
        if let Err(error) = decoder.push(piece, &mut out) {
            assert_eq!(decoder.push(piece, &mut out), Err(error), "an error stays");
            assert_eq!(decoder.finish(), Err(error), "an error stays");
            return (out, Err(error));
        }
    }
    let end = decoder.finish();
    (out, end)
}

fn decrypt(stream: &[u8]) -> (Vec<u8>, Result<(), DareError>) {
    decrypt_pieces(vec![Part::new(key())], stream, &[usize::MAX])
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn golden_streams_are_written() {
    assert_eq!(encrypt(Cipher::Aes256Gcm, HELLO), fixture("aes-hello.bin"));
    assert_eq!(encrypt(Cipher::ChaCha20Poly1305, HELLO), fixture("chacha-hello.bin"));
    let zeros = encrypt(Cipher::Aes256Gcm, &[0; PAYLOAD_BYTES + 3]);
    assert_eq!(hex(&zeros[..16]), "2000ffff20a1a2a3a4a5a6a7a8a9aaab");
    assert_eq!(zeros[PACKAGE_BYTES..], fixture("aes-zeros-second.bin"));
}

#[test]
fn golden_streams_are_read() {
    for name in ["aes-hello.bin", "chacha-hello.bin"] {
        let (plain, end) = decrypt(&fixture(name));
        assert_eq!((plain.as_slice(), end), (HELLO, Ok(())), "{name}");
    }
    let second = Part::new(key()).with_nonce(nonce()).starting_at(1).declaring(3);
    let (plain, end) = decrypt_pieces(vec![second], &fixture("aes-zeros-second.bin"), &[5]);
    assert_eq!((plain, end), (vec![0; 3], Ok(())));
    let parts = [1, 2].map(|number| Part::new(part_key(&key(), number).unwrap()));
    let (plain, end) = decrypt_pieces(parts.to_vec(), &fixture("aes-parts-1-2.bin"), &[7]);
    assert_eq!((plain.as_slice(), end), (&b"part onepart two"[..], Ok(())));
}

#[test]
fn golden_damage_is_reported() {
    let (plain, end) = decrypt(&fixture("aes-hello-flipped.bin"));
    assert_eq!((plain.len(), end), (0, Err(DareError::Authentication { part: 1, package: 0 })));
    let (plain, end) = decrypt(&fixture("aes-hello-cut.bin"));
    assert_eq!((plain.len(), end), (0, Err(DareError::TruncatedPackage { part: 1, package: 0 })));
}

#[test]
fn golden_part_keys() {
    let object = DataKey::from([0; 32]);
    for (number, expected) in [
        (0, "aa7855e13839dd767cd5da7c1ff5036540c9264b7a803029315e55375287b4af"),
        (1, "a3e7181c6eed030fd52f79537c56c4d07da92e56d374ff1dd2043350785b37d8"),
        (10000, "f86e65c396ed52d204ee44bd1a0bbd86eb8b01b7354e67a3b3ae0e34dd5bd115"),
    ] {
        assert_eq!(hex(part_key(&object, number).unwrap().expose()), expected);
    }
}

#[test]
fn an_empty_object_has_no_packages() {
    assert_eq!(encrypt(Cipher::Aes256Gcm, b""), b"");
    assert_eq!(decrypt(b"").1, Ok(()));
    let declared = |bytes| decrypt_pieces(vec![Part::new(key()).declaring(bytes)], b"", &[1]).1;
    assert_eq!(declared(0), Ok(()));
    assert_eq!(declared(1), Err(DareError::Length { part: 1, declared: 1, more: false }));
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let stream = encrypt(cipher, HELLO);
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (plain, end) = decrypt(&damaged);
            assert!(plain.is_empty() && end.is_err(), "bit {bit} of {cipher:?}: {end:?}");
        }
        for length in 1..stream.len() {
            let (plain, end) = decrypt(&stream[..length]);
            assert_eq!((plain.len(), end), (0, Err(DareError::TruncatedPackage { part: 1, package: 0 })));
        }
    }
}

#[test]
fn packages_cannot_be_cut_off_swapped_repeated_or_added() {
    let plain = pattern(3 * PAYLOAD_BYTES + 10);
    let stream = encrypt(Cipher::Aes256Gcm, &plain);
    let package: Vec<&[u8]> = stream.chunks(PACKAGE_BYTES).collect();
    let foreign = encrypt_pieces(Sealer::new(Cipher::Aes256Gcm, &key()).unwrap(), &plain, &[4096]);
    let foreign: Vec<&[u8]> = foreign.chunks(PACKAGE_BYTES).collect();
    let other = DareError::Authentication { part: 1, package: 1 };
    let cases = [
        (vec![0, 1, 2], DareError::Truncated { part: 1, packages: 3 }),
        (vec![0, 2, 1, 3], other),
        (vec![0, 0, 1, 2, 3], other),
        (vec![0, 3], other),
        (vec![1, 2, 3], DareError::Authentication { part: 1, package: 0 }),
        (vec![0, 1, 2, 3, 3], DareError::Surplus { parts: 1 }),
        (vec![0, 11, 2, 3], DareError::Nonce { part: 1, package: 1 }),
    ];
    for (order, expected) in cases {
        let pick = |i: &usize| if *i >= 10 { foreign[*i - 10] } else { package[*i] };
        let stream: Vec<u8> = order.iter().flat_map(|i| pick(i).to_vec()).collect();
        let (out, end) = decrypt(&stream);
        assert_eq!(end, Err(expected), "{order:?}");
        assert!(plain.starts_with(&out), "{order:?}: only right bytes come out");
    }
}

#[test]
fn parts_cannot_be_left_out_or_exchanged() {
    let part = |number| {
        let sealer = Sealer::new(Cipher::Aes256Gcm, &part_key(&key(), number).unwrap()).unwrap();
        encrypt_pieces(sealer, &pattern(100), &[100])
    };
    let (one, two) = (part(1), part(2));
    let read = |stream: &[u8]| {
        let parts = [1, 2].map(|number| Part::new(part_key(&key(), number).unwrap()));
        decrypt_pieces(parts.to_vec(), stream, &[33]).1
    };
    assert_eq!(read(&[one.clone(), two.clone()].concat()), Ok(()));
    assert_eq!(read(&one), Err(DareError::Truncated { part: 2, packages: 0 }));
    assert_eq!(read(b""), Err(DareError::Truncated { part: 1, packages: 0 }));
    let wrong = DareError::Authentication { part: 1, package: 0 };
    assert_eq!(read(&[two.clone(), one.clone()].concat()), Err(wrong));
    assert_eq!(read(&[one.clone(), two, one].concat()), Err(DareError::Surplus { parts: 2 }));
}

#[test]
fn a_declared_length_bounds_what_comes_out() {
    let stream = encrypt(Cipher::Aes256Gcm, &pattern(PAYLOAD_BYTES + 1));
    let read = |bytes| decrypt_pieces(vec![Part::new(key()).declaring(bytes)], &stream, &[9000]);
    assert_eq!(read(PAYLOAD_BYTES as u64 + 1).1, Ok(()));
    let (plain, end) = read(PAYLOAD_BYTES as u64);
    assert_eq!(end, Err(DareError::Length { part: 1, declared: PAYLOAD_BYTES as u64, more: true }));
    assert_eq!(plain.len(), PAYLOAD_BYTES);
    assert_eq!(
        read(PAYLOAD_BYTES as u64 + 2).1,
        Err(DareError::Length { part: 1, declared: PAYLOAD_BYTES as u64 + 2, more: false })
    );
}

#[test]
fn headers_are_checked_before_the_cipher_runs() {
    let change = |at: usize, to: u8| {
        let mut stream = encrypt(Cipher::Aes256Gcm, HELLO);
        stream[at] = to;
        decrypt(&stream).1.unwrap_err()
    };
    assert_eq!(change(0, 0x10), DareError::Version { part: 1, package: 0, found: 0x10 });
    assert_eq!(change(1, 2), DareError::Cipher { part: 1, package: 0, found: 2 });
    assert_eq!(change(4, 0x20), DareError::ShortPackage { part: 1, package: 0, found: HELLO.len() });
    let other = Part::new(key()).with_nonce(StreamNonce::new([0; 12]));
    let end = decrypt_pieces(vec![other], &encrypt(Cipher::Aes256Gcm, HELLO), &[99]).1;
    assert_eq!(end, Err(DareError::Nonce { part: 1, package: 0 }));
}

#[test]
fn numbers_of_packages_do_not_wrap() {
    let sealer = || Sealer::with_nonce(Cipher::Aes256Gcm, &key(), nonce(), u32::MAX).unwrap();
    let (mut first, mut out) = (sealer(), Vec::new());
    first.seal(&[1; PAYLOAD_BYTES], false, &mut out).unwrap();
    let length = out.len();
    assert_eq!(first.seal(&[2; 5], true, &mut out), Err(DareError::TooLong { part: 1 }));
    assert_eq!(out.len(), length);
    // The next package would have the number 0 again.
    let mut again = Sealer::with_nonce(Cipher::Aes256Gcm, &key(), nonce(), 0).unwrap();
    again.seal(&[2; 5], true, &mut out).unwrap();
    let (plain, end) = decrypt_pieces(vec![Part::new(key()).starting_at(u32::MAX)], &out, &[70000]);
    assert_eq!((plain.len(), end), (PAYLOAD_BYTES, Err(DareError::TooLong { part: 1 })));
}

#[test]
fn a_sealer_refuses_what_would_break_the_format() {
    let (mut sealer, mut out) = (Sealer::new(Cipher::Aes256Gcm, &key()).unwrap(), Vec::new());
    assert_eq!(sealer.seal(b"", true, &mut out), Err(DareError::Payload { found: 0 }));
    assert_eq!(sealer.seal(b"short", false, &mut out), Err(DareError::Payload { found: 5 }));
    let long = vec![0; PAYLOAD_BYTES + 1];
    assert_eq!(sealer.seal(&long, true, &mut out), Err(DareError::Payload { found: long.len() }));
    sealer.seal(b"last", true, &mut out).unwrap();
    assert_eq!(sealer.seal(b"more", true, &mut out), Err(DareError::Finished));
}

#[test]
fn nonces_of_two_streams_differ() {
    let new = || Sealer::new(Cipher::Aes256Gcm, &key()).unwrap().nonce();
    assert_ne!(new(), new());
}

#[test]
fn debug_shows_no_key() {
    let secret = DataKey::from([0xc7; 32]);
    let sealer = Sealer::new(Cipher::Aes256Gcm, &secret).unwrap();
    let mut decoder = Decoder::new(vec![Part::new(secret.clone())]);
    let mut stream = Vec::new();
    let shown = format!("{sealer:?} {:?} {secret:?}", Part::new(secret.clone()));
    let mut encoder = Encoder::new(sealer);
    encoder.push(b"PLAINTEXT", &mut stream).unwrap();
    let shown = format!("{shown} {encoder:?}");
    encoder.finish(&mut stream).unwrap();
    decoder.push(&stream[..20], &mut Vec::new()).unwrap();
    let shown = format!("{shown} {decoder:?}").to_lowercase();
    for secret in ["c7, c7", "c7c7", "199, 199", "plaintext", "80, 76"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn errors_have_the_kinds_of_the_original() {
    let kind = |error: DareError| std::io::Error::from(error).kind();
    assert_eq!(kind(DareError::Truncated { part: 1, packages: 1 }), ErrorKind::UnexpectedEof);
    assert_eq!(kind(DareError::TruncatedPackage { part: 1, package: 1 }), ErrorKind::UnexpectedEof);
    let error = std::io::Error::from(DareError::Authentication { part: 1, package: 0 });
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().starts_with("DARE authentication failed: "));
    assert!(error.get_ref().unwrap().downcast_ref::<DareError>().is_some());
}

fn lengths() -> impl Strategy<Value = usize> {
    let edges = (1..4usize).prop_flat_map(|n| (n * PAYLOAD_BYTES - 2)..(n * PAYLOAD_BYTES + 3));
    prop_oneof![0..100usize, edges, 0..200_000usize]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..40usize, 1000..9000usize, 60_000..140_000usize], 1..8)
}

fn ciphers() -> impl Strategy<Value = Cipher> {
    prop_oneof![Just(Cipher::Aes256Gcm), Just(Cipher::ChaCha20Poly1305)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_do_not_matter(length in lengths(), cipher in ciphers(), write in cuts(), read in cuts()) {
        let plain = pattern(length);
        let whole = encrypt(cipher, &plain);
        let sealer = Sealer::with_nonce(cipher, &key(), nonce(), 0).unwrap();
        prop_assert!(encrypt_pieces(sealer, &plain, &write) == whole);
        prop_assert_eq!(encrypted_bytes(length as u64), Some(whole.len() as u64));
        let (out, end) = decrypt_pieces(vec![Part::new(key()).declaring(length as u64)], &whole, &read);
        prop_assert_eq!(end, Ok(()));
        prop_assert!(out == plain);
    }

    #[test]
    fn damage_is_detected_anywhere(length in 1..200_000usize, at in any::<Index>(), bit in 0..8u8, cut in any::<bool>(), read in cuts()) {
        let plain = pattern(length);
        let mut stream = encrypt(Cipher::Aes256Gcm, &plain);
        let at = at.index(stream.len());
        // An object that lost everything is only known by its length.
        let mut part = Part::new(key());
        if cut {
            stream.truncate(at);
            part = part.declaring(length as u64);
        } else {
            stream[at] ^= 1 << bit;
        }
        let (out, end) = decrypt_pieces(vec![part], &stream, &read);
        prop_assert!(end.is_err());
        prop_assert!(plain.starts_with(&out));
    }

    #[test]
    fn arbitrary_bytes_end_in_an_error(mut stream in vec(any::<u8>(), 1..500), header in any::<bool>(), read in cuts()) {
        if header && stream.len() > 4 {
            stream[..4].copy_from_slice(&[0x20, 0, 20, 0]);
            stream[4] |= 0x80;
        }
        let (out, end) = decrypt_pieces(vec![Part::new(key()), Part::new(key())], &stream, &read);
        prop_assert!(out.is_empty() && end.is_err());
    }
}

#[test]
fn packages_in_place_and_from_another_buffer_are_the_same() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let data = pattern(PAYLOAD_BYTES + 100);
        let expected = encrypt(cipher, &data);
        let mut sealers = [0; 2].map(|_| Sealer::with_nonce(cipher, &key(), nonce(), 0).unwrap());
        let mut out = [Vec::new(), Vec::new()];
        for (payload, last) in [(&data[..PAYLOAD_BYTES], false), (&data[PAYLOAD_BYTES..], true)] {
            let mut package = vec![0xee; payload.len() + 32];
            sealers[0].seal_into(payload, last, &mut package).unwrap();
            out[0].extend_from_slice(&package);
            package[16..16 + payload.len()].copy_from_slice(payload);
            sealers[1].seal_in_place(&mut package, last).unwrap();
            out[1].extend_from_slice(&package);
        }
        assert!(out.iter().all(|out| *out == expected), "{cipher:?}");
        assert_eq!(sealers[1].seal_in_place(&mut [0; 40], true), Err(DareError::Finished));
        assert_eq!(sealers[0].seal_into(b"x", true, &mut [0; 34]), Err(DareError::Payload { found: 1 }));
        assert_eq!(sealers[0].seal_in_place(&mut [0; 32], true), Err(DareError::Payload { found: 0 }));
    }
}
