//! Opening, creating, appending, closing.

use super::transfer::{open, read};
use crate::lab::data::bytes;
use crate::lab::{Lab, failure, poll_and_drop, settle};
use rustfs_rio_engine::{OpKind, OpenOptions};
use std::io::ErrorKind;

pub(crate) async fn files_are_created_and_reopened(lab: &Lab) {
    let path = lab.path("file");
    let missing = lab.engine.open(&path, &OpenOptions::new().write(true)).await;
    assert_eq!(failure(missing, OpKind::Open, &path).kind(), ErrorKind::NotFound);
    assert!(!lab.exists(&path));
    let file = open(lab, &path).await;
    assert_eq!(file.path(), path);
    assert!(!file.is_poisoned() && file.direct_alignment().is_none());
    file.write_at(b"content".to_vec(), 0).await.0.unwrap();
    drop(file);
    let file = lab.engine.open(&path, &OpenOptions::new().read(true)).await.unwrap();
    assert_eq!(read(&file, 0, 100).await, b"content");
    let file = open(lab, &path).await;
    assert_eq!(read(&file, 0, 100).await, b"content", "create does not empty the file");
}

pub(crate) async fn create_new_makes_exactly_one(lab: &Lab) {
    let path = lab.path("file");
    let options = OpenOptions::new().write(true).create_new(true);
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let (engine, path, options) = (lab.engine.clone(), path.clone(), options.clone());
            tokio::spawn(async move { engine.open(&path, &options).await })
        })
        .collect();
    let mut made = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => made += 1,
            error => assert_eq!(failure(error, OpKind::Open, &path).kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(made, 1);
}

pub(crate) async fn truncating_empties_the_file(lab: &Lab) {
    let path = lab.install("file", b"content");
    let options = OpenOptions::new().write(true).truncate(true);
    drop(lab.engine.open(&path, &options).await.unwrap());
    assert_eq!(lab.content(&path), b"");
}

pub(crate) async fn appends_go_to_the_end(lab: &Lab) {
    let path = lab.install("file", b"first");
    let file = lab.engine.open(&path, &OpenOptions::new().append(true)).await.unwrap();
    file.write_at(b"+second".to_vec(), 0).await.0.unwrap();
    file.write_vectored_at(vec![b"+th".to_vec(), b"ird".to_vec()], 3).await.0.unwrap();
    assert_eq!(lab.content(&path), b"first+second+third");
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let file = file.clone();
            tokio::spawn(async move { file.write_at(vec![b'a' + index; 100], 0).await.0.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 100);
    }
    let all = lab.content(&path);
    let mut records: Vec<_> = all[18..].chunks(100).collect();
    records.sort();
    assert_eq!(records, (0..20).map(|index| vec![b'a' + index; 100]).collect::<Vec<_>>());
}

pub(crate) async fn permission_bits_of_new_files(lab: &Lab) {
    let path = lab.path("file");
    // Bits that no usual umask takes away.
    let options = OpenOptions::new().write(true).create(true).mode(0o600);
    let file = lab.engine.open(&path, &options).await.unwrap();
    assert_eq!(file.stat().await.unwrap().mode & 0o7777, 0o600);
}

pub(crate) async fn close_ends_the_last_handle(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    file.write_at(b"content".to_vec(), 0).await.0.unwrap();
    let clone = file.clone();
    file.close().await.unwrap();
    assert_eq!(read(&clone, 0, 10).await, b"content", "a clone keeps the file open");
    if lab.is_sim() {
        assert_eq!(lab.disk.open_handles(), 1);
    }
    clone.close().await.unwrap();
    if lab.is_sim() {
        assert_eq!(lab.disk.open_handles(), 0);
    }
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn clones_share_a_file(lab: &Lab) {
    let file = open(lab, &lab.path("file")).await;
    let clone = file.clone();
    file.write_at(b"content".to_vec(), 0).await.0.unwrap();
    assert_eq!(read(&clone, 0, 10).await, b"content");
    assert_eq!(format!("{file:?}"), format!("{clone:?}"));
}

pub(crate) async fn files_outlive_their_last_handle(lab: &Lab) {
    let data = bytes(1, 0, 40_000);
    let file = open(lab, &lab.install("file", &data)).await;
    let reads: Vec<_> = (0..16)
        .map(|index| {
            let file = file.clone();
            tokio::spawn(async move {
                let read = file.read_at(Vec::with_capacity(2500), index * 2500);
                // Only the future and the operation keep the file from here on.
                let (result, buf) = read.await;
                (result.unwrap(), buf)
            })
        })
        .collect();
    drop(file);
    for (index, task) in reads.into_iter().enumerate() {
        let (count, buf) = task.await.unwrap();
        assert_eq!((count, &buf[..]), (2500, &data[index * 2500..][..2500]));
    }
}

pub(crate) async fn abandoned_opens_leave_nothing_open(lab: &Lab) {
    let path = lab.install("file", b"content");
    for _ in 0..20 {
        poll_and_drop(lab.engine.open(&path, &OpenOptions::new().read(true)));
    }
    settle(&lab.engine).await;
    if lab.is_sim() {
        assert_eq!(lab.disk.open_handles(), 0);
    } else {
        assert_eq!(open_here(&path), 0);
    }
}

/// Descriptors of this process that refer to the file.
fn open_here(path: &std::path::Path) -> usize {
    let path = path.canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries
        .filter(|entry| std::fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|to| to == path))
        .count()
}
