//! Devices that answer with errors, and one that lies.

use crate::lab::{Kind, balance, data, failure};
use crate::rig::{BLOCK, Rig, assert_eio, block, buffered, direct, empty, engine, offset, run};
use rustfs_rio_engine::{Engine, File, OpKind, Refusal};

/// Twice as many failures in a row as would latch a device away from the ring.
const FAILURES: usize = 16;

/// Real `EIO` on direct transfers: a typed error for each, and no blame on the ring.
pub(crate) fn direct_errors(rig: &Rig, kind: Kind) {
    rig.remount();
    let path = rig.file("direct", 1, FAILURES);
    run(async {
        let engine = engine(kind);
        let file = engine.open(&path, &direct()).await.unwrap();
        check_blocks(&file, 1, FAILURES).await;
        let before = engine.stats();
        rig.fault(&["eio"]);
        for index in 0..FAILURES {
            let (result, buffer) = file.read_at(empty(), offset(index)).await;
            assert_eio(&failure(result, OpKind::Read, &path));
            assert_eq!(
                (buffer.len(), buffer.capacity()),
                (0, BLOCK),
                "the buffer comes back, without content"
            );
            let (result, buffer) = file.write_at(block(2, index), offset(index)).await;
            assert_eio(&failure(result, OpKind::Write, &path));
            data::assert_same(&buffer, &block(2, index), "the buffer of the failed write");
        }
        rig.heal();
        assert!(!file.is_poisoned(), "only syncs poison");
        let failed = engine.stats().failed_ops - before.failed_ops;
        assert_eq!(failed, 2 * FAILURES as u64);
        // What failed was never written, and the path is the one from before.
        check_blocks(&file, 1, FAILURES).await;
        assert_path(kind, &engine, &before, 3 * FAILURES as u64);
        drop(file);
        balance(&engine).await;
    });
}

/// So many transfers since then took the path of this backend, none of them twice.
#[track_caller]
pub(crate) fn assert_path(kind: Kind, engine: &Engine, before: &rustfs_rio_engine::EngineStats, count: u64) {
    let now = engine.stats();
    let (ring, blocking) = (now.ring_ops - before.ring_ops, now.blocking_ops - before.blocking_ops);
    let expected = if kind == Kind::Blocking { (0, count) } else { (count, 0) };
    assert_eq!((ring, blocking), expected, "transfers on ring and blocking threads");
    assert_eq!(now.rerouted_ops, before.rerouted_ops, "an error of the device was blamed on the ring");
}

pub(crate) async fn check_blocks(file: &File, stream: u64, count: usize) {
    for index in 0..count {
        let (result, buffer) = file.read_at(empty(), offset(index)).await;
        assert_eq!(result.unwrap(), BLOCK);
        data::assert_same(&buffer, &block(stream, index), "a block");
    }
}

/// A sync that fails after a buffered write: the handle is poisoned for good, others learn what concerns them.
pub(crate) fn failed_sync(rig: &Rig, kind: Kind) {
    for data_only in [true, false] {
        rig.remount();
        fail_one_sync(rig, kind, data_only);
    }
}

fn fail_one_sync(rig: &Rig, kind: Kind, data_only: bool) {
    let path = rig.file("synced", 1, 4);
    let other_path = rig.file("other", 3, 4);
    let operation = if data_only { OpKind::Fdatasync } else { OpKind::Fsync };
    run(async {
        let engine = engine(kind);
        let victim = engine.open(&path, &buffered()).await.unwrap();
        let witness = engine.open(&path, &buffered()).await.unwrap();
        let other = engine.open(&other_path, &buffered()).await.unwrap();
        assert_eq!(victim.write_at(block(2, 0), 0).await.0.unwrap(), BLOCK);
        rig.fault(&["eio-writes"]);
        let result = if data_only { victim.sync_data().await } else { victim.sync_all().await };
        assert_eio(&failure(result, operation, &path));
        assert_poisoned(&victim, operation).await;
        assert_eq!(victim.read_at(empty(), 0).await.0.unwrap(), BLOCK, "reads still work");

        rig.heal();
        assert_poisoned(&victim, operation).await;
        // A second handle is not poisoned by the first one's error. But the kernel tells each handle once that data of the
        // file was lost, and that must come through too.
        assert!(!witness.is_poisoned() && !other.is_poisoned());
        assert_eq!(witness.write_at(block(2, 1), offset(1)).await.0.unwrap(), BLOCK);
        assert_eio(&failure(witness.sync_all().await, OpKind::Fsync, &path));
        assert_poisoned(&witness, OpKind::Fsync).await;
        // Nothing of another file was lost.
        assert_eq!(other.write_at(block(4, 1), offset(1)).await.0.unwrap(), BLOCK);
        other.sync_all().await.unwrap();

        // The cure that the message names: reopen, write again.
        let fresh = engine.open(&path, &buffered()).await.unwrap();
        assert_eq!(fresh.write_at(block(2, 0), 0).await.0.unwrap(), BLOCK);
        fresh.sync_data().await.unwrap();
        let disk = engine.open(&path, &direct()).await.unwrap();
        check_blocks(&disk, 2, 1).await;
        drop((victim, witness, other, fresh, disk));
        balance(&engine).await;
    });
}

/// Every operation that changes the file or promises durability is refused with the first error.
async fn assert_poisoned(file: &File, first: OpKind) {
    assert!(file.is_poisoned());
    let path = file.path();
    let refused = [
        failure(file.write_at(block(9, 0), 0).await.0, OpKind::Write, path),
        failure(file.write_vectored_at(vec![block(9, 0)], 0).await.0, OpKind::WriteVectored, path),
        failure(file.set_len(1).await, OpKind::Ftruncate, path),
        failure(file.allocate(0, 0, 1).await, OpKind::Fallocate, path),
        failure(file.sync_data().await, OpKind::Fdatasync, path),
        failure(file.sync_all().await, OpKind::Fsync, path),
    ];
    for error in &refused {
        match Refusal::of(error) {
            Some(Refusal::Poisoned { operation, errno }) => {
                assert_eq!((*operation, *errno), (first, libc::EIO), "{error}")
            }
            _ => panic!("not refused as poisoned: {error:?}"),
        }
    }
}

/// A device that drops writes and reports success: nobody can see that, and nothing breaks.
pub(crate) fn lost_writes(rig: &Rig, kind: Kind) {
    rig.remount();
    let path = rig.file("lost", 1, 4);
    run(async {
        let engine = engine(kind);
        let file = engine.open(&path, &direct()).await.unwrap();
        rig.fault(&["drop-writes"]);
        for index in 0..4 {
            assert_eq!(file.write_at(block(2, index), offset(index)).await.0.unwrap(), BLOCK);
        }
        rig.heal();
        check_blocks(&file, 1, 4).await;
        drop(file);
        balance(&engine).await;
    });
}
