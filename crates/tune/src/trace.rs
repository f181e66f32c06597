//! Reads recorded requests, one line each. Blank lines are left out; anything else that is not a request is an error.

use crate::access::{Access, AccessKind};

/// What was wrong with a trace, and in which line (from 1).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A line has another number of fields than the format.
    #[error("line {line}: {found} fields, expected {expected}: {format}")]
    Fields {
        /// The line.
        line: usize,
        /// Fields in it.
        found: usize,
        /// Fields of the format.
        expected: usize,
        /// The format, in words.
        format: &'static str,
    },
    /// A field is no number, or out of range.
    #[error("line {line}: field `{field}` is `{value}`, expected {expected}")]
    Value {
        /// The line.
        line: usize,
        /// Name of the field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// `ns device lba sectors op`, blanks between, 512-byte sectors, op 0 writes and 1 reads (MQSim, CMU SAFARI group).
    Mqsim,
    /// `ns,space,offset,bytes,op`, op `r` or `w`.
    Csv,
    /// `lba sectors ignored number`, blanks between, 512-byte sectors, all reads (Megiddo and Modha, FAST 2003). Without time: the
    /// number stands for it.
    Arc,
    /// One number of a 4 KiB block per line, all reads, without time.
    Keys,
}

const MQSIM: &str = "ns device lba sectors op";
const CSV: &str = "ns,space,offset,bytes,op";
const ARC: &str = "lba sectors ignored number";
const KEYS: &str = "block";
const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;

/// The requests of `text`, in order; an error ends what is useful of it.
pub fn requests(text: &str, format: TraceFormat) -> impl Iterator<Item = Result<Access, TraceError>> + '_ {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty()).map(move |(line, text)| request(line, text, format))
}

fn request(line: usize, text: &str, format: TraceFormat) -> Result<Access, TraceError> {
    let (parts, found) = match format {
        TraceFormat::Csv => split(text.split(',').map(str::trim)),
        TraceFormat::Mqsim | TraceFormat::Arc | TraceFormat::Keys => split(text.split_ascii_whitespace()),
    };
    let csv = format == TraceFormat::Csv;
    let [first, second, _, fourth, _] = parts;
    let (fields, expected, unit, format) = match format {
        TraceFormat::Mqsim => (parts, 5, SECTOR, MQSIM),
        TraceFormat::Csv => (parts, 5, 1, CSV),
        TraceFormat::Arc => ([fourth, "0", first, second, "1"], 4, SECTOR, ARC),
        TraceFormat::Keys => (["0", "0", first, "1", "1"], 1, BLOCK, KEYS),
    };
    if found != expected {
        return Err(TraceError::Fields { line, found, expected, format });
    }
    let [at, space, offset, len, op] = fields;
    let wrong =
        |field, value: &str, expected| TraceError::Value { line, field, value: value.into(), expected };
    let number = |field, value: &str| {
        value.parse::<u64>().map_err(|_| wrong(field, value, "a number from 0 to 2^64 - 1"))
    };
    let bytes = |field, value: &str| {
        let scaled = number(field, value)?.checked_mul(unit);
        scaled.ok_or_else(|| wrong(field, value, "less than 2^64 bytes"))
    };
    let first = bytes("offset", offset)?;
    let count = u32::try_from(bytes("length", len)?).ok().filter(|&count| count > 0);
    let count = count.ok_or_else(|| wrong("length", len, "1 to 2^32 - 1 bytes"))?;
    if first.checked_add(u64::from(count)).is_none() {
        return Err(wrong("offset", offset, "an end below 2^64"));
    }
    let kind = match (csv, op) {
        (false, "1") | (true, "r") => AccessKind::Read,
        (false, "0") | (true, "w") => AccessKind::Write,
        (false, _) => return Err(wrong("op", op, "0 (write) or 1 (read)")),
        (true, _) => return Err(wrong("op", op, "r or w")),
    };
    let space = u32::try_from(number("space", space)?).map_err(|_| wrong("space", space, "0 to 2^32 - 1"))?;
    Ok(Access { at_ns: number("ns", at)?, space, offset: first, len: count, kind })
}

fn split<'a>(parts: impl Iterator<Item = &'a str>) -> ([&'a str; 5], usize) {
    let mut fields = [""; 5];
    let mut found = 0;
    for part in parts {
        if let Some(field) = fields.get_mut(found) {
            *field = part;
        }
        found += 1;
    }
    (fields, found)
}
