//! A device that answers no more, and one day does.

use crate::failing::check_blocks;
use crate::lab::{Kind, balance, data};
use crate::rig::{BLOCK, PATIENCE, Rig, block, buffered, direct, empty, engine, install, offset, run};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{Engine, File, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const READS: usize = 6;
/// The block that the write in flight is for.
const WRITTEN: usize = READS;
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Operations in flight on a hung device: shutdown is bounded and says what it left, the memory is leaked and not freed,
/// other devices go on, and the kernel finishes later without harm.
pub(crate) fn hung_device(rig: &Rig, kind: Kind) {
    let path = rig.file(&format!("hung-{kind:?}"), 1, READS + 1);
    let elsewhere = tempfile::tempdir().unwrap();
    let healthy = install(&elsewhere.path().join("healthy"), 3, 8);
    run(async {
        let stuck = engine(kind);
        let file = stuck.open(&path, &direct()).await.unwrap();
        check_blocks(&file, 1, READS).await;
        rig.fault(&["hang"]);
        let tasks = start(&stuck, &file, READS + 1).await;
        // Nobody waits for this one any more; the kernel does not know that.
        tasks[0].abort();
        assert_healthy(&stuck, &healthy).await;
        let other = engine(kind);
        assert_healthy(&other, &healthy).await;
        assert_eq!(stuck.stats().in_flight, READS as u64 + 1, "the device answered in between");

        let start = Instant::now();
        let report = stuck.shutdown(SHUTDOWN).await;
        let took = start.elapsed();
        assert_eq!(report.operations_left, READS + 1, "{report:?}");
        assert_eq!(report.threads_left, if kind == Kind::Blocking { READS + 1 } else { 0 }, "{report:?}");
        assert!(
            took >= SHUTDOWN && took < PATIENCE / 2,
            "a shutdown with a bound of {SHUTDOWN:?} took {took:?}"
        );
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled(), "a result came from nowhere");
        }
        drop((file, stuck));

        // Whatever was freed by mistake is given out again here, before the kernel writes to it or reads from it.
        let churn = churn();
        rig.heal();
        let again = other.open(&path, &direct()).await.unwrap();
        // The device serves in order, so after this the kernel has finished with what it held back.
        check_blocks(&again, 1, READS).await;
        rig.settle();
        for (index, buffer) in churn.iter().enumerate() {
            data::assert_same(buffer, &block(7, index % 16), "memory that belongs to somebody else by now");
        }
        let (result, written) = again.read_at(empty(), offset(WRITTEN)).await;
        assert_eq!(result.unwrap(), BLOCK);
        data::assert_same(&written, &block(2, WRITTEN), "the write that was in flight");
        drop(again);
        balance(&other).await;
    });
}

/// Sends reads of the first blocks and a write of the one after them on their way, and waits until the engine has them all.
async fn start(engine: &Engine, file: &File, count: usize) -> Vec<JoinHandle<()>> {
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for index in 0..READS {
        let file = file.clone();
        tasks.push(tokio::spawn(async move { drop(file.read_at(empty(), offset(index)).await) }));
    }
    let file = file.clone();
    tasks.push(tokio::spawn(async move { drop(file.write_at(block(2, WRITTEN), offset(WRITTEN)).await) }));
    let deadline = Instant::now() + PATIENCE;
    while engine.stats().in_flight < count as u64 {
        assert!(Instant::now() < deadline, "{:?}", engine.stats());
        tokio::task::yield_now().await;
    }
    tasks
}

/// Reads and writes on a device that works, cached and direct.
async fn assert_healthy(engine: &Engine, path: &Path) {
    let work = async {
        for options in [direct(), buffered()] {
            assert_round_trip(engine, path, &options).await;
        }
    };
    tokio::time::timeout(PATIENCE, work).await.expect("a healthy device is held up by the hung one");
}

async fn assert_round_trip(engine: &Engine, path: &Path, options: &OpenOptions) {
    let file = engine.open(path, options).await.unwrap();
    check_blocks(&file, 3, 8).await;
    for index in 0..8 {
        assert_eq!(file.write_at(block(3, index), offset(index)).await.0.unwrap(), BLOCK);
    }
    file.sync_data().await.unwrap();
    file.close().await.unwrap();
}

/// Blocks of the size that the operations in flight use, more of them than those could have given back.
fn churn() -> Vec<AlignedBuf> {
    (0..4096).map(|index| block(7, index % 16)).collect()
}
