//! Packs the regions that a trace touches into one file, in order, so that what adjoins still adjoins.
//!
//! A traced device may have terabytes of which a trace touches a part. The file has only the touched regions; regions as large
//! as fit the bound keep it likely that reading ahead beyond what is touched reads what lay there.

use std::collections::BTreeMap;

use rustfs_rio_tune::Access;

use crate::UsageError;

const REGION_SHIFT_MAX: u32 = 22;
const REGION_SHIFT_MIN: u32 = 14;

/// Where each region of the traced devices lies in the file.
pub(super) struct Layout {
    shift: u32,
    places: BTreeMap<(u32, u64), u64>,
}

impl Layout {
    /// The layout with the largest regions that keep the file below `bytes_max`.
    pub(super) fn new(requests: &[Access], bytes_max: u64) -> Result<Self, UsageError> {
        let mut needed = 0;
        for shift in (REGION_SHIFT_MIN..=REGION_SHIFT_MAX).rev() {
            let layout = Self::with_shift(requests, shift);
            needed = layout.bytes();
            if needed <= bytes_max {
                return Ok(layout);
            }
        }
        Err(UsageError(format!(
            "the trace touches {needed} bytes, above the {} MiB of --file-mb; raise that, or cut the trace with --requests",
            bytes_max >> 20
        )))
    }

    fn with_shift(requests: &[Access], shift: u32) -> Self {
        let mut places = BTreeMap::new();
        for access in requests.iter().filter(|access| access.len > 0) {
            let (first, last) = (access.offset >> shift, (access.end() - 1) >> shift);
            (first..=last).for_each(|region| _ = places.insert((access.space, region), 0));
        }
        places.values_mut().zip(0..).for_each(|(place, number)| *place = number);
        Self { shift, places }
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        (self.places.len() as u64) << self.shift
    }

    /// The requests with their offsets in the file.
    pub(super) fn place(&self, requests: &[Access]) -> Vec<Access> {
        let inside = (1 << self.shift) - 1;
        let placed = |access: &Access| {
            let region = self.places.get(&(access.space, access.offset >> self.shift))?;
            Some(Access { offset: (region << self.shift) | (access.offset & inside), ..*access })
        };
        requests.iter().filter_map(placed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustfs_rio_tune::AccessKind;

    fn read(space: u32, offset: u64, len: u32) -> Access {
        Access { at_ns: 0, space, offset, len, kind: AccessKind::Read }
    }

    #[test]
    fn what_adjoins_still_adjoins_and_devices_stay_apart() {
        let requests =
            [read(1, 5 << 40, 8192), read(0, (7 << 22) - 4096, 8192), read(0, (7 << 22) + 4096, 100)];
        let layout = Layout::new(&requests, 1 << 30).unwrap();
        let placed = layout.place(&requests);
        assert_eq!(layout.bytes(), 3 << 22);
        assert_eq!(placed[1].offset, (1 << 22) - 4096);
        assert_eq!(placed[2].offset, placed[1].offset + 8192);
        assert_eq!(placed[0].offset, 2 << 22);
    }

    #[test]
    fn a_trace_that_needs_too_much_is_refused_with_the_size() {
        let requests: Vec<Access> = (0..100).map(|n| read(0, n << 30, 4096)).collect();
        assert!(Layout::new(&requests, 100 << 16).unwrap().bytes() <= 100 << 16);
        let error = Layout::new(&requests, 1 << 20).err().unwrap().to_string();
        assert!(error.contains("touches 1638400 bytes, above the 1 MiB"), "{error}");
    }
}
