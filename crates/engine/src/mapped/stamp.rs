//! Whether a file changed between two moments.
//!
//! Size and change time tell, if the change time is one that a later change must differ from. The kernel takes it from a
//! clock that advances once per tick, 10 ms at most, and a file system may cut it to whole seconds. So a stamp shows
//! changes only once its change time lies further back than that.
//!
//! Every local file system sets the size before it removes pages of a truncated file, and the change time before it lets
//! go of the inode; the file cannot grow again in between. So whoever saw a page without its bytes sees a new size or a
//! new change time afterwards.

use crate::file::File;
use std::io;
use std::time::Duration;

/// More than the longest tick, that of kernels with 100 of them per second.
const TICK: Duration = Duration::from_millis(20);
/// More than the coarsest time stamp of a supported file system: whole seconds, on ext4 with small inodes.
const COARSE: Duration = Duration::from_secs(2);

/// Size and change time of a file, and the moment before they were asked for.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    size: u64,
    changed: (i64, i64),
    taken: (i64, i64),
}

impl Stamp {
    /// Looks at a file; the inode is in memory, so this does not wait.
    pub(super) fn of(file: &File) -> io::Result<(Self, libc::stat)> {
        // The clock first: a change after this moment carries this time or a later one.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        // SAFETY: all-zero bytes are a valid `stat`, a struct of integers.
        let mut raw: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `raw` outlives the call, and the file keeps its descriptor open.
        if unsafe { libc::fstat(file.fd(), &raw mut raw) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let stamp = Self {
            size: u64::try_from(raw.st_size).unwrap_or(0),
            changed: (raw.st_ctime, raw.st_ctime_nsec),
            taken: (now.tv_sec, now.tv_nsec),
        };
        Ok((stamp, raw))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether every change after this stamp makes a different one.
    pub(super) fn shows_changes(&self) -> bool {
        let nanos = |(seconds, nanos): (i64, i64)| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let age = nanos(self.taken) - nanos(self.changed);
        let needed = if self.changed.1 == 0 { COARSE } else { TICK };
        age > needed.as_nanos() as i128
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        (self.size, self.changed) == (other.size, other.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(changed: (i64, i64), taken: (i64, i64)) -> Stamp {
        Stamp { size: 1, changed, taken }
    }

    #[test]
    fn a_recent_change_hides_the_next_one() {
        assert!(!stamp((10, 500), (10, 500)).shows_changes());
        assert!(!stamp((10, 500), (10, 20_000_500)).shows_changes());
        assert!(stamp((10, 500), (10, 20_000_501)).shows_changes());
        assert!(!stamp((10, 500), (9, 0)).shows_changes(), "a time stamp from the future proves nothing");
    }

    #[test]
    fn whole_seconds_may_be_cut_off_ones() {
        assert!(!stamp((10, 0), (12, 0)).shows_changes());
        assert!(stamp((10, 0), (12, 1)).shows_changes());
    }

    #[test]
    fn stamps_compare_what_the_file_is_not_when_it_was_asked() {
        assert_eq!(stamp((1, 1), (2, 2)), stamp((1, 1), (3, 3)));
        assert_ne!(stamp((1, 1), (2, 2)), stamp((1, 2), (2, 2)));
        assert_ne!(stamp((1, 1), (2, 2)), Stamp { size: 2, ..stamp((1, 1), (2, 2)) });
    }
}
