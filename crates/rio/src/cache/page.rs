//! One block of a file in memory.

use rustfs_rio_buf::PooledBuf;
use rustfs_rio_tune::Ticket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names a block: what a file held between two changes that concern all of it, and the block's place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) generation: u64,
    pub(crate) block: u64,
}

/// The part of a block in a range that was read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) ticket: Ticket,
    pub(crate) bytes: u32,
}

/// The bytes of one block; fewer than a block only at the end of the file.
pub(crate) struct Page {
    bytes: PooledBuf,
    share: Option<Share>,
    /// Whether the block was read ahead and nobody has read it.
    is_unused: AtomicBool,
}

impl Page {
    /// A block that somebody asked for, or that was read ahead.
    pub(crate) fn new(bytes: PooledBuf, share: Option<Share>) -> Self {
        Self { bytes, share, is_unused: AtomicBool::new(share.is_some()) }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the block was read ahead and nobody has read it.
    #[inline]
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unused.load(Ordering::Relaxed)
    }

    /// What the block was read ahead for, if this is the first use.
    #[inline]
    pub(crate) fn first_use(&self) -> Option<Share> {
        let was_unused =
            self.is_unused.load(Ordering::Relaxed) && self.is_unused.swap(false, Ordering::Relaxed);
        self.share.filter(|_| was_unused)
    }
}

/// A block for who reads its bytes where they are.
pub(crate) struct SharedPage(pub(crate) Arc<Page>);

impl AsRef<[u8]> for SharedPage {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
