//! Recorded requests, in the formats of others and in Rio's own; without I/O.
//!
//! * `text`: formats of one request a line. Blank lines are left out; anything else that is not a request is an error.
//! * [`recorded`]: `rio-trace`, what Rio records itself (docs/formats/trace.md).
//!
//! Who reads a file takes its first bytes to [`TraceFormat::detect`], then hands lines to a [`LineReader`], or blocks to a
//! [`recorded::BlockReader`].

pub mod recorded;
mod text;

pub use text::{LineReader, requests};

/// What was wrong with a trace, and where: a line of a text (from 1), or a block of a `rio-trace` (from 1).
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
        /// What it says, cut to 40 characters.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// The first line of a CSV trace does not name the columns.
    #[error(
        "line {line}: the header is `{found}`, expected the columns timestamp_us,op,offset,size and perhaps space"
    )]
    Header {
        /// The line.
        line: usize,
        /// What it says, cut to 40 characters.
        found: String,
    },
    /// The bytes are no trace of a known format.
    #[error(
        "line {line}: `{found}` is no request of a known format (mqsim, csv, arc, keys, rio): name the format if it is one"
    )]
    Unknown {
        /// The first line that is not blank.
        line: usize,
        /// What it says, cut to 40 characters.
        found: String,
    },
    /// There is no request in it.
    #[error("the trace has no requests")]
    Empty,
    /// A `rio-trace` is damaged, cut off, or of another version.
    #[error("block {block}: {reason}")]
    Recorded {
        /// The block; 0 is the file's header.
        block: u64,
        /// What is wrong and what was expected.
        reason: &'static str,
    },
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// `ns device lba sectors op`, blanks between, 512-byte sectors, op 0 writes and 1 reads (MQSim, CMU SAFARI group).
    Mqsim,
    /// Header `timestamp_us,op,offset,size`, op `R` or `W`, bytes; columns in any order, and perhaps `space`. Microseconds may
    /// have decimals.
    Csv,
    /// `start-block blocks 0 sequence`, blanks between, 512-byte blocks, all reads, without time (Megiddo and Modha, FAST 2003).
    Arc,
    /// One number of a 4 KiB block per line, all reads, without time; a line of one `*` separates parts (traces of LIRS,
    /// Jiang and Zhang, SIGMETRICS 2002). The upper thirteen bits of a number become the space, so that any 64-bit key fits.
    Keys,
    /// What Rio records: docs/formats/trace.md.
    Rio,
}

impl TraceFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mqsim, Self::Csv, Self::Arc, Self::Keys, Self::Rio];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqsim => "mqsim",
            Self::Csv => "csv",
            Self::Arc => "arc",
            Self::Keys => "keys",
            Self::Rio => "rio",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Whether its requests have times. Where they have none, `at_ns` counts requests.
    #[must_use]
    pub const fn has_times(self) -> bool {
        matches!(self, Self::Mqsim | Self::Csv | Self::Rio)
    }

    /// Tells the format by the first bytes of a trace, not compressed; 4 KiB are enough.
    ///
    /// # Errors
    /// [`TraceError::Unknown`] names the first line if it fits no format; [`TraceError::Empty`] if there is nothing.
    pub fn detect(start: &[u8]) -> Result<Self, TraceError> {
        if start.starts_with(&recorded::MAGIC) {
            return Ok(Self::Rio);
        }
        let text = String::from_utf8_lossy(start);
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let (line, first) =
            lines.into_iter().find(|(_, text)| !text.is_empty() && *text != "*").ok_or(TraceError::Empty)?;
        let unknown = || TraceError::Unknown { line, found: cut(first) };
        if first.contains(',') {
            return Ok(Self::Csv);
        }
        let mut fields = 0;
        for field in first.split_ascii_whitespace() {
            fields += 1;
            if !field.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unknown());
            }
        }
        match fields {
            5 => Ok(Self::Mqsim),
            4 => Ok(Self::Arc),
            1 => Ok(Self::Keys),
            _ => Err(unknown()),
        }
    }
}

/// The start of a text, for messages.
fn cut(text: &str) -> String {
    text.chars().take(40).map(|one| if one.is_control() { '?' } else { one }).collect()
}
