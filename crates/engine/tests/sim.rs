//! The simulated device, seen through the engine: each fault has the effect it stands for, and equal seeds give equal
//! runs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "lab/mod.rs"]
mod lab;

use lab::{balance, block_on, failure, poll_and_drop, refusal, settle, until};
use rustfs_rio_engine::sim::{self, Fault, Faults, Scripted, SimDisk};
use rustfs_rio_engine::{Engine, EngineConfig, File, FileError, OpKind, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};

const PATH: &str = "/file";

fn options() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

async fn start(disk: &SimDisk) -> (Engine, File) {
    let engine = sim::engine(EngineConfig::default(), disk).unwrap();
    let file = engine.open(PATH, &options()).await.unwrap();
    (engine, file)
}

async fn write(file: &File, data: &[u8], offset: u64) {
    assert_eq!(file.write_at(data.to_vec(), offset).await.0.unwrap(), data.len());
}

/// The same fault for each of these steps.
fn script(kind: OpKind, steps: std::ops::Range<u64>, fault: Fault) -> Faults {
    Faults { script: steps.map(|nth| Scripted { kind, nth, fault }).collect(), ..Faults::default() }
}

#[tokio::test]
async fn errors_say_how_far_an_operation_came() {
    let disk = SimDisk::new(1);
    disk.install(PATH, &[7; 1000]);
    let (engine, file) = start(&disk).await;
    let mut faults = Faults::once(OpKind::Read, 0, Fault::Short(300));
    faults.script.push(Scripted { kind: OpKind::Read, nth: 1, fault: Fault::Error(libc::EIO) });
    disk.set_faults(faults);
    let (result, buf) = file.read_at(vec![0; 1000], 0).await;
    let error = failure(result, OpKind::Read, Path::new(PATH));
    assert_eq!(
        (FileError::errno(&error), FileError::of(&error).unwrap().transferred),
        (Some(libc::EIO), 300)
    );
    assert_eq!(buf, [7; 300], "what was read before the error comes back");
    let mut faults = Faults::once(OpKind::Write, 0, Fault::Short(10));
    faults.script.push(Scripted { kind: OpKind::Write, nth: 1, fault: Fault::Error(libc::ENOSPC) });
    disk.set_faults(faults);
    let error = failure(file.write_at(vec![8; 50], 0).await.0, OpKind::Write, Path::new(PATH));
    assert_eq!((error.kind(), FileError::of(&error).unwrap().transferred), (ErrorKind::StorageFull, 10));
    assert_eq!(disk.read_live(PATH).unwrap()[..11], [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7]);
    assert_eq!(engine.stats().failed_ops, 2);
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn interruptions_are_repeated_up_to_a_bound() {
    for errno in [libc::EINTR, libc::EAGAIN] {
        let disk = SimDisk::new(1);
        let (engine, file) = start(&disk).await;
        disk.set_faults(script(OpKind::Write, 0..16, Fault::Error(errno)));
        write(&file, b"content", 0).await;
        disk.set_faults(script(OpKind::Write, 0..17, Fault::Error(errno)));
        let error = failure(file.write_at(vec![1; 3], 0).await.0, OpKind::Write, Path::new(PATH));
        assert_eq!(FileError::errno(&error), Some(errno));
        assert_eq!(disk.read_live(PATH).unwrap(), b"content");
        drop(file);
        balance(&engine).await;
    }
}

#[tokio::test]
async fn transfers_of_a_few_bytes_at_a_time_are_whole() {
    let disk = SimDisk::with_faults(3, Faults { short: 1.0, interrupted: 0.1, ..Faults::default() });
    let (engine, file) = start(&disk).await;
    let data = lab::data::bytes(1, 0, 200_000);
    write(&file, &data, 11).await;
    assert!(disk.steps() > 20, "it took many steps");
    let (result, read) = file.read_at(Vec::with_capacity(300_000), 11).await;
    assert_eq!(result.unwrap(), data.len());
    lab::data::assert_same(&read, &data, "read in small steps");
    let parts = vec![data[..1000].to_vec(), data[1000..50_000].to_vec(), data[50_000..].to_vec()];
    file.write_vectored_at(parts, 0).await.0.unwrap();
    lab::data::assert_same(&disk.read_live(PATH).unwrap()[..data.len()], &data, "written in small steps");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_failed_sync_poisons_the_handle_and_is_not_repeated() {
    for data_only in [true, false] {
        let disk = SimDisk::new(1);
        let (engine, file) = start(&disk).await;
        let other = engine.open(PATH, &options()).await.unwrap();
        write(&file, b"lost", 0).await;
        let kind = if data_only { OpKind::Fdatasync } else { OpKind::Fsync };
        let faults = Faults { lost_at_crash: 1.0, ..Faults::once(kind, 0, Fault::SyncFails) };
        disk.set_faults(faults);
        let sync = |file: File| async move {
            if data_only { file.sync_data().await } else { file.sync_all().await }
        };
        let error = failure(sync(file.clone()).await, kind, Path::new(PATH));
        assert_eq!(FileError::errno(&error), Some(libc::EIO));
        assert!(file.is_poisoned() && file.clone().is_poisoned() && !other.is_poisoned());
        let syncs = disk.syncs();
        let poisoned = |text: String| assert!(text.contains("Poisoned"), "{text}");
        poisoned(refusal(sync(file.clone()).await, kind, Path::new(PATH)));
        poisoned(refusal(file.write_at(vec![1; 3], 0).await.0, OpKind::Write, Path::new(PATH)));
        poisoned(refusal(
            file.write_vectored_at(vec![vec![1]], 0).await.0,
            OpKind::WriteVectored,
            Path::new(PATH),
        ));
        poisoned(refusal(file.set_len(0).await, OpKind::Ftruncate, Path::new(PATH)));
        poisoned(refusal(file.allocate(0, 0, 1).await, OpKind::Fallocate, Path::new(PATH)));
        assert_eq!(disk.syncs(), syncs, "nothing reached the device");
        file.read_at(vec![0; 4], 0).await.0.unwrap();
        // A handle that was open at the time hears of it once, a new one does not.
        assert!(sync(other.clone()).await.is_err() && other.is_poisoned());
        let new = engine.open(PATH, &options()).await.unwrap();
        write(&new, b"kept", 0).await;
        sync(new.clone()).await.unwrap();
        assert_eq!(disk.read_durable(PATH).unwrap(), b"kept");
        drop((file, other, new));
        balance(&engine).await;
    }
}

#[tokio::test]
async fn a_sync_that_fails_unheard_poisons_the_handle() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    write(&file, b"lost", 0).await;
    disk.set_faults(Faults { lost_at_crash: 1.0, ..Faults::once(OpKind::Fdatasync, 0, Fault::SyncFails) });
    assert!(!poll_and_drop(file.sync_data()));
    settle(&engine).await;
    assert_eq!(disk.syncs(), 1);
    // The kernel tells of the failure once. It did, so a second sync would report success.
    refusal(file.sync_data().await, OpKind::Fdatasync, Path::new(PATH));
    assert!(file.is_poisoned());
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn of_overlapping_syncs_none_reports_a_success_that_the_other_denies() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    write(&file, b"lost", 0).await;
    // The first to reach the device fails. The error is then reported, and the next one succeeds.
    disk.set_faults(Faults { lost_at_crash: 1.0, ..Faults::once(OpKind::Fdatasync, 0, Fault::SyncFails) });
    let syncs: Vec<_> = (0..4)
        .map(|_| {
            let file = file.clone();
            tokio::spawn(async move { file.sync_data().await })
        })
        .collect();
    for sync in syncs {
        assert!(sync.await.unwrap().is_err());
    }
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn syncs_that_wait_share_the_next_one() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    write(&file, b"content", 0).await;
    disk.hang();
    let syncs: Vec<_> = (0..10)
        .map(|_| {
            let file = file.clone();
            tokio::spawn(async move { file.sync_data().await })
        })
        .collect();
    until("a sync hangs", || disk.hung() == 1).await;
    disk.release_hung();
    for sync in syncs {
        sync.await.unwrap().unwrap();
    }
    assert_eq!(disk.syncs(), 2, "the first, and one for all that asked while it ran");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_lie_about_durability_is_found_after_a_crash() {
    let disk = SimDisk::with_faults(1, Faults { lost_at_crash: 1.0, ..Faults::default() });
    let (engine, file) = start(&disk).await;
    write(&file, b"old", 0).await;
    file.sync_data().await.unwrap();
    disk.set_faults(Faults { lost_at_crash: 1.0, ..Faults::once(OpKind::Fdatasync, 0, Fault::SyncLies) });
    write(&file, b"new", 0).await;
    file.sync_data().await.unwrap();
    assert_eq!(disk.crash().read_live(PATH).unwrap(), b"old");
    file.sync_data().await.unwrap();
    assert_eq!(disk.crash().read_live(PATH).unwrap(), b"new");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_full_device_takes_what_fits_and_recovers() {
    let disk = SimDisk::with_faults(1, Faults { capacity: Some(8192), ..Faults::default() });
    let (engine, file) = start(&disk).await;
    let error = failure(file.write_at(vec![1; 10_000], 100).await.0, OpKind::Write, Path::new(PATH));
    assert_eq!((error.kind(), FileError::of(&error).unwrap().transferred), (ErrorKind::StorageFull, 8092));
    write(&file, &[2; 8192], 0).await;
    let error = failure(file.allocate(0, 0, 20_000).await, OpKind::Fallocate, Path::new(PATH));
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    file.set_len(4096).await.unwrap();
    write(&file, &[3; 4096], 4096).await;
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn handles_run_out_and_come_back() {
    let disk = SimDisk::with_faults(1, Faults { open_files_max: Some(2), ..Faults::default() });
    let (engine, file) = start(&disk).await;
    let second = engine.open(PATH, &options()).await.unwrap();
    let error = failure(engine.open(PATH, &options()).await, OpKind::Open, Path::new(PATH));
    assert_eq!(FileError::errno(&error), Some(libc::EMFILE));
    write(&file, b"works", 0).await;
    second.close().await.unwrap();
    let third = engine.open(PATH, &options()).await.unwrap();
    drop((file, third));
    balance(&engine).await;
}

#[tokio::test]
async fn a_hung_device_goes_on_where_it_stopped() {
    let disk = SimDisk::new(1);
    disk.install(PATH, &[7; 100]);
    let (engine, file) = start(&disk).await;
    disk.hang();
    let reads: Vec<_> = (0..5)
        .map(|index| {
            let file = file.clone();
            tokio::spawn(async move { file.read_at(vec![0; 20], index * 20).await })
        })
        .collect();
    until("all hang", || disk.hung() == 5).await;
    assert_eq!(engine.stats().in_flight, 5);
    assert!(reads.iter().all(|read| !read.is_finished()));
    disk.release_hung();
    for read in reads {
        assert_eq!(read.await.unwrap().1, [7; 20]);
    }
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn what_was_synced_survives_a_power_cut_at_any_step() {
    for cut in 0..14 {
        let disk = SimDisk::new(cut);
        let (engine, file) = start(&disk).await;
        disk.cut_power_after_steps(cut);
        let mut acknowledged = 0;
        for round in 1..8u8 {
            if file.write_at(vec![round; 2000], 0).await.0.is_err() || file.sync_data().await.is_err() {
                break;
            }
            acknowledged = round;
        }
        assert_eq!(u64::from(acknowledged), cut / 2, "two steps a round");
        for _ in 0..10 {
            let left = disk.crash().read_live(PATH).unwrap();
            assert!(acknowledged == 0 || left.len() == 2000);
            assert!(
                left.iter().all(|byte| (acknowledged..=acknowledged + 1).contains(byte)),
                "cut {cut}: {left:?}"
            );
        }
        drop(file);
        balance(&engine).await;
    }
}

#[tokio::test]
async fn power_can_be_cut_at_a_sync() {
    let disk = SimDisk::with_faults(1, Faults { lost_at_crash: 1.0, ..Faults::default() });
    let (engine, file) = start(&disk).await;
    disk.cut_power_after_syncs(1);
    write(&file, b"one", 0).await;
    file.sync_data().await.unwrap();
    write(&file, b"two", 0).await;
    assert!(file.sync_data().await.is_err());
    assert!(file.read_at(vec![0; 3], 0).await.0.is_err(), "everything fails from there on");
    assert_eq!(disk.crash().read_live(PATH).unwrap(), b"one");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_crash_is_a_new_device_and_leaves_this_one_alone() {
    let disk = SimDisk::new(5);
    disk.create_dir("/dir").unwrap();
    disk.install("/dir/b", b"b");
    let (engine, file) = start(&disk).await;
    write(&file, &[1; 5000], 0).await;
    let left = disk.crash();
    assert_eq!(left.paths(), disk.paths());
    assert_eq!(left.open_handles(), 0);
    left.remove("/dir/b").unwrap();
    assert_eq!(disk.read_live("/dir/b").unwrap(), b"b");
    assert_eq!(disk.read_live(PATH).unwrap(), [1; 5000]);
    let outcomes: std::collections::HashSet<_> =
        (0..50).map(|_| disk.crash().read_live(PATH).unwrap()).collect();
    assert!(outcomes.len() > 5, "each crash is drawn anew");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn names_can_be_changed_beside_the_engine() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    write(&file, b"content", 0).await;
    disk.rename(PATH, "/new").unwrap();
    assert_eq!(disk.paths(), [Path::new("/new")]);
    assert_eq!(disk.rename(PATH, "/x").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.rename("/new", "/missing/x").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.create_dir("/missing/x").unwrap_err().kind(), ErrorKind::NotFound);
    disk.create_dir("/dir").unwrap();
    assert_eq!(disk.create_dir("/dir").unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.rename("/new", "/dir").unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(disk.remove("/dir").unwrap_err().kind(), ErrorKind::IsADirectory);
    disk.remove("/new").unwrap();
    // An open handle keeps a file without a name.
    assert_eq!(file.read_at(vec![0; 7], 0).await.1, b"content");
    assert_eq!(file.stat().await.unwrap().links, 0);
    assert!(disk.paths().is_empty() && disk.read_live("/new").is_none());
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_device_outlives_and_is_shared_by_engines() {
    let disk = SimDisk::new(1);
    let (one, file) = start(&disk).await;
    write(&file, b"from one", 0).await;
    let (two, same) = start(&disk).await;
    assert_eq!(same.read_at(vec![0; 8], 0).await.1, b"from one");
    drop(file);
    balance(&one).await;
    assert_eq!(same.read_at(vec![0; 8], 0).await.1, b"from one");
    drop(same);
    balance(&two).await;
    assert_eq!(disk.open_handles(), 0);
}

/// The order in which operations of several tasks end.
fn order_of_ends(seed: u64) -> Vec<usize> {
    lab::runtime(0).block_on(async {
        let disk = SimDisk::with_faults(seed, Faults { latency_max: 50, ..Faults::default() });
        disk.install(PATH, &[7; 4096]);
        let (engine, file) = start(&disk).await;
        let ends = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..20)
            .map(|index| {
                let (file, ends) = (file.clone(), Arc::clone(&ends));
                tokio::spawn(async move {
                    file.read_at(vec![0; 10], index as u64).await.0.unwrap();
                    ends.lock().unwrap().push(index);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(file);
        balance(&engine).await;
        std::mem::take(&mut *ends.lock().unwrap())
    })
}

#[test]
fn latency_reorders_and_the_seed_decides_how() {
    let order = order_of_ends(1);
    assert_eq!(order, order_of_ends(1));
    assert_ne!(order, order_of_ends(2));
    assert_ne!(order, (0..20).collect::<Vec<_>>());
}

#[test]
fn an_engine_goes_on_when_its_runtime_is_gone() {
    let disk = SimDisk::new(1);
    let runtime = lab::runtime(0);
    let (engine, file) = runtime.block_on(start(&disk));
    let pending = file.write_at(b"pending".to_vec(), 0);
    drop(runtime);
    block_on(async {
        pending.await.0.unwrap();
        write(&file, b"later", 10).await;
        file.sync_all().await.unwrap();
        assert_eq!(file.read_at(vec![0; 15], 0).await.1, b"pending\0\0\0later");
    });
    drop(file);
    assert_eq!(disk.open_handles(), 0);
    drop(engine);
}

#[tokio::test]
async fn a_durable_write_survives_a_crash_once_it_returned() {
    let disk = SimDisk::with_faults(1, Faults { lost_at_crash: 1.0, short: 0.5, ..Faults::default() });
    let (engine, file) = start(&disk).await;
    let syncs = disk.syncs();
    let (result, back) = file.write_durable_at(vec![7; 10_000], 3).await;
    assert_eq!((result.unwrap(), back.len(), disk.syncs()), (10_000, 10_000, syncs + 1));
    assert_eq!(disk.read_durable(PATH).unwrap()[3..], [7; 10_000]);
    // Whoever asked before it shares nothing with it; whoever asks later gets a sync of his own.
    write(&file, b"later", 0).await;
    file.sync_data().await.unwrap();
    assert_eq!(disk.syncs(), syncs + 2);
    assert_eq!(disk.read_durable(PATH).unwrap()[..5], *b"later");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_durable_write_whose_sync_fails_poisons_the_handle() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    disk.set_faults(Faults { lost_at_crash: 1.0, ..Faults::once(OpKind::Fdatasync, 0, Fault::SyncFails) });
    let (result, back) = file.write_durable_at(vec![7; 100], 0).await;
    let error = failure(result, OpKind::Fdatasync, Path::new(PATH));
    assert_eq!((FileError::errno(&error), back.len()), (Some(libc::EIO), 100));
    assert!(file.is_poisoned());
    refusal(file.write_durable_at(vec![7; 100], 0).await.0, OpKind::Write, Path::new(PATH));
    assert_eq!(disk.syncs(), 1, "it is not repeated");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn a_durable_write_that_fails_is_not_synced() {
    let disk = SimDisk::new(1);
    let (engine, file) = start(&disk).await;
    disk.set_faults(script(OpKind::Write, 0..1, Fault::Error(libc::ENOSPC)));
    let error = failure(file.write_durable_at(vec![7; 100], 0).await.0, OpKind::Write, Path::new(PATH));
    assert_eq!((error.kind(), disk.syncs()), (ErrorKind::StorageFull, 0));
    assert!(!file.is_poisoned(), "a write that was refused lost nothing");
    drop(file);
    balance(&engine).await;
}

#[tokio::test]
async fn too_many_that_wait_are_refused_and_the_queue_serves_again_afterwards() {
    let disk = SimDisk::new(3);
    disk.install(PATH, &[7; 4096]);
    let config = EngineConfig { max_concurrent_ops: 1, max_waiting_ops: 2, ..EngineConfig::default() };
    let engine = sim::engine(config, &disk).unwrap();
    let file = engine.open(PATH, &options()).await.unwrap();
    disk.set_faults(Faults::once(OpKind::Read, 0, Fault::Hang));
    let read = |file: File| async move { file.read_at(vec![0; 16], 0).await.0 };
    let running: Vec<_> = (0..3).map(|_| tokio::spawn(read(file.clone()))).collect();
    until("two wait", || engine.stats().waiting_ops == 2).await;
    let refused = read(file.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
    assert!(refused.to_string().contains("2 operations already wait"), "{refused}");
    assert_eq!(engine.stats().shed_ops, 1);
    disk.release_hung();
    for task in running {
        task.await.unwrap().unwrap();
    }
    assert_eq!(read(file.clone()).await.unwrap(), 16, "there is room again");
    assert_eq!(engine.stats().waiting_ops, 0);
    drop(file);
    settle(&engine).await;
    balance(&engine).await;
}

#[tokio::test]
async fn a_poisoned_file_is_counted_once() {
    let disk = SimDisk::new(4);
    let (engine, file) = start(&disk).await;
    write(&file, b"data", 0).await;
    disk.set_faults(script(OpKind::Fdatasync, 0..2, Fault::SyncFails));
    file.sync_data().await.unwrap_err();
    file.sync_data().await.unwrap_err();
    assert_eq!(engine.stats().poisoned_files, 1);
}
