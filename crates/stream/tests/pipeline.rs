//! Packing on many threads: the same content, bounded, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::checksum::Algorithm;
use rustfs_rio_stream::codec::{Block, Codec, CodecPolicy, Fixed, Method, Outcome};
use rustfs_rio_stream::dare::Cipher;
use rustfs_rio_stream::keys::{KeyId, KeyProvider, MemoryKeys};
use rustfs_rio_stream::pack::{PackError, PackOptions, ReadOptions, SeekableReader, Summary};
use rustfs_rio_stream::pipeline::{Packing, PackingStep, Workers};

const BLOCK: usize = 4096;

fn keys() -> Arc<dyn KeyProvider> {
    Arc::new(MemoryKeys::new(KeyId::new("test").unwrap(), DataKey::from([0x42; 32])))
}

fn options() -> PackOptions {
    let fast = Arc::new(Fixed(Method::new(Codec::Lz4)));
    PackOptions::new().block_bytes(BLOCK).unwrap().policy(fast).encrypt(Cipher::Aes256Gcm, keys())
}

/// Packs `length` bytes that `fill` writes; gives each piece of the pack to `sink`.
fn drive(
    workers: &Workers,
    options: &PackOptions,
    length: usize,
    mut sink: impl FnMut(&[u8]),
) -> Result<Summary, PackError> {
    let mut packing = Packing::new(workers, options)?;
    let mut at = 0;
    loop {
        match packing.step()? {
            PackingStep::Fill(mut block) => {
                let end = (at + packing.block_bytes()).min(length);
                block.extend((at..end).map(byte));
                at = end;
                packing.submit(block)?;
            }
            PackingStep::Write(bytes) => {
                sink(&bytes);
                packing.recycle(bytes);
            }
            PackingStep::Done(summary) => return Ok(summary),
        }
    }
}

fn byte(at: usize) -> u8 {
    ((at / 7) ^ (at / 1000)) as u8
}

#[test]
fn any_number_of_threads_makes_a_whole_pack() {
    for threads in [1, 2, 5] {
        let workers = Workers::new(threads).unwrap();
        for length in [0, 1, BLOCK, BLOCK + 1, 100 * BLOCK, 300 * BLOCK + 17] {
            let (mut pack, options) = (Vec::new(), options().checksums([Algorithm::Sha256, Algorithm::Md5]));
            let summary = drive(&workers, &options, length, |bytes| pack.extend_from_slice(bytes)).unwrap();
            let content: Vec<u8> = (0..length).map(byte).collect();
            let order: Vec<_> = summary.checksums.iter().map(|checksum| checksum.algorithm()).collect();
            assert_eq!(order, [Algorithm::Blake3, Algorithm::Sha256, Algorithm::Md5]);
            for checksum in &summary.checksums {
                assert_eq!(*checksum, checksum.algorithm().digest(&content));
            }
            assert_eq!(summary.pack_bytes, pack.len() as u64);
            let mut reader = SeekableReader::open(pack, ReadOptions::new().keys(keys())).unwrap();
            let mut found = Vec::new();
            reader.read_range(0..length as u64, &mut found).unwrap();
            assert!(found == content, "{threads} threads, {length} bytes");
        }
    }
}

#[test]
fn a_long_stream_takes_no_more_memory_than_a_short_one() {
    let workers = Workers::new(2).unwrap();
    let options = options().checksums([Algorithm::Md5]);
    // Counts what the driver's thread allocates: all blocks, the index, the end. Frames are made by the workers, one for each block.
    let mut most = [0, 0];
    for (most, blocks) in most.iter_mut().zip([200, 4000]) {
        let counted = allocation_counter::measure(|| {
            drive(&workers, &options, blocks * BLOCK, |_| {}).unwrap();
        });
        *most = counted.bytes_max;
    }
    // The index is the only thing that grows: 4 bytes a frame, doubled when a vector grows.
    assert!(most[1] < most[0] + 64 * 1024, "{most:?}");
    let bound = (2 * workers.window() + 4) * (BLOCK + 1024) + 128 * 1024;
    assert!(most[1] < bound as u64, "{most:?}, {bound}");
}

#[test]
fn dropping_ends_every_thread() {
    let workers = Workers::new(2).unwrap();
    let mut packing = Packing::new(&workers, &options()).unwrap();
    let mut given = 0;
    while given < 3 {
        match packing.step().unwrap() {
            PackingStep::Fill(mut block) => {
                block.resize(BLOCK, 1);
                packing.submit(block).unwrap();
                given += 1;
            }
            PackingStep::Write(bytes) => packing.recycle(bytes),
            PackingStep::Done(_) => break,
        }
    }
    drop(packing);
    // The workers are joined here; a thread that went on for ever would hang the test.
    drop(workers);
}

#[test]
fn packing_without_workers_ends_with_an_error() {
    let workers = Workers::new(1).unwrap();
    let mut packing = Packing::new(&workers, &options()).unwrap();
    drop(workers);
    let end = loop {
        match packing.step() {
            Ok(PackingStep::Fill(mut block)) => {
                block.resize(BLOCK, 1);
                packing.submit(block).unwrap();
            }
            Ok(PackingStep::Write(bytes)) => packing.recycle(bytes),
            Ok(PackingStep::Done(_)) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(matches!(end, Err(PackError::Finished)));
}

/// Holds the only worker in the middle of a large object until the test lets it go.
#[derive(Debug)]
struct Gate {
    reached: std::sync::mpsc::SyncSender<()>,
    go: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl CodecPolicy for Gate {
    fn choose(&self, _: &mut Block<'_>) -> Method {
        self.reached.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        Method::NONE
    }

    fn observe(&self, _: &Outcome) {}
}

#[test]
fn a_small_object_waits_for_one_block_of_a_large_one() {
    let (reached, arrivals) = std::sync::mpsc::sync_channel(100);
    let (open, go) = std::sync::mpsc::channel();
    let workers = Workers::new(1).unwrap();
    let large = PackOptions::new().block_bytes(BLOCK).unwrap();
    let large = large.policy(Arc::new(Gate { reached, go: std::sync::Mutex::new(go) }));
    let mut large = Packing::new(&workers, &large).unwrap();
    let mut given = 0;
    while given < workers.window() {
        match large.step().unwrap() {
            PackingStep::Fill(mut block) => {
                block.resize(BLOCK, 1);
                large.submit(block).unwrap();
                given += 1;
            }
            PackingStep::Write(bytes) => large.recycle(bytes),
            PackingStep::Done(_) => break,
        }
    }
    // The worker holds the first block of the large object, and others wait.
    arrivals.recv().unwrap();
    let mut small = Packing::new(&workers, &options()).unwrap();
    let mut submitted = false;
    let summary = loop {
        match small.step().unwrap() {
            PackingStep::Fill(mut block) => {
                block.resize(100, 1);
                small.submit(block).unwrap();
                assert!(!std::mem::replace(&mut submitted, true));
                // One block of the large object ends. If the small one stood behind all the others, this would wait for ever.
                open.send(()).unwrap();
            }
            PackingStep::Write(bytes) => small.recycle(bytes),
            PackingStep::Done(summary) => break summary,
        }
    };
    assert_eq!(summary.content_bytes, 100);
    // Whatever is left of the large object may go.
    for _ in 0..given {
        let _ = open.send(());
    }
}

#[test]
fn many_small_objects_share_the_threads() {
    let workers = Workers::new(2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for length in 0..125 {
                    assert_eq!(
                        drive(&workers, &options(), length * 11, |_| {}).unwrap().content_bytes,
                        length as u64 * 11
                    );
                }
            });
        }
    });
}
