//! Formats of one request a line.

use crate::access::{Access, AccessKind};
use crate::trace::{TraceError, TraceFormat, cut};

const MQSIM: &str = "ns device lba sectors op";
const CSV: &str = "as many as the header names";
const ARC: &str = "start-block blocks 0 sequence";
const KEYS: &str = "block";
const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;
/// Bits of a key that number a block; the others become the space.
const KEY_BITS: u32 = 51;
const FIELDS_MAX: usize = 8;

/// The columns of a CSV trace, in the order of [`Columns::NAMES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    places: [Option<usize>; 5],
    count: usize,
}

impl Columns {
    const NAMES: [&'static str; 5] = ["timestamp_us", "op", "offset", "size", "space"];
    /// The last may be missing.
    const REQUIRED: usize = 4;

    fn parse(line: usize, text: &str) -> Result<Self, TraceError> {
        let wrong = || TraceError::Header { line, found: cut(text) };
        let mut columns = Self::default();
        for (place, name) in text.split(',').map(str::trim).enumerate() {
            let which = Self::NAMES.iter().position(|known| *known == name).ok_or_else(wrong)?;
            if columns.places[which].replace(place).is_some() {
                return Err(wrong());
            }
            columns.count += 1;
        }
        let complete = columns.places[..Self::REQUIRED].iter().all(Option::is_some);
        if complete { Ok(columns) } else { Err(wrong()) }
    }
}

/// Reads a trace of one request a line.
///
/// ```
/// use rustfs_rio_tune::{LineReader, TraceFormat};
///
/// let mut lines = LineReader::new(TraceFormat::Csv);
/// assert_eq!(lines.read("timestamp_us,op,offset,size"), Ok(None));
/// assert_eq!(lines.read("1.5,R,4096,512").map(|access| access.map(|access| access.at_ns)), Ok(Some(1500)));
/// let error = lines.read("2,X,4096,512").map_err(|error| error.to_string());
/// assert_eq!(error, Err("line 3: field `op` is `X`, expected R or W".into()));
/// ```
#[derive(Clone, Debug)]
pub struct LineReader {
    format: TraceFormat,
    line: usize,
    requests: u64,
    columns: Option<Columns>,
    unit: u64,
}

impl LineReader {
    /// A reader before the first line. [`TraceFormat::Rio`] has no lines: each is an error.
    #[must_use]
    pub const fn new(format: TraceFormat) -> Self {
        let unit = match format {
            TraceFormat::Mqsim | TraceFormat::Arc => SECTOR,
            TraceFormat::Keys => BLOCK,
            TraceFormat::Csv | TraceFormat::Rio => 1,
        };
        Self { format, line: 0, requests: 0, columns: None, unit }
    }

    /// The same with another size of block or sector, 1 to 1,048,576 bytes, for [`TraceFormat::Arc`] and [`TraceFormat::Keys`]; the others
    /// define theirs and do not change.
    #[must_use]
    pub fn with_unit(mut self, bytes: u32) -> Self {
        if matches!(self.format, TraceFormat::Arc | TraceFormat::Keys) {
            self.unit = u64::from(bytes.clamp(1, 1 << 20));
        }
        self
    }

    /// Lines taken in so far.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Takes in the next line, without or with its end; returns its request, or `None` for one that holds none.
    ///
    /// # Errors
    /// The error names the line and what was wrong with it.
    pub fn read(&mut self, text: &str) -> Result<Option<Access>, TraceError> {
        self.line += 1;
        let text = text.trim();
        if text.is_empty() || (self.format == TraceFormat::Keys && text == "*") {
            return Ok(None);
        }
        let access = match self.format {
            TraceFormat::Mqsim => self.mqsim(text)?,
            TraceFormat::Csv => match self.columns {
                None => {
                    self.columns = Some(Columns::parse(self.line, text.trim_start_matches('\u{feff}'))?);
                    return Ok(None);
                }
                Some(columns) => self.csv(text, &columns)?,
            },
            TraceFormat::Arc => self.arc(text)?,
            TraceFormat::Keys => self.key(text)?,
            TraceFormat::Rio => return Err(TraceError::Unknown { line: self.line, found: cut(text) }),
        };
        self.requests += 1;
        Ok(Some(access))
    }

    fn mqsim(&self, text: &str) -> Result<Access, TraceError> {
        let [at, space, lba, sectors, op] = self.fields(text.split_ascii_whitespace(), MQSIM)?;
        let kind = match op {
            "1" => AccessKind::Read,
            "0" => AccessKind::Write,
            _ => return Err(self.wrong("op", op, "0 (write) or 1 (read)")),
        };
        self.access(self.number("ns", at)?, self.space(space)?, ("lba", lba), ("sectors", sectors), kind)
    }

    fn arc(&self, text: &str) -> Result<Access, TraceError> {
        let [start, blocks, _, _] = self.fields(text.split_ascii_whitespace(), ARC)?;
        self.access(self.requests, 0, ("start-block", start), ("blocks", blocks), AccessKind::Read)
    }

