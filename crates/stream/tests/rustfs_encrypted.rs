//! The RustFS encrypted stream against its golden files, older nonce rules, any pieces and pauses, and damage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod source;

use std::io::ErrorKind;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::rustfs::*;
use source::{Source, all, drain, fixture, mixed};

const HELLO: &[u8] = b"hello sse encrypt";
const END: [u8; 8] = [0xff, 0, 0, 0, 0, 0, 0, 0];

fn key() -> [u8; 32] {
    std::array::from_fn(|i| i as u8)
}

fn nonce() -> [u8; 12] {
    std::array::from_fn(|i| 0xa0 + i as u8)
}

fn add(mut nonce: [u8; 12], at: usize, value: u32) -> [u8; 12] {
    let word = u32::from_be_bytes(nonce[at..at + 4].try_into().unwrap()).wrapping_add(value);
    nonce[at..at + 4].copy_from_slice(&word.to_be_bytes());
    nonce
}

/// A block of any older writer, made here from the format's description.
fn block(plain: &[u8], nonce: [u8; 12]) -> Vec<u8> {
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key()).unwrap());
    let mut sealed = plain.to_vec();
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).unwrap();
    let mut number = Vec::new();
    let mut left = plain.len();
    while left >= 0x80 {
        number.push(left as u8 | 0x80);
        left >>= 7;
    }
    number.push(left as u8);
    let length = (number.len() + sealed.len() + 4) as u32;
    let crc = crc_fast::crc32_iso_hdlc(plain);
    [&[0][..], &length.to_le_bytes()[..3], &crc.to_le_bytes(), &number, &sealed].concat()
}

fn encrypt(data: &[u8]) -> Vec<u8> {
    all(EncryptReader::new(data, key(), nonce()))
}

fn open(mut decoder: OpenDecoder, stream: &[u8]) -> (Vec<u8>, Result<(), SealedError>) {
    let mut out = Vec::new();
    if let Err(error) = decoder.push(stream, &mut out) {
        assert_eq!(decoder.finish(), Err(error), "an error stays");
        return (out, Err(error));
    }
    let end = decoder.finish();
    (out, end)
}

fn single() -> OpenDecoder {
    OpenDecoder::new(&DataKey::from(key()), nonce())
}

fn several(parts: &[usize]) -> OpenDecoder {
    OpenDecoder::parts(&DataKey::from(key()), nonce(), parts.to_vec())
}

#[test]
fn golden_streams_are_written_and_read() {
    let golden = fixture("rustfs-encrypted/v1/hello");
    assert_eq!((encrypt(HELLO), golden.len()), (golden.clone(), 50));
    assert_eq!(all(DecryptReader::new(&golden[..], key(), nonce())), HELLO);
    let part = fixture("rustfs-encrypted/v1/hello-part-2");
    assert_eq!(all(EncryptReader::new_multipart(HELLO, key(), nonce(), 2)), part);
    assert_eq!(all(DecryptReader::new_multipart(&part[..], key(), nonce(), vec![2])), HELLO);
    assert_eq!(encrypt(b""), fixture("rustfs-encrypted/v1/empty"));
    assert_eq!(open(single(), &END), (vec![], Ok(())));
}

