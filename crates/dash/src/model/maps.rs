//! Where reads and writes go: offset over time.

use super::Part;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Offset over time, of one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IoMap {
    /// The time on the server.
    pub now: u64,
    /// How many accesses one that is shown stands for at present: the record thins itself out at high rates.
    pub weight: u32,
    /// Files with recorded accesses, the busiest first, at most 64.
    pub files: Vec<IoMapFile>,
    /// The file that is shown.
    pub file: Option<u32>,
    /// Ends of the columns, in milliseconds since 1970.
    pub t_ms: Vec<u64>,
    /// First bytes of the rows.
    pub offset: Vec<u64>,
    /// Reads per cell, one list per row.
    pub reads: Vec<Vec<u64>>,
    /// Writes per cell, one list per row.
    pub writes: Vec<Vec<u64>>,
}

/// A file with recorded accesses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IoMapFile {
    /// Its number, for `file=` in the address.
    pub id: u32,
    /// The path it was opened with; a number if it is no longer among the latest.
    pub path: String,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes of both.
    pub bytes: u64,
}

/// For the schema: a map, or why there is none.
pub type IoMapPart = Part<IoMap>;
