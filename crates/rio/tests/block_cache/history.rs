//! What happened to each sector, when, and whether some order of events explains it.
//!
//! Each successful write gives its sectors a number of its own. A sector is then a register with unique values, for which
//! these conditions are checked: a value that is read was being written before the read ended; no other change began after
//! that write had ended and ended before the read began; and of two reads that do not overlap the later one does not see a
//! value that was written entirely before the value of the earlier one.

use std::collections::HashMap;

pub(crate) const SECTOR: usize = 512;

/// Begin and end on a logical clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) begin: u64,
    /// `u64::MAX` if nobody saw it end.
    pub(crate) end: u64,
}

impl Span {
    fn precedes(self, other: Span) -> bool {
        self.end < other.begin
    }
}

/// Value 0: cleared by a truncation, or never written.
#[derive(Debug, Clone, Copy)]
struct Write {
    span: Span,
    value: u64,
    /// Whether it took effect for certain.
    is_certain: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Sector {
    writes: Vec<Write>,
    reads: Vec<(Span, u64)>,
}

impl Sector {
    /// A change took effect within the span, or may have.
    pub(crate) fn wrote(&mut self, span: Span, value: u64, is_certain: bool) {
        self.writes.push(Write { span, value, is_certain });
    }

    pub(crate) fn read(&mut self, span: Span, value: u64) {
        self.reads.push((span, value));
    }

    /// What is wrong, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let always = Span { begin: 0, end: 0 };
        let mut writes = self.writes.clone();
        writes.push(Write { span: always, value: 0, is_certain: true });
        for (read, value) in &self.reads {
            let explains = |write: &&Write| {
                let overwritten = |other: &Write| {
                    other.is_certain && write.span.precedes(other.span) && other.span.precedes(*read)
                };
                write.value == *value && write.span.begin < read.end && !writes.iter().any(overwritten)
            };
            if !writes.iter().any(|write| explains(&write)) {
                return Err(format!("a read at {read:?} gave {value}, writes were {writes:?}"));
            }
        }
        let of_value: HashMap<u64, Span> =
            writes.iter().filter(|write| write.value != 0).map(|write| (write.value, write.span)).collect();
        for (first, earlier) in &self.reads {
            for (second, later) in &self.reads {
                let (Some(earlier), Some(later)) = (of_value.get(earlier), of_value.get(later)) else {
                    continue;
                };
                if first.precedes(*second) && later.precedes(*earlier) {
                    return Err(format!("a read at {second:?} went back behind the one at {first:?}"));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let span = |begin, end| Span { begin, end };
    let mut stale = Sector::default();
    stale.wrote(span(1, 2), 7, true);
    stale.wrote(span(3, 4), 8, true);
    stale.read(span(3, 6), 7);
    assert!(stale.check().is_ok());
    stale.read(span(5, 6), 7);
    assert!(stale.check().unwrap_err().contains("gave 7"));
    let mut back = Sector::default();
    back.wrote(span(1, 2), 7, true);
    back.wrote(span(3, 20), 8, false);
    back.read(span(4, 5), 8);
    assert!(back.check().is_ok());
    back.read(span(6, 7), 7);
    assert!(back.check().unwrap_err().contains("went back"));
    let mut invented = Sector::default();
    invented.read(span(1, 2), 9);
    assert!(invented.check().is_err());
}