#[test]
fn golden_blocks_of_zeros() {
    let stream = encrypt(&[0; 8197]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(stream.len(), 8256);
    assert_eq!(hex(&stream[..26]), "001620009499f4d88040e6187c2d45cb02bf626587d3077ac0de");
    assert_eq!(
        hex(&stream[stream.len() - 38..][..30]),
        "001a00001df722c605dbcc4b1a2b4392a6ccfd4608ce24a6749dd06b155d"
    );
    assert_eq!(open(single(), &stream).0, [0; 8197]);
}

#[test]
fn golden_part_nonces() {
    assert_eq!(multipart_part_nonce(nonce(), 1), add(nonce(), 4, 1));
    assert_eq!(multipart_part_nonce(nonce(), 7)[7], 0xae);
    assert_eq!(multipart_part_nonce([0xff; 12], 1)[4..8], [0; 4]);
}

#[test]
fn golden_damage_is_reported() {
    let end = |name: &str| open(single(), &fixture(&format!("rustfs-encrypted/v1/corrupt-{name}")));
    assert_eq!(end("flipped"), (vec![], Err(SealedError::Authentication { part: 1, block: 0 })));
    assert_eq!(end("no-end"), (HELLO.to_vec(), Err(SealedError::Truncated { part: 1, blocks: 1 })));
    assert_eq!(end("short-length"), (vec![], Err(SealedError::BlockLength { part: 1, block: 0, found: 3 })));
    assert_eq!(end("no-tag"), (vec![], Err(SealedError::BlockLength { part: 1, block: 0, found: 10 })));
    let io: std::io::Error = SealedError::Authentication { part: 1, block: 0 }.into();
    assert_eq!(io.kind(), ErrorKind::Other);
    assert!(io.to_string().starts_with("decrypt error: aead::Error"));
    assert!(io.get_ref().unwrap().is::<SealedError>());
}

#[test]
fn older_nonce_rules_are_read() {
    let pieces: [&[u8]; 3] = [b"one", b"two", b"three"];
    let constant: Vec<u8> = pieces.iter().flat_map(|piece| block(piece, nonce())).chain(END).collect();
    assert_eq!(open(single(), &constant), (b"onetwothree".to_vec(), Ok(())));
    let legacy = |part: u32, counting: bool| -> Vec<u8> {
        let base = add(nonce(), 8, part);
        let block =
            |(i, piece): (usize, &&[u8])| block(piece, add(base, 8, if counting { i as u32 } else { 0 }));
        pieces.iter().enumerate().flat_map(block).chain(END).collect()
    };
    let current = all(EncryptReader::new_multipart(&b"new"[..], key(), nonce(), 9));
    let stream = [legacy(1, false), legacy(4, true), current.clone()].concat();
    assert_eq!(open(several(&[1, 4, 9]), &stream), (b"onetwothreeonetwothreenew".to_vec(), Ok(())));
    // Not back to an older rule.
    let stream = [current, legacy(4, true)].concat();
    assert_eq!(open(several(&[9, 4]), &stream).1, Err(SealedError::Authentication { part: 4, block: 0 }));
}

#[test]
fn the_rule_is_decided_once() {
    let first = block(b"one", nonce());
    let second = block(b"two", add(nonce(), 8, 1));
    // A copy of block 0 at a later place of a stream whose blocks are counted.
    let stream = [&first[..], &second, &first, &END].concat();
    let (plain, end) = open(single(), &stream);
    assert_eq!((plain, end), (b"onetwo".to_vec(), Err(SealedError::Authentication { part: 1, block: 2 })));
}

#[test]
fn parts_are_counted() {
    let part = |number| all(EncryptReader::new_multipart(HELLO, key(), nonce(), number));
    let two = [part(1), part(2)].concat();
    assert_eq!(open(several(&[1, 2]), &two), (HELLO.repeat(2), Ok(())));
    assert_eq!(open(several(&[]), &two), (HELLO.repeat(2), Ok(())), "without a list they are numbered on");
    assert_eq!(open(several(&[1, 2, 3]), &two).1, Err(SealedError::MissingPart { part: 3 }));
    assert_eq!(open(several(&[1]), &[&two[..], &part(3)].concat()).0.len(), 3 * HELLO.len());
    assert_eq!(open(several(&[2, 1]), &two).1, Err(SealedError::Authentication { part: 2, block: 0 }));
    let cut = &two[..two.len() - 8];
    assert_eq!(open(several(&[1, 2]), cut).1, Err(SealedError::Truncated { part: 2, blocks: 1 }));
}

#[test]
fn what_follows_the_end_is_ignored_and_lengths_are_kept() {
    let stream = [&encrypt(HELLO)[..], b"rest"].concat();
    assert_eq!(open(single(), &stream), (HELLO.to_vec(), Ok(())));
    assert_eq!(open(single().declaring(17), &stream).1, Ok(()));
    for (bytes, more) in [(16, true), (18, false)] {
        let error = SealedError::Length { declared: bytes, more };
        assert_eq!(open(single().declaring(bytes), &stream).1, Err(error));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    let stream = encrypt(HELLO);
    for bit in 0..stream.len() * 8 {
        let mut damaged = stream.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (_, end) = open(single(), &damaged);
        assert!(end.is_err(), "bit {bit}");
    }
    for length in 0..stream.len() {
        let error = open(single(), &stream[..length]).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{length}: {error}");
    }
}

#[test]
fn a_key_is_not_shown() {
    let shown = format!("{:?} {:?}", SealEncoder::new(&DataKey::from([0xab; 32]), nonce()), single());
    assert!(!shown.contains("171") && !shown.contains("abab"), "{shown}");
}

fn schedule() -> impl Strategy<Value = Vec<(usize, bool)>> {
    vec((1usize..3000, any::<bool>()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_pieces_and_pauses_give_the_same(
        len in 0usize..40_000, (first, second) in (schedule(), schedule()), buffer in 1usize..5000,
    ) {
        let data = mixed(len);
        let stream = encrypt(&data);
        let (written, end) = drain(EncryptReader::new(Source::new(&data, &first), key(), nonce()), buffer);
        end.unwrap();
        prop_assert!(written == stream);
        let reader = DecryptReader::new(Source::new(&stream, &second), key(), nonce());
        let (plain, end) = drain(reader, buffer);
        end.unwrap();
        prop_assert!(plain == data);
    }

    #[test]
    fn any_bytes_end(bytes in vec(any::<u8>(), 0..100)) {
        let _ = open(single(), &bytes);
        let _ = open(several(&[1, 2]), &bytes);
    }
}
