//! How often a verdict with given evidence was right on labelled streams: `cargo run --example recognise` prints these tables,
//! from seeds that the tests do not use.

const COLUMNS: usize = 4;
/// Rows: score of the stream, in steps of 6 from 6. Columns: requests of the stream, below 4, 16, 64, and more.
const STREAM: [[u8; COLUMNS]; 5] =
    [[71, 81, 99, 99], [93, 93, 99, 99], [96, 95, 99, 99], [99, 98, 99, 99], [99, 99, 99, 99]];
/// Rows: share of lone requests in the space, in eighths. Columns: lone requests so far, below 16, 32, 64, and more.
const RANDOM: [[u8; COLUMNS]; 8] = [
    [98, 75, 66, 99],
    [92, 78, 65, 98],
    [81, 66, 99, 99],
    [86, 35, 99, 95],
    [12, 7, 7, 79],
    [11, 18, 98, 83],
    [12, 40, 66, 96],
    [12, 46, 80, 99],
];

/// A cell of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell(pub(crate) u8, pub(crate) u8, bool);

impl Cell {
    pub(crate) fn of_stream(score: f32, requests: u32) -> Self {
        let row = ((score - 6.0) / 6.0).clamp(0.0, (STREAM.len() - 1) as f32) as u8;
        Self(row, column(requests, [4, 16, 64]), true)
    }

    pub(crate) fn of_random(seen: u32, loose: f32) -> Self {
        let row = (loose * 8.0).clamp(0.0, (RANDOM.len() - 1) as f32) as u8;
        Self(row, column(seen, [16, 32, 64]), false)
    }

    /// Probability that the verdict is right.
    pub(crate) fn confidence(self) -> f32 {
        let (row, column) = (usize::from(self.0), usize::from(self.1));
        let percent = if self.2 { STREAM[row][column] } else { RANDOM[row][column] };
        f32::from(percent) / 100.0
    }
}

fn column(count: u32, bounds: [u32; COLUMNS - 1]) -> u8 {
    bounds.iter().filter(|&&bound| count >= bound).count() as u8
}
