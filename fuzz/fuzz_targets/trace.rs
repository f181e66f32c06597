//! Arbitrary bytes as a trace, in each format: ends without a panic; what was read of a recording is recorded the same; no plan that
//! follows from the requests leaves its bounds.
//!
//! `cargo +nightly fuzz run trace`, with `fixtures/rio-trace/v1` as the first corpus (one byte that chooses the format goes before).
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustfs_rio_tune::recorded::{self, BlockReader, BlockWriter};
use rustfs_rio_tune::{Access, LineReader, PrefetchBounds, Prefetcher, Pressure, TraceFormat};

/// Requests of one input that predictors see: more make an input slow.
const REQUESTS_MAX: usize = 2000;

fn recorded(bytes: &[u8]) -> Vec<Access> {
    let (mut out, mut reader) = (Vec::new(), BlockReader::new());
    let Some((header, mut rest)) = bytes.split_first_chunk() else { return out };
    if recorded::check_header(header).is_err() {
        return out;
    }
    while let Some((header, after)) = rest.split_first_chunk() {
        let Ok(header) = reader.header(header) else { break };
        let Some(records) = after.get(..header.bytes) else { break };
        if reader.records(&header, records, &mut out).is_err() {
            break;
        }
        rest = &after[header.bytes..];
    }
    out
}

fn encoded(accesses: &[Access]) -> Vec<u8> {
    let (mut writer, mut out) = (BlockWriter::new(), recorded::header().to_vec());
    accesses.iter().for_each(|access| writer.push(access, &mut out));
    writer.finish(&mut out);
    out
}

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    _ = TraceFormat::detect(bytes);
    let format = TraceFormat::ALL[usize::from(*which) % TraceFormat::ALL.len()];
    let accesses = if format == TraceFormat::Rio {
        let accesses = recorded(bytes);
        assert!(recorded(&encoded(&accesses)) == accesses, "a recording changed when it was recorded again");
        accesses
    } else {
        let mut reader = LineReader::new(format).with_unit(u32::from(*which) * 64);
        let text = String::from_utf8_lossy(bytes);
        text.lines().map_while(|line| reader.read(line).ok()).flatten().collect()
    };
    let bounds = PrefetchBounds::default();
    let mut prefetcher = Prefetcher::new(bounds);
    for access in accesses.iter().take(REQUESTS_MAX) {
        let plan = prefetcher.observe(access, Pressure::None);
        for range in plan.issue().iter().map(|prefetch| prefetch.range) {
            assert!(range.len > 0 && range.len <= bounds.size_bytes, "a range out of its bounds");
        }
        assert!(prefetcher.open_bytes() <= bounds.total_bytes, "more is open than may be");
    }
});
