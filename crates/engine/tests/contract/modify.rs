//! Unaligned direct writes by read-modify-write.

use super::direct::open_direct;
use crate::lab::data::{assert_same, bytes};
use crate::lab::{Lab, failure};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::sim::Rng;
use rustfs_rio_engine::{DirectMode, File, OpKind, OpenOptions, UnalignedWrites};
use std::io::ErrorKind;

async fn open(lab: &Lab, initial: &[u8]) -> Option<File> {
    let path = lab.install("file", initial);
    let options = OpenOptions::new().read(true).write(true);
    open_direct(lab, &path, &options.unaligned_writes(UnalignedWrites::ReadModifyWrite)).await
}

/// Writes through the engine and into the model.
async fn write(file: &File, model: &mut Vec<u8>, stream: u64, offset: usize, len: usize) {
    let data = bytes(stream, offset as u64, len);
    let (result, back) = file.write_at(data.clone(), offset as u64).await;
    assert_eq!((result.unwrap(), back.len()), (len, len));
    if model.len() < offset + len {
        model.resize(offset + len, 0);
    }
    model[offset..offset + len].copy_from_slice(&data);
}

pub(crate) async fn unaligned_writes_change_their_range_only(lab: &Lab) {
    let mut model = bytes(1, 0, 40_000);
    let Some(file) = open(lab, &model).await else { return };
    let mut rng = Rng::new(7);
    for stream in 0..60 {
        let offset = rng.range(0, 30_000);
        let len = rng.range(1, 9000);
        write(&file, &mut model, stream, offset, len).await;
        assert_same(&lab.content(file.path()), &model, &format!("after {len} bytes at {offset}"));
    }
}

pub(crate) async fn unaligned_writes_around_the_end(lab: &Lab) {
    let mut model = bytes(1, 0, 1000);
    let Some(file) = open(lab, &model).await else { return };
    // Inside, over the end, at the end, with a hole, up to a block's end, and in the last block again.
    let ranges =
        [(990, 5), (990, 20), (1010, 1), (9000, 10), (9010, 206), (9216, 4096), (13_000, 300), (5, 1)];
    for (stream, (offset, len)) in ranges.into_iter().enumerate() {
        write(&file, &mut model, stream as u64, offset, len).await;
        assert_same(&lab.content(file.path()), &model, &format!("after {len} bytes at {offset}"));
        assert_eq!(file.stat().await.unwrap().size, model.len() as u64);
    }
}

pub(crate) async fn concurrent_neighbours(lab: &Lab) {
    const TASKS: usize = 24;
    const LEN: usize = 131;
    let Some(file) = open(lab, &[0; TASKS * LEN]).await else { return };
    let task = |index: usize| {
        let file = file.clone();
        async move {
            let offset = (index * LEN) as u64;
            for round in 0..4 {
                let data = bytes(round, offset, LEN);
                file.write_at(data.clone(), offset).await.0.unwrap();
                let (result, read) = file.read_at(Vec::with_capacity(LEN), offset).await;
                assert_eq!(result.unwrap(), LEN);
                assert_same(&read, &data, "a range beside others in the same block");
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|index| tokio::spawn(task(index))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_same(&lab.content(file.path()), &bytes(3, 0, TASKS * LEN), "all ranges");
}

pub(crate) async fn neighbours_of_aligned_writes(lab: &Lab) {
    let Some(file) = open(lab, &[0; 16 * 4096]).await else { return };
    let aligned = |index: u64| {
        let file = file.clone();
        async move {
            let data = bytes(index, index * 8192, 4096);
            file.write_at(AlignedBuf::copy_from(&data).unwrap(), index * 8192).await.0.unwrap();
        }
    };
    let unaligned = |index: u64| {
        let file = file.clone();
        async move {
            let offset = index * 8192 + 4096;
            // Ends one byte before the next aligned write, inside a block of its own.
            file.write_at(bytes(index, offset, 4095), offset).await.0.unwrap();
        }
    };
    let mut tasks = Vec::new();
    for index in 0..8 {
        tasks.push(tokio::spawn(aligned(index)));
        tasks.push(tokio::spawn(unaligned(index)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = lab.content(file.path());
    for index in 0..8u64 {
        let offset = index * 8192;
        assert_same(&all[offset as usize..][..8191], &bytes(index, offset, 8191), "both neighbours");
        assert_eq!(all[offset as usize + 8191], 0);
    }
}

pub(crate) async fn large_unaligned_writes(lab: &Lab) {
    const LEN: usize = (3 << 20) + 99;
    let mut model = bytes(1, 0, 10_000);
    let Some(file) = open(lab, &model).await else { return };
    write(&file, &mut model, 2, 4099, LEN).await;
    assert_same(&lab.content(file.path()), &model, "a large unaligned write");
}

pub(crate) async fn appending_is_not_modifying(lab: &Lab) {
    let path = lab.install("file", &bytes(1, 0, 8192));
    let options = OpenOptions::new().append(true).read(true).direct(DirectMode::Auto);
    let options = options.unaligned_writes(UnalignedWrites::ReadModifyWrite);
    // A block that was read back would be appended as a whole. Either the combination is refused, or an append appends.
    match lab.engine.open(&path, &options).await {
        Ok(file) => {
            file.write_at(b"appended".to_vec(), 0).await.0.unwrap();
            let expected = [bytes(1, 0, 8192), b"appended".to_vec()].concat();
            assert_same(&lab.content(&path), &expected, "an append");
        }
        error => assert_eq!(failure(error, OpKind::Open, &path).kind(), ErrorKind::InvalidInput),
    }
}
