//! Reads and writes of one buffer.

use crate::lab::data::{assert_same, bytes};
use crate::lab::{Lab, poll_and_drop, settle};
use bytes::{Bytes, BytesMut};
use rustfs_rio_engine::buf::{AlignedBuf, IoBuf, IoBufMut, Slice};
use rustfs_rio_engine::{File, OpenOptions};
use std::path::Path;
use tokio::runtime::{Handle, RuntimeFlavor};

pub(crate) async fn open(lab: &Lab, path: &Path) -> File {
    lab.engine.open(path, &OpenOptions::new().read(true).write(true).create(true)).await.unwrap()
}

pub(crate) async fn read(file: &File, offset: u64, len: usize) -> Vec<u8> {
    let (result, buf) = file.read_at(Vec::with_capacity(len), offset).await;
    assert_eq!(result.unwrap(), buf.len());
    buf
}

pub(crate) async fn whole_ranges_are_transferred(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    for (offset, len) in [(0, 1), (1, 4095), (4096, 4096), (8191, 100_003), (3, 5), (200_000, 65_536)] {
        let data = bytes(offset, offset, len);
        let (result, back) = file.write_at(data.clone(), offset).await;
        assert_eq!(result.unwrap(), len);
        assert_same(&back, &data, "the buffer that came back");
        assert_same(&read(&file, offset, len).await, &data, "read through the engine");
        let all = lab.content(&path);
        assert_same(&all[offset as usize..offset as usize + len], &data, "read without the engine");
    }
    assert_eq!(lab.content(&path).len(), 265_536);
}

pub(crate) async fn a_read_is_short_only_at_the_end(lab: &Lab) {
    let data = bytes(1, 0, 10_001);
    let file = open(lab, &lab.install("file", &data)).await;
    for (offset, len) in [(0, 10_001), (0, 10_002), (10_000, 5), (1, 20_000), (4096, 1 << 20)] {
        let want = &data[offset..data.len().min(offset + len)];
        let (result, buf) = file.read_at(vec![0xdd; len], offset as u64).await;
        assert_eq!(result.unwrap(), want.len());
        // The length tells what was read, also for a buffer that was longer before.
        assert_same(&buf, want, "up to the end of the file");
    }
}

pub(crate) async fn reads_beyond_the_end_give_nothing(lab: &Lab) {
    let file = open(lab, &lab.install("file", b"short")).await;
    for offset in [5, 6, 4096, 1 << 40, i64::MAX as u64 - 100] {
        let (result, buf) = file.read_at(vec![1u8; 100], offset).await;
        assert_eq!((result.unwrap(), buf.len()), (0, 0), "offset {offset}");
    }
}

