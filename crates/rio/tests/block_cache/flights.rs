//! Concurrent misses: one read for all, whatever becomes of who carries it out.

use crate::scene::{BLOCK, CONFIG, Scene, pattern};
use rustfs_rio::{DiskFile, FileError, OpKind};
use rustfs_rio_engine::sim::{Fault, Faults};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

fn poll_once<F: Future>(future: Pin<&mut F>) {
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

async fn hung(scene: &Scene, count: usize) {
    while scene.disk.hung() < count {
        tokio::task::yield_now().await;
    }
}

async fn read(file: Arc<DiskFile>, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
    file.read_range(offset, len).await.map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn many_who_miss_the_same_blocks_share_one_read() {
    let scene = Scene::new(1, CONFIG);
    let data = pattern(64 * BLOCK);
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    scene.disk.hang();
    let tasks: Vec<_> =
        (0..20u64).map(|n| tokio::spawn(read(Arc::clone(&file), n * 100, 9 * BLOCK as u64))).collect();
    hung(&scene, 1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    scene.disk.release_hung();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap(), data[n * 100..n * 100 + 9 * BLOCK]);
    }
    // The tenth block is a second read, of the task that began elsewhere.
    assert!(scene.stats().demand_reads <= 2, "{:?}", scene.stats());
    assert!(scene.stats().joined_blocks >= 19 * 9, "{:?}", scene.stats());
    scene.close(file).await;
}

#[tokio::test]
async fn who_waits_takes_over_when_the_reader_goes_away() {
    let scene = Scene::new(2, CONFIG);
    let data = pattern(8 * BLOCK);
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    scene.disk.hang();
    let mut first = Box::pin(read(Arc::clone(&file), 0, BLOCK as u64));
    poll_once(first.as_mut());
    let waiters: Vec<_> = (0..5).map(|_| tokio::spawn(read(Arc::clone(&file), 0, BLOCK as u64))).collect();
    hung(&scene, 1).await;
    drop(first);
    hung(&scene, 2).await;
    scene.disk.release_hung();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap(), data[..BLOCK]);
    }
    assert_eq!(scene.stats().demand_reads, 2, "{:?}", scene.stats());
    scene.close(file).await;
}

#[tokio::test]
async fn an_error_reaches_all_who_waited_and_is_not_remembered() {
    let scene = Scene::new(3, CONFIG);
    let data = pattern(8 * BLOCK);
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    scene.disk.set_faults(Faults::once(OpKind::Read, 0, Fault::Error(libc_eio())));
    scene.disk.hang();
    let tasks: Vec<_> = (0..6).map(|_| tokio::spawn(read(Arc::clone(&file), 0, BLOCK as u64))).collect();
    // The fault was drawn with the step, which is carried out anew once it is released.
    hung(&scene, 1).await;
    scene.disk.set_faults(Faults::default());
    scene.disk.release_hung();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), data[..BLOCK]);
    }

    scene.disk.set_faults(Faults { read_error: 1.0, latency_max: 8, ..Faults::default() });
    let tasks: Vec<_> =
        (0..6).map(|_| tokio::spawn(read(Arc::clone(&file), 4 * BLOCK as u64, BLOCK as u64))).collect();
    let before = scene.stats().demand_reads;
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert_eq!(FileError::errno(&error), Some(libc_eio()), "{error}");
        assert_eq!(FileError::of(&error).unwrap().path, std::path::Path::new("/file"));
    }
    assert_eq!(scene.stats().demand_reads, before + 1);
    scene.disk.set_faults(Faults::default());
    let again = read(Arc::clone(&file), 4 * BLOCK as u64, BLOCK as u64).await.unwrap();
    assert_eq!(again, data[4 * BLOCK..5 * BLOCK]);
    scene.close(file).await;
}

fn libc_eio() -> i32 {
    5
}