    fn key(&self, text: &str) -> Result<Access, TraceError> {
        let [block] = self.fields(text.split_ascii_whitespace(), KEYS)?;
        let key = self.number("block", block)?;
        let space = (key >> KEY_BITS) as u32;
        let offset = (key & ((1 << KEY_BITS) - 1)).checked_mul(self.unit);
        let offset = offset.filter(|offset| offset.checked_add(self.unit).is_some());
        let offset = offset.ok_or_else(|| self.wrong("block", block, "less than 2^64 bytes"))?;
        Ok(Access { at_ns: self.requests, space, offset, len: self.unit as u32, kind: AccessKind::Read })
    }

    fn csv(&self, text: &str, columns: &Columns) -> Result<Access, TraceError> {
        let mut fields = [""; FIELDS_MAX];
        let found = split(text.split(',').map(str::trim), &mut fields);
        if found != columns.count {
            return Err(TraceError::Fields { line: self.line, found, expected: columns.count, format: CSV });
        }
        let [at, op, offset, size, space] =
            columns.places.map(|place| place.and_then(|place| fields.get(place).copied()).unwrap_or("0"));
        let kind = match op {
            "R" | "r" => AccessKind::Read,
            "W" | "w" => AccessKind::Write,
            _ => return Err(self.wrong("op", op, "R or W")),
        };
        self.access(self.microseconds(at)?, self.space(space)?, ("offset", offset), ("size", size), kind)
    }

    fn access(
        &self,
        at_ns: u64,
        space: u32,
        offset: (&'static str, &str),
        len: (&'static str, &str),
        kind: AccessKind,
    ) -> Result<Access, TraceError> {
        let bytes = |(field, value): (&'static str, &str)| {
            let scaled = self.number(field, value)?.checked_mul(self.unit);
            scaled.ok_or_else(|| self.wrong(field, value, "less than 2^64 bytes"))
        };
        let first = bytes(offset)?;
        let count = u32::try_from(bytes(len)?).ok().filter(|&count| count > 0);
        let count = count.ok_or_else(|| self.wrong(len.0, len.1, "1 to 2^32 - 1 bytes"))?;
        if first.checked_add(u64::from(count)).is_none() {
            return Err(self.wrong(offset.0, offset.1, "an end below 2^64 bytes"));
        }
        Ok(Access { at_ns, space, offset: first, len: count, kind })
    }

    fn space(&self, text: &str) -> Result<u32, TraceError> {
        u32::try_from(self.number("space", text)?).map_err(|_| self.wrong("space", text, "0 to 2^32 - 1"))
    }

    fn number(&self, field: &'static str, value: &str) -> Result<u64, TraceError> {
        value.parse::<u64>().map_err(|_| self.wrong(field, value, "a number from 0 to 2^64 - 1"))
    }

    /// Nanoseconds of a number of microseconds; digits below a nanosecond are dropped.
    fn microseconds(&self, text: &str) -> Result<u64, TraceError> {
        let wrong = || self.wrong("timestamp_us", text, "microseconds, such as 12 or 12.5, below 2^54");
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = part.bytes().take(3).filter(u8::is_ascii_digit).map(|byte| u64::from(byte - b'0'));
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let nanoseconds: u64 = digits.zip([100, 10, 1]).map(|(digit, weight)| digit * weight).sum();
        let whole = whole.parse::<u64>().map_err(|_| wrong())?;
        whole.checked_mul(1000).and_then(|ns| ns.checked_add(nanoseconds)).ok_or_else(wrong)
    }

    fn fields<'a, const N: usize>(
        &self,
        parts: impl Iterator<Item = &'a str>,
        format: &'static str,
    ) -> Result<[&'a str; N], TraceError> {
        let mut fields = [""; N];
        let found = split(parts, &mut fields);
        if found == N {
            Ok(fields)
        } else {
            Err(TraceError::Fields { line: self.line, found, expected: N, format })
        }
    }

    fn wrong(&self, field: &'static str, value: &str, expected: &'static str) -> TraceError {
        TraceError::Value { line: self.line, field, value: cut(value), expected }
    }
}

/// Fills `fields`; returns how many parts there were, also those for which there was no room.
fn split<'a>(parts: impl Iterator<Item = &'a str>, fields: &mut [&'a str]) -> usize {
    let mut found = 0;
    for part in parts {
        if let Some(field) = fields.get_mut(found) {
            *field = part;
        }
        found += 1;
    }
    found
}

/// The requests of `text`, in order; an error ends what is useful of it.
pub fn requests(text: &str, format: TraceFormat) -> impl Iterator<Item = Result<Access, TraceError>> + '_ {
    let mut reader = LineReader::new(format);
    text.lines().filter_map(move |line| reader.read(line).transpose())
}
