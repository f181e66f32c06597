//! The block cache as a program meets it, on the simulated device.
#![cfg(feature = "tune")]
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod flights;
mod history;
mod legality;
mod reading_ahead;
mod scene;
mod staleness;

use rustfs_rio::{CacheConfig, RuntimeConfig, RuntimeError, RuntimeHandle, init_runtime_with_config};
use scene::{BLOCK, Scene, pattern};

#[tokio::test]
async fn what_was_read_once_is_read_from_memory() {
    let scene = Scene::new(1, CacheConfig { prefetch: false, ..CacheConfig::new(1 << 20) });
    let data = pattern(10 * BLOCK + 100);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    let first = file.read_range(5000, 9000).await.unwrap();
    assert_eq!(&first[..], &data[5000..14_000]);
    let reads = scene.stats().demand_reads;
    assert_eq!(reads, 1);

    assert_eq!(&file.read_range(4096, 12_288 - 100).await.unwrap()[..], &data[4096..16_384 - 100]);
    let (count, bytes) = file.read_into(Vec::with_capacity(3000), 7000).await;
    assert_eq!((count.unwrap(), &bytes[..]), (3000, &data[7000..10_000]));
    let mut slice = [0; 777];
    assert_eq!(file.read_object(&mut slice, 9999).await.unwrap(), 777);
    assert_eq!(slice, data[9999..9999 + 777]);
    assert_eq!(scene.stats().demand_reads, reads, "{:?}", scene.stats());
    scene.close((file, first)).await;
}

#[tokio::test]
async fn the_end_of_a_file_is_where_it_is() {
    let scene = Scene::new(2, CacheConfig { prefetch: false, ..CacheConfig::new(1 << 20) });
    let data = pattern(2 * BLOCK + 100);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    for _ in 0..2 {
        assert_eq!(&file.read_range(0, 100_000).await.unwrap()[..], &data[..]);
        assert_eq!(file.read_range(2 * BLOCK as u64 + 50, 100).await.unwrap().len(), 50);
        assert_eq!(file.read_range(2 * BLOCK as u64 + 100, 100).await.unwrap().len(), 0);
        assert_eq!(file.read_range(100 * BLOCK as u64, 100).await.unwrap().len(), 0);
    }
    scene.close(file).await;
}

#[tokio::test]
async fn bytes_in_one_block_are_shared_without_a_copy() {
    let scene = Scene::new(3, CacheConfig { prefetch: false, ..CacheConfig::new(1 << 20) });
    let data = pattern(2 * BLOCK + 10);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    let first = file.read_shared(0, 2 * BLOCK as u64 + 10).await.unwrap();
    assert_eq!(&first[..], &data[..]);
    let one = file.read_shared(100, 50).await.unwrap();
    let other = file.read_shared(100, 50).await.unwrap();
    assert_eq!((&one[..], one.as_ptr()), (&data[100..150], other.as_ptr()));
    assert_eq!(&file.read_shared(2 * BLOCK as u64 + 5, 50).await.unwrap()[..], &data[2 * BLOCK + 5..]);
    drop((first, one, other));
    scene.close(file).await;
}

#[tokio::test]
async fn the_bound_holds_and_a_scan_does_not_displace_what_is_read_again() {
    let bytes = 64 * BLOCK as u64;
    let scene = Scene::new(4, CacheConfig { prefetch: false, ..CacheConfig::new(bytes) });
    let data = pattern(1024 * BLOCK);
    scene.disk.install("/file", &data);
    let file = scene.direct("/file").await;
    let read = async |block: usize| {
        let range = block * BLOCK..(block + 1) * BLOCK;
        let got = file.read_range(range.start as u64, BLOCK as u64).await.unwrap();
        assert_eq!(&got[..], &data[range]);
        assert!(scene.stats().held_bytes <= bytes, "{:?}", scene.stats());
    };
    for _ in 0..8 {
        for block in 0..16 {
            read(block).await;
        }
    }
    for block in 100..1000 {
        read(block).await;
    }
    let before = scene.stats();
    for block in 0..16 {
        read(block).await;
    }
    let kept = scene.stats().hit_blocks - before.hit_blocks;
    assert!(kept >= 12, "{kept} of 16 blocks outlived a scan of 900");
    assert!(scene.stats().evicted_blocks > 0);
    scene.close(file).await;
}

#[tokio::test]
async fn a_cache_of_no_bytes_is_no_cache() {
    let config = RuntimeConfig { cache: Some(CacheConfig::new(0)), ..RuntimeConfig::default() };
    let runtime = init_runtime_with_config(config).unwrap();
    assert!(runtime.block_cache().is_none());
    assert!(RuntimeHandle::new(RuntimeConfig::default()).unwrap().block_cache().is_none());
}

#[tokio::test]
async fn a_cache_larger_than_memory_is_refused_with_the_reason() {
    let config = RuntimeConfig { cache: Some(CacheConfig::new(1 << 60)), ..RuntimeConfig::default() };
    match init_runtime_with_config(config) {
        Err(RuntimeError::InitializationFailed(text)) => {
            assert!(text.contains("cache.bytes is 1152921504606846976, but this machine"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
