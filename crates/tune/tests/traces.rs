//! Traces are read as they are meant, and what is no trace is named.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rustfs_rio_tune::recorded::{self, BlockReader, BlockWriter};
use rustfs_rio_tune::{Access, AccessKind, LineReader, TraceError, TraceFormat, requests};

const READ: AccessKind = AccessKind::Read;

fn first(text: &str, format: TraceFormat) -> Result<Access, TraceError> {
    requests(text, format).next().unwrap()
}

#[test]
fn each_format_says_what_it_means() {
    let one = Access { at_ns: 5, space: 1, offset: 8192, len: 4096, kind: READ };
    let parsed: Vec<_> =
        requests("5 1 16 8 1\n\n6 0 8 1 0\n", TraceFormat::Mqsim).collect::<Result<_, _>>().unwrap();
    assert_eq!(parsed, [one, Access { at_ns: 6, space: 0, offset: 4096, len: 512, kind: AccessKind::Write }]);
    let csv = "timestamp_us,op,offset,size\r\n0.005,R,8192,4096\r\n";
    assert_eq!(first(csv, TraceFormat::Csv).unwrap(), Access { space: 0, ..one });
    let columns = "size,offset,space,op,timestamp_us\n4096, 8192, 1, r, 0.0059";
    assert_eq!(first(columns, TraceFormat::Csv).unwrap(), one);
    let untimed = |at_ns, space, offset, len| Access { at_ns, space, offset, len, kind: READ };
    let arc: Vec<_> = requests("16 8 0 5\n0 1 0 6", TraceFormat::Arc).map(Result::unwrap).collect();
    assert_eq!(arc, [untimed(0, 0, 8192, 4096), untimed(1, 0, 0, 512)]);
    let keys: Vec<_> =
        requests("3\n*\n18446744073709551615", TraceFormat::Keys).map(Result::unwrap).collect();
    assert_eq!(keys, [untimed(0, 0, 12288, 4096), untimed(1, 8191, ((1 << 51) - 1) << 12, 4096)]);
    let mut large = LineReader::new(TraceFormat::Arc).with_unit(4096);
    assert_eq!(large.read("16 8 0 5").unwrap(), Some(untimed(0, 0, 65536, 32768)));
}

#[test]
fn formats_are_told_apart_by_their_first_bytes() {
    for (text, format) in [
        ("5 1 16 8 1\n6", TraceFormat::Mqsim),
        ("timestamp_us,op,offset,size\n", TraceFormat::Csv),
        ("\n16 8 0 5\n", TraceFormat::Arc),
        ("*\n3\n", TraceFormat::Keys),
        ("RIOTRACE\u{1}", TraceFormat::Rio),
    ] {
        assert_eq!(TraceFormat::detect(text.as_bytes()), Ok(format), "{text}");
    }
    assert_eq!(TraceFormat::detect(b"\n \n"), Err(TraceError::Empty));
    for text in ["one two", "1 2", "<html>", "5 1 16 8 R", "1.5"] {
        assert!(
            matches!(TraceFormat::detect(text.as_bytes()), Err(TraceError::Unknown { line: 1, .. })),
            "{text}"
        );
    }
}

