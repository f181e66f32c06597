//! What a read into pooled memory allocates once everything is warm: nothing.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{DiskFile, RuntimeConfig, RuntimeHandle};
use std::task::{Context, Waker};

#[test]
fn a_warm_read_range_allocates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handle = RuntimeHandle::new(RuntimeConfig::default()).unwrap();
        let file = DiskFile::open(&path, handle.clone()).await.unwrap();
        let sizes = [1u64, 4096, 10_000, 65_536, 100_000, 1 << 20];
        let round = async || {
            for len in sizes {
                let block = file.read_range(0, len).await.unwrap();
                assert_eq!((block.len() as u64, block[0]), (len, 7));
            }
        };
        round().await;
        let counted = allocation_counter::measure(|| {
            // Resident data is copied on the calling task, so that this future never waits.
            for _ in 0..100 {
                let future = std::pin::pin!(tokio::task::unconstrained(round()));
                let mut context = Context::from_waker(Waker::noop());
                assert!(future.poll(&mut context).is_ready());
            }
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
    });
}
