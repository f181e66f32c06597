//! Checksums against published check values, and the types of the original against its golden vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod cut;

use std::collections::HashMap;
use std::io::{ErrorKind, Write};

use cut::pieces;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use rustfs_rio_stream::checksum::*;
use rustfs_rio_stream::error::{ChecksumMismatch, is_checksum_mismatch};

const CHECK: &[u8] = b"123456789";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = list
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    pairs.collect()
}

/// The check values that the algorithms' specifications or catalogues give for `123456789`.
const CHECKS: [(Algorithm, &str); 8] = [
    (Algorithm::Crc32, "cbf43926"),
    (Algorithm::Crc32c, "e3069283"),
    (Algorithm::Crc64Nvme, "ae8b14860a799888"),
    (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
    (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
    (Algorithm::Xxh3, "72dcb18b67a17dff"),
    (Algorithm::Blake3, "b7d65b48420d1033cb2595293263b6f72eabee20d55e699d0df1973b3c9deed1"),
];

#[test]
fn check_values() {
    for (algorithm, expected) in CHECKS {
        assert_eq!(algorithm.digest(CHECK).to_hex(), expected, "{algorithm}");
        assert_eq!(algorithm.digest_bytes() * 2, expected.len());
        assert_eq!(Algorithm::from_id(algorithm.id()), Some(algorithm));
        assert_eq!(algorithm.name().to_uppercase().parse(), Ok(algorithm));
    }
    assert_eq!("CRC-64/NVME".replace('/', "_").parse(), Ok(Algorithm::Crc64Nvme));
    assert_eq!(Algorithm::from_id(0), None);
    assert!("crc16".parse::<Algorithm>().unwrap_err().to_string().contains("`crc16`"));
}

proptest! {
    #[test]
    fn several_at_once_are_each_the_same_for_any_pieces(
        data in vec(any::<u8>(), 0..70_000), cuts in vec(1usize..40_000, 1..5),
    ) {
        let mut hasher = MultiHasher::new(Algorithm::ALL);
        for piece in pieces(&data, &cuts) {
            hasher.update(piece);
        }
        prop_assert_eq!(hasher.bytes(), data.len() as u64);
        for algorithm in Algorithm::ALL {
            prop_assert_eq!(hasher.digest(algorithm), Some(algorithm.digest(&data)));
        }
    }

    #[test]
    fn lists_of_any_bytes_end(data in vec(any::<u8>(), 0..200), part in any::<i32>()) {
        let _ = read_checksums(&data, part);
        prop_assert!(read_part_checksums(&data).len() <= data.len());
    }

    #[test]
    fn parts_combine_to_the_whole(data in vec(any::<u8>(), 1..20_000), cuts in vec(1usize..9000, 1..4)) {
        for kind in [ChecksumType::CRC32, ChecksumType::CRC32C, ChecksumType::CRC64_NVME] {
            let mut whole = Checksum { checksum_type: kind, ..Checksum::default() };
            for piece in pieces(&data, &cuts) {
                let part = Checksum::new_from_data(kind, piece).unwrap();
                whole.add_part(&part, piece.len() as i64).unwrap();
            }
            prop_assert_eq!(Some(whole), Checksum::new_from_data(kind, &data));
        }
    }
}

#[test]
fn hashers_go_on_after_finalize() {
    for kind in BASE_CHECKSUM_TYPES {
        let mut hasher = kind.hasher().unwrap();
        hasher.write_all(b"12345").unwrap();
        let _ = hasher.finalize();
        hasher.write_all(b"6789").unwrap();
        assert_eq!(hasher.finalize(), Checksum::new_from_data(*kind, CHECK).unwrap().raw);
        hasher.reset();
        assert_eq!(hasher.finalize(), Checksum::new_from_data(*kind, b"").unwrap().raw);
    }
    assert!(ChecksumType::NONE.hasher().is_none());
}

#[test]
fn golden_lists_are_written_and_read() {
    let golden = [
        (ChecksumType::CRC32, "08cbf43926"),
        (ChecksumType::CRC32C, "10e3069283"),
        (ChecksumType::SHA1, "04f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        (ChecksumType::SHA256, "0215e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        (ChecksumType::CRC64_NVME, "8002ae8b14860a799888"),
    ];
    let mut list = Vec::new();
    for (kind, expected) in golden {
        let checksum = Checksum::new_from_data(kind, CHECK).unwrap();
        assert_eq!(hex(&checksum.to_bytes(&[])), expected);
        list = checksum.append_to(list, &[]);
    }
    let (found, multipart) = read_checksums(&list, 0);
    assert_eq!((found.len(), multipart), (5, false));
    assert_eq!(found["CRC64NVME"], Checksum::new_from_data(ChecksumType::CRC64_NVME, CHECK).unwrap().encoded);
    assert_eq!(read_checksums(&list, 1).0, found);
    assert!(read_checksums(&list, 2).0.is_empty());
}

#[test]
fn golden_multipart_lists() {
    let mut checksum = Checksum::new_from_data(ChecksumType::CRC32C, CHECK).unwrap();
    checksum.checksum_type.merge(ChecksumType::MULTIPART).merge(ChecksumType::INCLUDES_MULTIPART);
    let list = checksum.to_bytes(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(hex(&list), "d001e3069283020102030405060708");
    let map = |value: &str| HashMap::from([("CRC32C".to_owned(), value.to_owned())]);
    assert_eq!(read_checksums(&list, 0), (map("4waSgw==-2"), true));
    assert_eq!(read_checksums(&list, 2), (map("BQYHCA=="), true));
    assert_eq!(read_checksums(&list, 3), (HashMap::new(), true));
    assert_eq!(read_part_checksums(&list), [map("AQIDBA=="), map("BQYHCA==")]);
    // An entry without parts in front does not shift what follows.
    let plain = Checksum::new_from_data(ChecksumType::CRC32, CHECK).unwrap().to_bytes(&[]);
    assert_eq!(read_part_checksums(&[&plain[..], &list[..]].concat()).len(), 2);

    let wanting = Checksum::new_with_type(ChecksumType::CRC32C, "4waSgw==-3").unwrap();
    assert_eq!(hex(&wanting.to_bytes(&[])), "50e306928303");
    let mut full = Checksum::new_from_data(ChecksumType::CRC64_NVME, CHECK).unwrap();
    full.checksum_type.merge(ChecksumType::MULTIPART);
    let (found, _) = read_checksums(&full.to_bytes(&[]), 0);
    assert_eq!(found["x-amz-checksum-type"], "FULL_OBJECT");
    assert_eq!(found["CRC64NVME"], full.encoded);
    let wrong = Checksum { raw: vec![1], ..Checksum::new_from_data(ChecksumType::SHA1, CHECK).unwrap() };
    assert_eq!(hex(&wrong.to_bytes(&[])), "04");
}

#[test]
fn a_claim_of_many_parts_costs_no_memory() {
    let list = [0xd0, 0x01, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(read_part_checksums(&list).is_empty());
    assert!(read_checksums(&list, 1).0.is_empty());
}

#[test]
fn types_by_name() {
    use ChecksumType as T;
    let full = |t: T| T(t.0 | T::FULL_OBJECT.0);
    for (alg, obj, expected) in [
        ("crc32", "", T::CRC32),
        ("Crc32c", "FULL_OBJECT", full(T::CRC32C)),
        ("CRC32", "COMPOSITE", T::CRC32),
        ("crc64nvme", "FULL_OBJECT", T::CRC64_NVME),
        ("SHA256", "FULL_OBJECT", T::INVALID),
        ("SHA1", "", T::SHA1),
        ("", "FULL_OBJECT", T::INVALID),
        ("", "", T::NONE),
        ("md4", "", T::INVALID),
        ("CRC32", "full_object", T::INVALID),
    ] {
        assert_eq!(T::from_string_with_obj_type(alg, obj), expected, "{alg} {obj}");
    }
    assert_eq!((T::INVALID.to_string(), T::NONE.to_string()), (String::new(), String::new()));
    assert_eq!(T::CRC64_NVME.obj_type(), "FULL_OBJECT");
    assert_eq!((T::SHA1.obj_type(), T::NONE.obj_type()), ("COMPOSITE", ""));
    assert!(T::NONE.is(T::NONE) && !T::SHA1.is(T::NONE));
    assert_eq!(full(T::CRC32).base(), T::CRC32);
    assert_eq!(T::SHA1.key(), Some("x-amz-checksum-sha1"));
}

#[test]
fn values_from_text() {
    let kind = ChecksumType::CRC32;
    let checksum = Checksum::new_with_type(kind, "y/Q5Jg==").unwrap();
    assert_eq!(checksum.raw, [0xcb, 0xf4, 0x39, 0x26]);
    assert_eq!(checksum.matches(CHECK, 0), Ok(()));
    let error = checksum.matches(b"other", 0).unwrap_err();
    assert!(is_checksum_mismatch(&error));
    let parts = Checksum::new_with_type(kind, "y/Q5Jg==-2").unwrap();
    assert_eq!(parts.want_parts, 2);
    let ChecksumMismatch { want, got } = parts.matches(CHECK, 3).unwrap_err();
    assert_eq!((want.as_str(), got.as_str()), ("y/Q5Jg==-2", "y/Q5Jg==-3"));
    for bad in ["y/Q5Jg", "y/Q5", "y_Q5Jg==", "y/Q5Jg==-x", "y/Q5Jg==-1-2", "y/Q5Jg==--1"] {
        assert_eq!(Checksum::new_with_type(kind, bad), None, "{bad}");
    }
    assert_eq!(Checksum::new_from_string("nothing", "y/Q5Jg=="), None);
    // A trailing checksum is valid without a value, not with a wrong one.
    let trailing = ChecksumType(kind.0 | ChecksumType::TRAILING.0);
    let mut checksum = Checksum { checksum_type: trailing, ..Checksum::default() };
    assert!(checksum.valid());
    checksum.raw = vec![1, 2];
    assert!(!checksum.valid());
}

#[test]
fn merging_refuses_what_it_cannot_do() {
    let of = |kind| Checksum::new_from_data(kind, CHECK).unwrap();
    let mut crc = of(ChecksumType::CRC32);
    assert_eq!(crc.add_part(&of(ChecksumType::SHA1), 9), Err("checksum type cannot be merged".to_owned()));
    let other = crc.add_part(&of(ChecksumType::CRC32C), 9);
    assert_eq!(other, Err("checksum type does not match got CRC32 and CRC32C".to_owned()));
    assert!(crc.add_part(&of(ChecksumType::CRC32), -1).is_err());
    let before = crc.clone();
    crc.add_part(&of(ChecksumType::CRC32), 0).unwrap();
    assert_eq!(crc, before);
}

#[test]
fn announced_checksums() {
    let get = |list: &[(&'static str, &str)]| get_content_checksum(&headers(list));
    assert_eq!(get(&[]).unwrap(), None);
    let trailing =
        get(&[("x-amz-trailer", "X-Amz-Checksum-CRC32C, x-other"), ("x-amz-checksum-type", "FULL_OBJECT")]);
    let trailing = trailing.unwrap().unwrap().checksum_type;
    assert!(
        trailing.trailing() && trailing.is(ChecksumType::CRC32C) && trailing.is(ChecksumType::FULL_OBJECT)
    );
    for bad in [
        &[("x-amz-trailer", "x-amz-checksum-crc32c,x-amz-checksum-sha1")][..],
        &[("x-amz-trailer", "x-amz-checksum-sha1"), ("x-amz-checksum-type", "FULL_OBJECT")],
        &[("x-amz-trailer", "x-amz-checksum-sha1"), ("x-amz-checksum-type", "HALF")],
    ] {
        let error = get(bad).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidData, "Invalid checksum"));
    }
    let named = get(&[("x-amz-checksum-algorithm", "crc32"), ("x-amz-checksum-crc32", "y/Q5Jg==")]);
    assert_eq!(named.unwrap().unwrap().raw, [0xcb, 0xf4, 0x39, 0x26]);
    assert_eq!(get(&[("x-amz-checksum-algorithm", "crc32")]).unwrap(), None);
    let found = get(&[("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")]).unwrap().unwrap();
    assert_eq!(found.checksum_type, ChecksumType::SHA1);
    for bad in [
        &[("x-amz-checksum-algorithm", "crc33")][..],
        &[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=")],
        &[("x-amz-checksum-crc32", "zz")],
    ] {
        let error = get(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(is_checksum_mismatch(error.get_ref().unwrap()), "{error}");
    }
}