#[test]
fn lines_that_are_no_requests_are_named() {
    let arc = first("16 8 0 5 1", TraceFormat::Arc).unwrap_err();
    assert_eq!(arc.to_string(), "line 1: 5 fields, expected 4: start-block blocks 0 sequence");
    assert!(first("key", TraceFormat::Keys).is_err());
    let fields = requests("5 1 16 8 1\n5 1 16 8\n", TraceFormat::Mqsim).nth(1).unwrap().unwrap_err();
    assert!(matches!(fields, TraceError::Fields { line: 2, found: 4, expected: 5, .. }), "{fields}");
    for (text, name) in [
        ("x 1 16 8 1", "ns"),
        ("5 4294967296 16 8 1", "space"),
        ("5 1 36028797018963968 8 1", "lba"),
        ("5 1 36028797018963967 8 1", "lba"),
        ("5 1 16 0 1", "sectors"),
        ("5 1 16 8388608 1", "sectors"),
        ("5 1 16 8 2", "op"),
        ("5 1 -16 8 1", "lba"),
    ] {
        match first(text, TraceFormat::Mqsim) {
            Err(TraceError::Value { line: 1, field, .. }) => assert_eq!(field, name, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let header = "timestamp_us,op,offset,size";
    for (line, name) in
        [("1,x,0,1", "op"), ("1.,R,0,1", "timestamp_us"), ("-1,R,0,1", "timestamp_us"), ("1,R,0,0", "size")]
    {
        match first(&format!("{header}\n{line}"), TraceFormat::Csv) {
            Err(TraceError::Value { line: 2, field, .. }) => assert_eq!(field, name, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    for wrong in
        ["1,R,0,1", "timestamp_us,op,offset", "timestamp_us,op,offset,size,host", "op,op,offset,size"]
    {
        assert!(matches!(first(wrong, TraceFormat::Csv), Err(TraceError::Header { line: 1, .. })), "{wrong}");
    }
}

fn encode(accesses: &[Access]) -> Vec<u8> {
    let (mut writer, mut out) = (BlockWriter::new(), recorded::header().to_vec());
    for access in accesses {
        writer.push(access, &mut out);
    }
    writer.finish(&mut out);
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<Access>, TraceError> {
    let (mut reader, mut out) = (BlockReader::new(), Vec::new());
    let (header, mut rest) = bytes.split_first_chunk().ok_or(TraceError::Empty)?;
    recorded::check_header(header)?;
    while !rest.is_empty() {
        let Some((header, after)) = rest.split_first_chunk() else { return Err(reader.cut_off()) };
        let header = reader.header(header)?;
        let records = after.get(..header.bytes).ok_or_else(|| reader.cut_off())?;
        reader.records(&header, records, &mut out)?;
        rest = &after[header.bytes..];
    }
    Ok(out)
}

fn sample() -> Vec<Access> {
    let sequence = (0..5000_u64).map(|n| Access {
        at_ns: 1_000_000 + n * 777,
        space: (n % 3) as u32,
        offset: n << 13,
        len: 8192 - (n % 2) as u32,
        kind: if n % 5 == 0 { AccessKind::Write } else { READ },
    });
    let edges = [(0, 0, 0, 0), (u64::MAX, u32::MAX, u64::MAX, u32::MAX), (1, 7, 1 << 63, 1)];
    let edges = edges.map(|(at_ns, space, offset, len)| Access { at_ns, space, offset, len, kind: READ });
    sequence.chain(edges).collect()
}

#[test]
fn the_golden_trace_is_read_and_written_the_same() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/rio-trace/v1/sample.rio");
    let golden = std::fs::read(path).unwrap();
    assert_eq!(decode(&golden).unwrap(), sample());
    assert!(encode(&sample()) == golden, "the writer writes something else than it did");
}

#[test]
fn damage_is_found_and_named() {
    let good = encode(&sample());
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            assert!(decode(&bad).is_err(), "byte {at}");
        }
    }
    let blocks = decode(&good[..good.len() - 1]).unwrap_err();
    assert_eq!(blocks.to_string(), "block 2: the file ends within this block");
    let mut later = good;
    later[8] = 2;
    assert!(decode(&later).unwrap_err().to_string().contains("another version than 1"));
}

proptest! {
    #[test]
    fn any_text_is_requests_or_errors(text in "[0-9 ,.rRwW*\\n-]{0,200}", which in 0_usize..5) {
        for error in requests(&text, TraceFormat::ALL[which]).filter_map(Result::err) {
            prop_assert!(error.to_string().starts_with("line "));
        }
        _ = TraceFormat::detect(text.as_bytes());
    }

    #[test]
    fn any_requests_survive_recording(requests in prop::collection::vec((any::<u64>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<bool>()), 0..300)) {
        let accesses: Vec<_> = requests.into_iter().map(|(at_ns, space, offset, len, write)| {
            Access { at_ns, space, offset, len, kind: if write { AccessKind::Write } else { READ } }
        }).collect();
        prop_assert_eq!(decode(&encode(&accesses)).unwrap(), accesses);
    }

    #[test]
    fn any_bytes_are_a_recording_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), whole in any::<bool>()) {
        let mut stream = recorded::header().to_vec();
        if whole {
            stream.extend((bytes.len() as u32).to_le_bytes());
            stream.extend((bytes.len() as u32 / 3).to_le_bytes());
            stream.extend(crc32c::crc32c(&bytes).to_le_bytes());
        }
        stream.extend(&bytes);
        _ = decode(&stream);
    }
}
