//! Size, attributes, allocation, advice, syncs.

use super::transfer::{open, read};
use crate::lab::data::bytes;
use crate::lab::{Lab, failure, refusal};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{Advice, DirectMode, OpKind, OpenOptions, UnalignedWrites};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

const KEEP_SIZE: i32 = 0x01;
const PUNCH_HOLE: i32 = 0x02;
/// A bit without a meaning on any kernel so far.
const UNKNOWN_MODE: i32 = 0x4000;

pub(crate) async fn the_size_can_be_set(lab: &Lab) {
    let path = lab.install("file", &[7; 10_000]);
    let file = open(lab, &path).await;
    file.set_len(5001).await.unwrap();
    assert_eq!(lab.content(&path), [7; 5001]);
    file.set_len(9000).await.unwrap();
    assert_eq!(
        lab.content(&path),
        [vec![7; 5001], vec![0; 3999]].concat(),
        "what was cut off does not come back"
    );
    file.set_len(0).await.unwrap();
    assert_eq!(lab.content(&path), b"");
    file.set_len(1 << 30).await.unwrap();
    assert_eq!(file.stat().await.unwrap().size, 1 << 30);
    assert_eq!(read(&file, (1 << 30) - 10, 100).await, [0; 10]);
}

pub(crate) async fn attributes_are_those_of_the_file(lab: &Lab) {
    let path = lab.install("file", &bytes(1, 0, 12_345));
    let file = open(lab, &path).await;
    let stat = file.stat().await.unwrap();
    assert_eq!((stat.size, stat.links), (12_345, 1));
    assert!(stat.is_file() && !stat.is_dir());
    assert!(stat.allocated >= 4096 || stat.allocated == 0, "{stat:?}");
    if !lab.is_sim() {
        let expected = std::fs::metadata(&path).unwrap();
        assert_eq!(stat.inode, expected.ino());
        assert_eq!(stat.mode, expected.mode());
        assert_eq!(u64::from(stat.block_size), expected.blksize());
        assert_eq!(stat.modified, expected.modified().unwrap());
        assert_eq!(libc::makedev(stat.device.0, stat.device.1), expected.dev());
        std::fs::hard_link(&path, lab.path("link")).unwrap();
        assert_eq!(file.stat().await.unwrap().links, 2);
    }
    file.write_at(vec![1], 20_000).await.0.unwrap();
    let later = file.stat().await.unwrap();
    assert_eq!(later.size, 20_001);
    assert!(later.modified >= stat.modified);
}

pub(crate) async fn space_can_be_allocated(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    match file.allocate(0, 0, 100_000).await {
        Ok(()) => assert_eq!(file.stat().await.unwrap().size, 100_000),
        error => assert_eq!(failure(error, OpKind::Fallocate, &path).kind(), ErrorKind::Unsupported),
    }
    match file.allocate(KEEP_SIZE, 0, 1 << 20).await {
        Ok(()) => assert!(file.stat().await.unwrap().size <= 100_000),
        error => assert_eq!(failure(error, OpKind::Fallocate, &path).kind(), ErrorKind::Unsupported),
    }
    assert_eq!(&lab.content(&path)[..7], b"content");
    let error = failure(file.allocate(0, 0, 0).await, OpKind::Fallocate, &path);
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(crate) async fn holes_can_be_punched(lab: &Lab) {
    let path = lab.install("file", &[7; 20_000]);
    let file = open(lab, &path).await;
    match file.allocate(PUNCH_HOLE | KEEP_SIZE, 5000, 10_000).await {
        Ok(()) => {
            let expected = [vec![7; 5000], vec![0; 10_000], vec![7; 5000]].concat();
            assert!(lab.content(&path) == expected && read(&file, 0, 20_000).await == expected);
        }
        error => assert_eq!(failure(error, OpKind::Fallocate, &path).kind(), ErrorKind::Unsupported),
    }
}

pub(crate) async fn unsupported_allocation_is_said(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    let error = failure(file.allocate(UNKNOWN_MODE, 0, 4096).await, OpKind::Fallocate, &path);
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn advice_is_taken(lab: &Lab) {
    let path = lab.install("file", &[7; 20_000]);
    let file = open(lab, &path).await;
    let all = [
        Advice::Normal,
        Advice::Random,
        Advice::Sequential,
        Advice::WillNeed,
        Advice::DontNeed,
        Advice::NoReuse,
    ];
    for advice in all {
        file.advise(0, 0, advice).await.unwrap();
        file.advise(4096, 4096, advice).await.unwrap();
        // Longer than the ring's opcode can say.
        file.advise(0, 1 << 40, advice).await.unwrap();
    }
    assert_eq!(read(&file, 0, 30_000).await, [7; 20_000]);
}

pub(crate) async fn files_can_be_synced(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    file.write_at(b"content".to_vec(), 0).await.0.unwrap();
    file.sync_data().await.unwrap();
    file.write_at(b"CONTENT".to_vec(), 0).await.0.unwrap();
    file.sync_all().await.unwrap();
    if lab.is_sim() {
        assert_eq!(lab.disk.read_durable(&path).unwrap(), b"CONTENT");
    }
    // Syncing needs no write access.
    let file = lab.engine.open(&path, &OpenOptions::new().read(true)).await.unwrap();
    file.sync_all().await.unwrap();
    file.sync_data().await.unwrap();
}

pub(crate) async fn durable_writes(lab: &Lab) {
    let path = lab.path("file");
    let options = OpenOptions::new().read(true).write(true).create(true);
    let file = lab.engine.open(&path, &options).await.unwrap();
    let (result, back) = file.write_durable_at(vec![3; 70_000], 10).await;
    assert_eq!((result.unwrap(), back.len()), (70_000, 70_000));
    assert_eq!(file.write_durable_at(Vec::new(), 1 << 40).await.0.unwrap(), 0);
    let mut writes = tokio::task::JoinSet::new();
    for part in 0..20u8 {
        let file = file.clone();
        writes.spawn(async move { file.write_durable_at(vec![part; 100], u64::from(part) * 100).await.0 });
    }
    while let Some(result) = writes.join_next().await {
        assert_eq!(result.unwrap().unwrap(), 100);
    }
    let mut expected: Vec<u8> = (0..20u8).flat_map(|part| [part; 100]).collect();
    expected.resize(70_010, 3);
    assert!(lab.content(&path) == expected);
    let reading = lab.engine.open(&path, &OpenOptions::new().read(true)).await.unwrap();
    refusal(reading.write_durable_at(vec![1], 0).await.0, OpKind::Write, &path);
    // Direct files, on ranges that are aligned and on ones that are not.
    let options = options.direct(DirectMode::Auto).unaligned_writes(UnalignedWrites::ReadModifyWrite);
    let direct = lab.engine.open(&path, &options).await.unwrap();
    direct.write_durable_at(AlignedBuf::copy_from(&[4; 8192]).unwrap(), 4096).await.0.unwrap();
    direct.write_durable_at(vec![5; 7], 4090).await.0.unwrap();
    expected[4096..12_288].fill(4);
    expected[4090..4097].fill(5);
    assert!(lab.content(&path) == expected);
}
