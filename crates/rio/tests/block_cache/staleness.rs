//! Nothing that changed is found in the cache, whichever way it changed.

use crate::scene::{BLOCK, CONFIG, Scene, pattern, runtime};
use bytes::Bytes;
use rustfs_rio::{AsyncFile, CacheConfig, DirectMode, DiskFile, IoEngine, OpenOptions};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

async fn all(file: &DiskFile) -> Vec<u8> {
    file.read_range(0, 1 << 19).await.unwrap().to_vec()
}

#[tokio::test]
async fn every_way_to_write_is_noticed_by_every_handle() {
    let scene = Scene::new(1, CONFIG);
    let mut data = pattern(8 * BLOCK + 200);
    scene.disk.install("/file", &data);
    let reader = scene.direct("/file").await;
    let direct = scene.direct("/file").await;
    let mut buffered = scene.buffered("/file").await;
    assert_eq!(all(&reader).await, data);

    direct.write_from(vec![1; 512], 512).await.0.unwrap();
    data[512..1024].fill(1);
    assert_eq!(all(&reader).await, data);
    buffered.write_from(vec![2; 100], 5000).await.0.unwrap();
    data[5000..5100].fill(2);
    assert_eq!(all(&reader).await, data);
    buffered.write_object(&[3; 10], 9000).await.unwrap();
    data[9000..9010].fill(3);
    assert_eq!(all(&reader).await, data);
    buffered.write_vectored_from(vec![vec![4; 5], vec![5; 5]], 4090).await.0.unwrap();
    data[4090..4095].fill(4);
    data[4095..4100].fill(5);
    assert_eq!(all(&reader).await, data);
    AsyncWriteExt::write_all(&mut buffered, &[6; 64]).await.unwrap();
    AsyncWriteExt::flush(&mut buffered).await.unwrap();
    data[..64].fill(6);
    assert_eq!(all(&reader).await, data);
    let engine = IoEngine::new(scene.runtime.clone()).unwrap();
    let batch = vec![buffered.batch_write(20_000, Bytes::from_static(&[7; 30]))];
    engine.submit_batch(batch).await.unwrap();
    data[20_000..20_030].fill(7);
    assert_eq!(all(&reader).await, data);

    let append = OpenOptions::new().append(true);
    let append = DiskFile::open_with("/file", &append, &scene.runtime).await.unwrap();
    append.write_from(vec![8; 300], 0).await.0.unwrap();
    data.extend_from_slice(&[8; 300]);
    assert_eq!(all(&reader).await, data);
    reader.set_len(9000).await.unwrap();
    data.truncate(9000);
    assert_eq!(all(&reader).await, data);
    buffered.set_len(9500).await.unwrap();
    data.resize(9500, 0);
    assert_eq!(all(&reader).await, data);
    buffered.allocate(0, 12_000).await.unwrap();
    data.resize(12_000, 0);
    assert_eq!(all(&reader).await, data);
    let truncating = OpenOptions::new().write(true).truncate(true);
    let truncating = DiskFile::open_with("/file", &truncating, &scene.runtime).await.unwrap();
    assert!(all(&reader).await.is_empty());
    scene.close((reader, direct, buffered, append, truncating, engine)).await;
}

#[tokio::test]
async fn a_read_that_began_before_a_write_leaves_nothing_behind() {
    let scene = Scene::new(2, CONFIG);
    let data = pattern(4 * BLOCK);
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    scene.disk.hang();
    let reader = {
        let file = Arc::clone(&file);
        tokio::spawn(async move { file.read_range(0, 4 * BLOCK as u64).await.unwrap().to_vec() })
    };
    while scene.disk.hung() < 1 {
        tokio::task::yield_now().await;
    }
    let mut write = Box::pin(file.write_from(vec![9; BLOCK], BLOCK as u64));
    let waker = std::task::Waker::noop();
    assert!(write.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    scene.disk.release_hung();
    write.await.0.unwrap();
    reader.await.unwrap();
    let after = file.read_range(BLOCK as u64, BLOCK as u64).await.unwrap();
    assert_eq!(&after[..], &[9; BLOCK]);
    scene.close((after, file)).await;
}

#[tokio::test]
async fn a_file_that_is_opened_again_is_as_it_was_or_read_anew() {
    let scene = Scene::new(3, CONFIG);
    let four = async |file: &DiskFile| file.read_range(0, 4 * BLOCK as u64).await.unwrap().to_vec();
    let mut data = pattern(4 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    assert_eq!(four(&file).await, data);
    file.close().await.unwrap();
    let reads = scene.stats().demand_reads;
    let file = scene.direct("/file").await;
    assert_eq!(four(&file).await, data);
    assert_eq!(scene.stats().demand_reads, reads, "unchanged, so nothing is read again");
    file.close().await.unwrap();

    // Behind the back of this runtime.
    let other = runtime(&scene.disk, CacheConfig::new(0));
    let options = OpenOptions::new().write(true);
    let foreign = DiskFile::open_with("/file", &options, &other).await.unwrap();
    foreign.write_from(vec![1; 100], 100).await.0.unwrap();
    data[100..200].fill(1);
    drop(foreign);
    let file = scene.direct("/file").await;
    assert_eq!(all(&file).await, data);

    // Another file of the same name.
    let replaced = pattern(3 * BLOCK);
    scene.disk.install("/file", &replaced);
    let file_of_that_name = scene.direct("/file").await;
    assert_eq!(all(&file_of_that_name).await, replaced);
    assert_eq!(all(&file).await, data);
    scene.close((file, file_of_that_name)).await;
}

#[tokio::test]
async fn what_is_open_for_writing_only_is_not_read_from_memory() {
    let scene = Scene::new(4, CONFIG);
    scene.disk.install("/file", &pattern(BLOCK));
    let reader = scene.direct("/file").await;
    assert_eq!(all(&reader).await.len(), BLOCK);
    let options = OpenOptions::new().write(true).direct(DirectMode::On);
    let writer = DiskFile::open_with("/file", &options, &scene.runtime).await.unwrap();
    assert!(writer.read_range(0, 10).await.is_err());
    scene.close((reader, writer)).await;
}
