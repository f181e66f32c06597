//! What `statx(2)` says about a file.

use std::time::{Duration, SystemTime};

/// Fields that the engine asks for: the basic ones, birth time, and the direct-I/O alignment (Linux 6.1).
pub(crate) const STATX_MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME | STATX_DIOALIGN;
const STATX_DIOALIGN: u32 = 0x2000;

/// Attributes of a file at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Size in bytes.
    pub size: u64,
    /// Space taken on the device, in bytes.
    pub allocated: u64,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// Inode number.
    pub inode: u64,
    /// Device number: major, minor.
    pub device: (u32, u32),
    /// Number of hard links.
    pub links: u32,
    /// Last modification of the content.
    pub modified: SystemTime,
    /// Last change of content or attributes; the kernel sets it, and nobody can set it back.
    pub changed: SystemTime,
    /// When the file was made, where the file system records it.
    pub born: Option<SystemTime>,
    /// Preferred unit of I/O in bytes.
    pub block_size: u32,
    /// Direct-I/O alignment, where the kernel reports it: `None` if it does not, `Some` with zeros if the file has no
    /// direct I/O.
    pub direct: Option<DirectAlignment>,
}

/// Alignment that direct I/O needs, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectAlignment {
    /// Of the memory address.
    pub memory: u32,
    /// Of offset and length in the file.
    pub offset: u32,
}

impl Stat {
    pub(crate) fn from_raw(raw: &libc::statx) -> Self {
        let direct = (raw.stx_mask & STATX_DIOALIGN != 0)
            .then_some(DirectAlignment { memory: raw.stx_dio_mem_align, offset: raw.stx_dio_offset_align });
        Self {
            size: raw.stx_size,
            allocated: raw.stx_blocks * 512,
            mode: u32::from(raw.stx_mode),
            inode: raw.stx_ino,
            device: (raw.stx_dev_major, raw.stx_dev_minor),
            links: raw.stx_nlink,
            modified: time(raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec),
            changed: time(raw.stx_ctime.tv_sec, raw.stx_ctime.tv_nsec),
            born: (raw.stx_mask & libc::STATX_BTIME != 0)
                .then(|| time(raw.stx_btime.tv_sec, raw.stx_btime.tv_nsec)),
            block_size: raw.stx_blksize,
            direct,
        }
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

fn time(seconds: i64, nanos: u32) -> SystemTime {
    let fraction = Duration::from_nanos(u64::from(nanos));
    match u64::try_from(seconds) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + fraction,
        Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()) + fraction,
    }
}
