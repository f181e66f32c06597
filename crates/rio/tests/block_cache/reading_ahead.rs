//! Reading ahead: it pays where there is a pattern, it stays behind demand, and it leaves nothing behind.

use crate::scene::{BLOCK, Scene, pattern};
use rustfs_rio::{CacheConfig, DiskFile};
use rustfs_rio_engine::sim::{Faults, Rng};
use std::sync::Arc;

const REQUEST: usize = 4 * BLOCK;

async fn sequential(file: &DiskFile, data: &[u8]) {
    for offset in (0..data.len()).step_by(REQUEST) {
        let end = (offset + REQUEST).min(data.len());
        let got = file.read_range(offset as u64, REQUEST as u64).await.unwrap();
        assert_eq!(&got[..], &data[offset..end]);
        // Lets the device go on, as time would.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_sequential_reader_finds_most_of_it_there() {
    let scene = Scene::new(1, CacheConfig::new(4 << 20));
    let data = pattern(1024 * BLOCK + 123);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    sequential(&file, &data).await;
    let (cache, ahead) = (scene.stats(), scene.ahead());
    assert!(ahead.used_blocks + ahead.late_blocks > 700, "{ahead:?} {cache:?}");
    assert!(ahead.used_share() > 0.95, "{ahead:?}");
    assert!(cache.demand_reads < 80, "{cache:?}");
    scene.close(file).await;
}

#[tokio::test]
async fn random_reads_cause_next_to_nothing() {
    let scene = Scene::new(2, CacheConfig::new(1 << 20));
    let data = pattern(4096 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    let mut rng = Rng::new(7);
    for _ in 0..3000 {
        let block = rng.below(4096) as usize;
        let got = file.read_range((block * BLOCK) as u64, BLOCK as u64).await.unwrap();
        assert_eq!(&got[..], &data[block * BLOCK..(block + 1) * BLOCK]);
    }
    let (cache, ahead) = (scene.stats(), scene.ahead());
    assert!(ahead.issued_blocks * 100 <= cache.missed_blocks, "{ahead:?} {cache:?}");
    scene.close(file).await;
}

#[tokio::test]
async fn switched_off_nothing_is_read_ahead() {
    let scene = Scene::new(3, CacheConfig { prefetch: false, ..CacheConfig::new(4 << 20) });
    let data = pattern(256 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    sequential(&file, &data).await;
    assert!(scene.runtime.block_cache().unwrap().prefetch_stats().is_none());
    assert_eq!(scene.stats().demand_reads, 64);
    scene.close(file).await;
}

#[tokio::test]
async fn errors_ahead_of_demand_reach_nobody_who_did_not_ask_for_that_place() {
    let scene = Scene::new(4, CacheConfig::new(4 << 20));
    let data = pattern(1024 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    scene.disk.set_faults(Faults { read_error: 0.2, latency_max: 5, ..Faults::default() });
    for offset in (0..data.len()).step_by(REQUEST) {
        loop {
            match file.read_range(offset as u64, REQUEST as u64).await {
                Ok(got) => break assert_eq!(&got[..], &data[offset..offset + REQUEST]),
                // A fault of its own read: the next one may work.
                Err(error) => assert_eq!(rustfs_rio::FileError::errno(&error), Some(5)),
            }
        }
    }
    scene.disk.set_faults(Faults::default());
    scene.close(file).await;
}

/// Sequential, interleaved and random readers at the same time, in an order that a seed decides.
async fn mixture(seed: u64) {
    let mut rng = Rng::new(seed);
    let scene = Scene::new(seed, CacheConfig::new(2 << 20));
    let data = Arc::new(pattern(2048 * BLOCK));
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    scene.disk.set_faults(Faults { latency_max: rng.below(40), ..Faults::default() });
    let tasks: Vec<_> = (0..6u64)
        .map(|number| {
            let (file, data, mut rng) = (Arc::clone(&file), Arc::clone(&data), rng.fork());
            tokio::spawn(async move {
                let mut next = rng.below(1024) as usize;
                for _ in 0..150 {
                    let block = if number < 4 { next } else { rng.below(2040) as usize };
                    next = (next + 4) % 2040;
                    let got = file.read_range((block * BLOCK) as u64, REQUEST as u64).await.unwrap();
                    assert_eq!(&got[..], &data[block * BLOCK..block * BLOCK + REQUEST]);
                    if rng.chance(0.4) {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let ahead = scene.ahead();
    assert!(ahead.before_demand_bytes_max <= 1 << 20, "seed {seed}: {ahead:?}");
    scene.close(file).await;
}

#[tokio::test]
async fn a_demand_read_is_never_behind_more_than_one_prefetch_of_its_device() {
    for seed in 1..40 {
        mixture(seed).await;
    }
}

#[tokio::test]
async fn beside_demand_reads_there_is_one_prefetch_in_the_device() {
    let scene = Scene::new(5, CacheConfig::new(4 << 20));
    let data = pattern(4096 * BLOCK);
    scene.disk.install("/file", &data);
    let file = Arc::new(scene.direct("/file").await);
    sequential(&file, &data[..512 * BLOCK]).await;
    // Others come with demand reads, and from now on the device answers nobody.
    for number in 0..8u64 {
        let offset = (3000 + 40 * number) * BLOCK as u64;
        file.read_range(offset, BLOCK as u64).await.unwrap();
    }
    scene.disk.hang();
    let before = (scene.stats().demand_reads, scene.ahead().reads);
    let tasks: Vec<_> = (0..64u64)
        .map(|number| {
            let file = Arc::clone(&file);
            let block = if number % 2 == 0 { 512 + 2 * number } else { 3500 + 7 * number };
            tokio::spawn(async move { file.read_range(block * BLOCK as u64, REQUEST as u64).await.map(drop) })
        })
        .collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let demand = scene.stats().demand_reads - before.0;
    let ahead = scene.ahead().reads - before.1;
    assert!(demand > 0 && ahead <= 1, "{demand} demand reads, {ahead} ahead");
    assert!(scene.disk.hung() as u64 <= demand + 1);
    scene.disk.release_hung();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    scene.close(file).await;
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_ended() {
    let scene = Scene::new(6, CacheConfig::new(4 << 20));
    let data = pattern(2048 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    sequential(&file, &data[..600 * BLOCK]).await;
    drop(file);
    scene.close(()).await;
}
