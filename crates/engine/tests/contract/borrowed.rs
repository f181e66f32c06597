//! Transfers with borrowed slices.

use super::direct::open_direct;
use super::transfer::open;
use crate::lab::data::{assert_same, bytes};
use crate::lab::{Lab, failure, refusal};
use rustfs_rio_engine::{FileError, OpKind, OpenOptions, Refusal};

pub(crate) async fn slices_are_transferred(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    for (offset, len) in [(0, 1), (100, 5000), (4095, 2), (1, 70_000)] {
        let data = bytes(offset, offset, len);
        assert_eq!(file.write_slice_at(&data, offset).await.unwrap(), len);
        assert_same(&lab.content(&path)[offset as usize..][..len], &data, "written");
        let mut read = vec![0; len];
        assert_eq!(file.read_slice_at(&mut read, offset).await.unwrap(), len);
        assert_same(&read, &data, "read");
    }
    assert_eq!(file.write_slice_at(&[], 5).await.unwrap(), 0);
    assert_eq!(file.read_slice_at(&mut [], 5).await.unwrap(), 0);
}

pub(crate) async fn slices_end_with_the_file(lab: &Lab) {
    let file = open(lab, &lab.install("file", b"0123456789")).await;
    let mut room = [b'.'; 8];
    assert_eq!(file.read_slice_at(&mut room, 7).await.unwrap(), 3);
    assert_eq!(&room, b"789.....", "what is not read stays as it was");
    assert_eq!(file.read_slice_at(&mut room, 10).await.unwrap(), 0);
    assert_eq!(file.read_slice_at(&mut room, 1 << 40).await.unwrap(), 0);
}

pub(crate) async fn large_slices(lab: &Lab) {
    const LEN: usize = (3 << 20) + 5;
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let data = bytes(1, 0, LEN);
    assert_eq!(file.write_slice_at(&data, 3).await.unwrap(), LEN);
    assert_same(&lab.content(&path)[3..], &data, "written");
    let mut read = vec![0; LEN + 100];
    assert_eq!(file.read_slice_at(&mut read, 3).await.unwrap(), LEN);
    assert_same(&read[..LEN], &data, "read");
}

pub(crate) async fn immediate_transfers_are_honest(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let data = bytes(1, 0, 600_000);
    file.write_at(data.clone(), 0).await.0.unwrap();
    let mut room = vec![0; 600_000];
    // Whether it can be had at once is up to the backend and the file system; what is returned must be right.
    if let Some(result) = file.try_read_at(&mut room, 100) {
        let count = result.unwrap();
        assert!((1..=256 * 1024).contains(&count), "{count}");
        assert_same(&room[..count], &data[100..100 + count], "read at once");
    }
    if let Some(result) = file.try_write_at(&[9; 50], 200) {
        let count = result.unwrap();
        assert_same(&lab.content(&path)[200..200 + count], &[9; 50][..count], "written at once");
    }
    assert_eq!(file.try_read_at(&mut [], 0).unwrap().unwrap(), 0);
    if let Some(result) = file.try_read_at(&mut room, 600_000) {
        assert_eq!(result.unwrap(), 0, "the end of the file");
    }
}

pub(crate) async fn slices_of_direct_files(lab: &Lab) {
    let data = bytes(1, 0, 20_000);
    let path = lab.install("file", &data);
    let options = OpenOptions::new().read(true).write(true);
    let Some(file) = open_direct(lab, &path, &options).await else { return };
    let mut room = vec![0; 10_000];
    assert_eq!(file.read_slice_at(&mut room, 777).await.unwrap(), 10_000);
    assert_same(&room, &data[777..10_777], "an unaligned range");
    assert_eq!(file.read_slice_at(&mut room, 15_000).await.unwrap(), 5000);
    file.write_slice_at(&[7; 8192], 4096).await.unwrap();
    assert_same(&lab.content(&path)[4096..12_288], &[7; 8192], "aligned, from memory that may not be");
    if file.direct_alignment() > Some(1) {
        let error = file.write_slice_at(&[8; 100], 3).await.unwrap_err();
        assert!(matches!(Refusal::of(&error), Some(Refusal::Misaligned { .. })), "{error}");
    }
}

pub(crate) async fn refused_slices(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = lab.engine.open(&path, &OpenOptions::new().read(true)).await.unwrap();
    refusal(file.write_slice_at(b"x", 0).await, OpKind::Write, &path);
    let mut room = [0; 10];
    let text = refusal(file.read_slice_at(&mut room, u64::MAX - 3).await, OpKind::Read, &path);
    assert!(text.contains("OffsetOverflow"), "{text}");
    let error = failure(file.try_write_at(b"x", 0).unwrap(), OpKind::Write, &path);
    assert_eq!(FileError::of(&error).unwrap().transferred, 0);
}