pub(crate) async fn nothing_is_transferred_by_empty_buffers(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    for offset in [0, 3, 7, 1 << 40, i64::MAX as u64] {
        assert_eq!(file.read_at(Vec::new(), offset).await.0.unwrap(), 0);
        assert_eq!(file.write_at(Vec::new(), offset).await.0.unwrap(), 0);
    }
    // Room without content writes nothing either.
    assert_eq!(file.write_at(Vec::with_capacity(100), 0).await.0.unwrap(), 0);
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn a_write_beyond_the_end_leaves_a_hole(lab: &Lab) {
    let path = lab.install("file", b"start");
    let file = open(lab, &path).await;
    file.write_at(b"end".to_vec(), 1_000_000).await.0.unwrap();
    let all = lab.content(&path);
    assert_eq!((all.len(), &all[..5], &all[1_000_000..]), (1_000_003, &b"start"[..], &b"end"[..]));
    assert!(all[5..1_000_000].iter().all(|byte| *byte == 0));
    assert!(read(&file, 5, 999_995).await.iter().all(|byte| *byte == 0));
}

pub(crate) async fn large_transfers(lab: &Lab) {
    const LEN: usize = (5 << 20) + 17;
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let data = bytes(3, 0, LEN);
    assert_eq!(file.write_at(data.clone(), 123).await.0.unwrap(), LEN);
    assert_same(&lab.content(&path)[123..], &data, "written");
    assert_same(&read(&file, 123, LEN).await, &data, "read");
}

async fn round_trip<W: IoBuf, R: IoBufMut>(file: &File, from: W, into: R) {
    let expected = from.as_slice().to_vec();
    let address = from.stable_ptr();
    let (result, from) = file.write_at(from, 7).await;
    assert_eq!(result.unwrap(), expected.len());
    assert_eq!(from.stable_ptr(), address, "the same memory comes back");
    let (result, into) = file.read_at(into, 7).await;
    assert_eq!(result.unwrap(), expected.len());
    assert_same(&into.as_slice()[..expected.len()], &expected, std::any::type_name::<R>());
}

pub(crate) async fn every_kind_of_buffer(lab: &Lab) {
    static FIXED: [u8; 5000] = [0xa5; 5000];
    let file = open(lab, &lab.path("file")).await;
    let data = |stream| bytes(stream, 0, 5000);
    round_trip(&file, data(1), Vec::with_capacity(5000)).await;
    round_trip(&file, data(2).into_boxed_slice(), vec![0; 5000].into_boxed_slice()).await;
    round_trip(&file, Bytes::from(data(3)), BytesMut::with_capacity(5000)).await;
    round_trip(&file, BytesMut::from(&data(4)[..]), BytesMut::zeroed(5000)).await;
    round_trip(&file, AlignedBuf::copy_from(&data(5)).unwrap(), AlignedBuf::with_alignment(5000, 8).unwrap())
        .await;
    round_trip(&file, &FIXED[..], Vec::with_capacity(5000)).await;
}

pub(crate) async fn a_slice_of_a_buffer(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let (result, slice) = file.write_at(Slice::of_init(b"0123456789".to_vec(), 2, 6), 0).await;
    assert_eq!(result.unwrap(), 4);
    assert_eq!((slice.into_inner(), lab.content(&path)), (b"0123456789".to_vec(), b"2345".to_vec()));
    let (result, slice) = file.read_at(Slice::of_capacity(b"abcdefghij".to_vec(), 3, 6), 1).await;
    assert_eq!(result.unwrap(), 3);
    assert_eq!(slice.into_inner(), b"abc345ghij");
}

pub(crate) async fn concurrent_operations_on_one_file(lab: &Lab) {
    const TASKS: u64 = 32;
    const LEN: usize = 3001;
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let task = |index: u64| {
        let file = file.clone();
        async move {
            let offset = index * LEN as u64;
            for round in 0..10 {
                let data = bytes(index * 100 + round, offset, LEN);
                assert_eq!(file.write_at(data.clone(), offset).await.0.unwrap(), LEN);
                assert_same(&read(&file, offset, LEN).await, &data, "a task's own range");
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|index| tokio::spawn(task(index))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let expected: Vec<u8> =
        (0..TASKS).flat_map(|index| bytes(index * 100 + 9, index * LEN as u64, LEN)).collect();
    assert_same(&lab.content(&path), &expected, "all ranges");
}

pub(crate) async fn more_operations_than_may_run(lab: &Lab) {
    let data = bytes(1, 0, 64 * 512);
    let file = open(lab, &lab.install("file", &data)).await;
    for limit in [1, 3] {
        lab.engine.set_max_concurrent_ops(limit);
        let tasks: Vec<_> = (0..64)
            .map(|index| {
                let file = file.clone();
                // Statx goes through the table on every backend.
                tokio::spawn(async move {
                    file.stat().await.unwrap();
                    read(&file, index * 512, 512).await
                })
            })
            .collect();
        for (index, task) in tasks.into_iter().enumerate() {
            assert_same(&task.await.unwrap(), &data[index * 512..][..512], "a read that had to wait");
        }
    }
}

pub(crate) async fn dropped_futures_give_up_results_only(lab: &Lab) {
    let data = bytes(1, 0, 100 * 512);
    let file = open(lab, &lab.install("file", &data)).await;
    for index in 0..100u64 {
        poll_and_drop(file.read_at(vec![0; 700], index * 512));
        poll_and_drop(file.stat());
        poll_and_drop(file.read_vectored_at(vec![vec![0; 10], vec![0; 90]], index));
        let here = read(&file, index * 512, 512).await;
        assert_same(&here, &data[index as usize * 512..][..512], "a read among abandoned ones");
    }
    settle(&lab.engine).await;
    // Elsewhere the device may be quick enough to answer before the first poll.
    let on_this_thread = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
    if lab.is_sim() && on_this_thread {
        assert_eq!(lab.engine.stats().reclaimed, 300);
    }
}

pub(crate) async fn interrupted_writes_are_whole_or_absent(lab: &Lab) {
    let path = lab.install("file", &[0xee; 50 * 600]);
    let file = open(lab, &path).await;
    for index in 0..50u64 {
        poll_and_drop(file.write_at(bytes(1, index * 600, 600), index * 600));
    }
    settle(&lab.engine).await;
    let all = lab.content(&path);
    assert_eq!(all.len(), 50 * 600);
    for (index, block) in all.chunks(600).enumerate() {
        let written = bytes(1, index as u64 * 600, 600);
        assert!(block == written || block.iter().all(|byte| *byte == 0xee), "block {index} is half written");
    }
}
