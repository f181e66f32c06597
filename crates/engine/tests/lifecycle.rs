//! Beginnings and ends: shutdown with operations in flight and with a hung device, engines and runtimes that are dropped in
//! any order, and futures that are awaited elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "lab/mod.rs"]
mod lab;

use lab::data::{assert_same, bytes};
use lab::{GENEROUS, Kind, Place, balance, block_on, poll_and_drop, runtime, until};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::sim::{self, SimDisk};
use rustfs_rio_engine::{
    Advice, Backend, DirectMode, Engine, EngineConfig, EngineError, File, OpenOptions, Refusal,
    UnalignedWrites,
};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const BLOCK: usize = 64 * 1024;
const BLOCKS: usize = 64;

fn options() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true).direct(DirectMode::Auto)
}

/// A file with content on each backend that works here.
struct Scene {
    kind: Kind,
    disk: SimDisk,
    path: PathBuf,
    data: Vec<u8>,
    _place: Option<Place>,
}

fn scenes() -> Vec<Scene> {
    let scene = |kind| {
        let disk = SimDisk::new(1);
        let data = bytes(1, 0, BLOCKS * BLOCK);
        let place = (kind != Kind::Sim).then(|| Place::all().swap_remove(0));
        let path = place.as_ref().map_or(PathBuf::from("/file"), |place| place.path().join("file"));
        match kind {
            Kind::Sim => disk.install(&path, &data),
            _ => std::fs::write(&path, &data).unwrap(),
        }
        Scene { kind, disk, path, data, _place: place }
    };
    Kind::ALL.into_iter().map(scene).collect()
}

impl Scene {
    async fn open(&self, config: EngineConfig) -> Option<(Engine, File)> {
        println!("{:?}", self.kind);
        let engine = self.kind.engine(config, &self.disk)?;
        let file = engine.open(&self.path, &options()).await.unwrap();
        Some((engine, file))
    }

    /// Reads one block, which must be right.
    fn read(&self, file: &File, index: usize) -> impl Future<Output = ()> + Send + 'static + use<> {
        let file = file.clone();
        let expected = self.data[index * BLOCK..][..BLOCK].to_vec();
        async move {
            let room = AlignedBuf::with_capacity(BLOCK).unwrap();
            let (result, buf) = file.read_at(room, (index * BLOCK) as u64).await;
            assert_eq!(result.unwrap(), BLOCK);
            assert_same(&buf, &expected, "a block");
        }
    }
}

#[test]
fn shutdown_waits_for_operations_in_flight() {
    for scene in scenes() {
        for workers in [0, 2] {
            runtime(workers).block_on(async {
                let Some((engine, file)) = scene.open(EngineConfig::default()).await else { return };
                let reads: Vec<_> = (0..BLOCKS)
                    .map(|index| {
                        let file = file.clone();
                        let room = AlignedBuf::with_capacity(BLOCK).unwrap();
                        tokio::spawn(async move { file.read_at(room, (index * BLOCK) as u64).await })
                    })
                    .collect();
                tokio::task::yield_now().await;
                balance_later(&engine).await;
                for (index, read) in reads.into_iter().enumerate() {
                    // Those that came too late were refused; all others were carried out.
                    match read.await.unwrap() {
                        (Ok(count), buf) => {
                            assert_same(&buf[..count], &scene.data[index * BLOCK..][..BLOCK], "a block")
                        }
                        (Err(error), _) => {
                            assert!(matches!(Refusal::of(&error), Some(Refusal::ShutDown)), "{error}")
                        }
                    }
                }
                let stats = engine.stats();
                assert_eq!(
                    (stats.in_flight, stats.submitted),
                    (0, stats.delivered + stats.reclaimed),
                    "{stats:?}"
                );
            });
        }
    }
}

/// A clean shutdown; results may not have been taken yet.
async fn balance_later(engine: &Engine) {
    let report = engine.shutdown(GENEROUS).await;
    assert!(report.is_clean() && !report.already_down, "{report:?}");
}

#[test]
fn a_hung_device_is_reported_and_its_memory_kept() {
    for workers in [0, 2] {
        let disk = SimDisk::new(1);
        disk.install("/file", &[7; 8192]);
        runtime(workers).block_on(async {
            let engine = sim::engine(EngineConfig::default(), &disk).unwrap();
            let file = engine.open("/file", &options()).await.unwrap();
            disk.hang();
            for index in 0..3 {
                assert!(!poll_and_drop(file.read_at(AlignedBuf::with_capacity(512).unwrap(), index * 512)));
            }
            let waiting = tokio::spawn({
                let file = file.clone();
                async move { file.write_at(AlignedBuf::zeroed(512).unwrap(), 0).await }
            });
            until("all hang", || disk.hung() == 4).await;
            let report = engine.shutdown(Duration::from_millis(50)).await;
            assert_eq!((report.operations_left, report.already_down), (4, false));
            assert!(!report.is_clean());
            let again = engine.shutdown(Duration::from_millis(50)).await;
            assert_eq!((again.operations_left, again.already_down), (4, true));
            waiting.abort();
            let _ = waiting.await;
            drop(file);
        });
        // The engine is gone, and the device answers: it reads and writes memory that must still be there.
        disk.release_hung();
        assert_eq!(disk.hung(), 0);
        assert_eq!(disk.read_live("/file").unwrap()[..512], [0; 512]);
    }
}

#[test]
fn a_device_that_recovers_in_time_ends_the_shutdown() {
    let disk = SimDisk::new(1);
    runtime(2).block_on(async {
        let engine = sim::engine(EngineConfig::default(), &disk).unwrap();
        let file = engine.open("/file", &OpenOptions::new().write(true).create(true)).await.unwrap();
        disk.hang();
        let waiting = tokio::spawn(async move { file.write_at(b"content".to_vec(), 0).await.0 });
        until("it hangs", || disk.hung() == 1).await;
        let shutdown = tokio::spawn({
            let engine = engine.clone();
            async move { engine.shutdown(GENEROUS).await }
        });
        disk.release_hung();
        assert!(shutdown.await.unwrap().is_clean());
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
    });
    assert_eq!(disk.read_live("/file").unwrap(), b"content");
}

#[test]
fn a_hung_device_does_not_hold_up_the_drop_of_an_engine_for_ever() {
    let disk = SimDisk::new(1);
    disk.install("/file", &[7; 512]);
    runtime(0).block_on(async {
        let engine = sim::engine(EngineConfig::default(), &disk).unwrap();
        let file = engine.open("/file", &OpenOptions::new().read(true)).await.unwrap();
        disk.hang();
        assert!(!poll_and_drop(file.read_at(vec![0; 512], 0)));
        until("it hangs", || disk.hung() == 1).await;
        drop((engine, file));
    });
    disk.release_hung();
}

#[test]
fn an_engine_that_is_dropped_ends_what_it_began() {
    for scene in scenes() {
        for workers in [0, 2] {
            runtime(workers).block_on(async {
                let Some((engine, file)) = scene.open(EngineConfig::default()).await else { return };
                for index in 0..BLOCKS {
                    let data = AlignedBuf::copy_from(&scene.data[index * BLOCK..][..BLOCK]).unwrap();
                    poll_and_drop(file.write_at(data, (index * BLOCK) as u64));
                    poll_and_drop(
                        file.read_at(AlignedBuf::with_capacity(BLOCK).unwrap(), (index * BLOCK) as u64),
                    );
                }
                drop((engine, file));
                assert_eq!(scene.disk.open_handles(), 0);
            });
        }
    }
}

#[test]
fn an_engine_outlives_its_runtime() {
    for scene in scenes() {
        for depth in [1, 128] {
            for workers in [0, 2] {
                let home = runtime(workers);
                let config = EngineConfig { queue_depth: depth, rings: 1, ..EngineConfig::default() };
                let Some((engine, file)) = home.block_on(scene.open(config)) else { continue };
                // Some of these are in flight, and with a small depth some wait for the ring, when the runtime goes.
                let mut pending: Vec<_> =
                    (0..BLOCKS).map(|index| Box::pin(scene.read(&file, index))).collect();
                let mut cx = Context::from_waker(Waker::noop());
                pending.retain_mut(|read| read.as_mut().poll(&mut cx).is_pending());
                drop(home);
                let elsewhere = runtime(1);
                elsewhere.block_on(async {
                    let later = (0..BLOCKS).map(|index| Box::pin(scene.read(&file, index)));
                    for (index, read) in pending.into_iter().chain(later).enumerate() {
                        let read = tokio::time::timeout(GENEROUS, read).await;
                        read.unwrap_or_else(|_| panic!("read {index} hangs: {:?}", engine.stats()));
                    }
                    drop(file);
                    balance(&engine).await;
                });
            }
        }
    }
}

/// Cold reads of 1 MiB come back from the kernel in parts, some of them while the ring is given up.
#[test]
fn reads_that_come_in_parts_end_when_their_runtime_goes() {
    const PART: usize = 1 << 20;
    const PARTS: usize = 64;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cold");
    let content = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut &content, &vec![5; PART * PARTS]).unwrap();
    content.sync_all().unwrap();
    for _ in 0..5 {
        rustix::fs::fadvise(&content, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let home = runtime(2);
        let (engine, file) = home.block_on(async {
            let engine = Engine::new(EngineConfig::default()).unwrap();
            let file = engine.open(&path, &OpenOptions::new().read(true)).await.unwrap();
            (engine, file)
        });
        let first = home.spawn({
            let file = file.clone();
            async move { file.read_at(Vec::with_capacity(PART), 0).await.0 }
        });
        for index in 1..PARTS {
            let file = file.clone();
            drop(home.spawn(async move {
                drop(file.read_at(Vec::with_capacity(PART), (index * PART) as u64).await);
            }));
        }
        assert_eq!(home.block_on(first).unwrap().unwrap(), PART);
        drop(home);
        drop(file);
        runtime(0).block_on(balance_later(&engine));
    }
}

#[test]
fn two_runtimes_share_an_engine_and_have_their_own() {
    for scene in scenes() {
        let (one, two) = (runtime(1), runtime(0));
        let Some((engine, file)) = one.block_on(scene.open(EngineConfig::default())) else { continue };
        let there: Vec<_> = (0..BLOCKS).map(|index| one.spawn(scene.read(&file, index))).collect();
        two.block_on(async {
            let Some((own, same)) = scene.open(EngineConfig::default()).await else { return };
            for index in 0..BLOCKS {
                scene.read(&file, index).await;
                scene.read(&same, BLOCKS - 1 - index).await;
            }
            drop(same);
            balance(&own).await;
        });
        one.block_on(async {
            for read in there {
                read.await.unwrap();
            }
            drop(file);
            balance(&engine).await;
        });
    }
}

#[test]
fn operations_need_no_runtime_around_them() {
    for scene in scenes() {
        let home = runtime(1);
        let Some((engine, file)) = home.block_on(scene.open(EngineConfig::default())) else { continue };
        block_on(async {
            scene.read(&file, 3).await;
            let plain = engine.open(&scene.path, &OpenOptions::new().read(true).write(true)).await.unwrap();
            plain.write_at(scene.data[..1000].to_vec(), 0).await.0.unwrap();
            plain.write_vectored_at(vec![scene.data[..5].to_vec()], 0).await.0.unwrap();
            plain.read_vectored_at(vec![vec![0; 5]], 0).await.0.unwrap();
            plain.read_slice_at(&mut [0; 100], 0).await.unwrap();
            plain.sync_all().await.unwrap();
            plain.advise(0, 0, Advice::Normal).await.unwrap();
            assert_eq!(plain.stat().await.unwrap().size, scene.data.len() as u64);
            plain.close().await.unwrap();
            // Unaligned: read, modify, write.
            let options = options().unaligned_writes(UnalignedWrites::ReadModifyWrite);
            let unaligned = engine.open(&scene.path, &options).await.unwrap();
            unaligned.write_at(scene.data[3..1000].to_vec(), 3).await.0.unwrap();
            scene.read(&unaligned, 0).await;
            drop((file, unaligned));
            assert!(engine.shutdown(GENEROUS).await.is_clean());
        });
    }
}

#[test]
fn the_waker_of_the_last_poll_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let disk = SimDisk::new(1);
    runtime(0).block_on(async {
        let engine = sim::engine(EngineConfig::default(), &disk).unwrap();
        let file = engine.open("/file", &OpenOptions::new().write(true).create(true)).await.unwrap();
        let (first, last) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let mut write = Box::pin(file.write_at(b"content".to_vec(), 0));
        for count in [&first, &last] {
            let waker = Waker::from(Arc::clone(count));
            assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        until("somebody is woken", || last.0.load(Ordering::SeqCst) == 1).await;
        assert_eq!(first.0.load(Ordering::SeqCst), 0);
        assert!(matches!(
            write.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready((Ok(7), _))
        ));
    });
}

#[test]
fn an_engine_needs_a_runtime_when_it_is_made() {
    let error = Engine::new(EngineConfig::default()).unwrap_err();
    assert!(matches!(error, EngineError::NoRuntime) && error.to_string().contains("enable_all"), "{error}");
    let error = sim::engine(EngineConfig::default(), &SimDisk::new(1)).unwrap_err();
    assert!(matches!(error, EngineError::NoRuntime), "{error}");
}

#[test]
fn a_runtime_without_drivers_is_enough_for_all_but_the_ring() {
    let place = Place::all().swap_remove(0);
    for backend in [Backend::Auto, Backend::Blocking] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let engine = Engine::new(EngineConfig { backend, ..EngineConfig::default() }).unwrap();
            let path = place.path().join(format!("{backend:?}"));
            let file = engine.open(path, &options()).await.unwrap();
            file.write_at(AlignedBuf::zeroed(8192).unwrap(), 0).await.0.unwrap();
            let (result, _) = file.read_at(AlignedBuf::with_capacity(8192).unwrap(), 0).await;
            assert_eq!(result.unwrap(), 8192);
            drop(file);
            balance(&engine).await;
        });
    }
}

#[test]
fn impossible_settings_are_refused_with_their_range() {
    runtime(0).block_on(async {
        let bad = [
            EngineConfig { max_concurrent_ops: 0, ..EngineConfig::default() },
            EngineConfig { max_concurrent_ops: 70_000, ..EngineConfig::default() },
            EngineConfig { queue_depth: 0, ..EngineConfig::default() },
            EngineConfig { rings: 65, ..EngineConfig::default() },
            EngineConfig { blocking_threads_max: 0, ..EngineConfig::default() },
            EngineConfig { ring_workers_max: 0, ..EngineConfig::default() },
        ];
        for config in bad {
            let error = Engine::new(config.clone()).unwrap_err();
            assert!(
                matches!(error, EngineError::Config { .. }) && error.to_string().contains("expected"),
                "{error}"
            );
            assert!(matches!(sim::engine(config, &SimDisk::new(1)), Err(EngineError::Config { .. })));
        }
    });
}

#[test]
fn futures_may_be_sent_to_other_threads() {
    fn sends<T: Send>(_: &T) {}
    runtime(0).block_on(async {
        let engine = sim::engine(EngineConfig::default(), &SimDisk::new(1)).unwrap();
        let file =
            engine.open("/file", &OpenOptions::new().read(true).write(true).create(true)).await.unwrap();
        sends(&engine.open("/file", &options()));
        sends(&file.read_at(vec![0], 0));
        sends(&file.write_at(vec![0], 0));
        sends(&file.read_vectored_at(vec![vec![0]], 0));
        sends(&file.write_vectored_at(vec![vec![0]], 0));
        sends(&file.read_slice_at(&mut [0], 0));
        sends(&file.write_slice_at(&[0], 0));
        sends(&file.sync_all());
        sends(&file.sync_data());
        sends(&file.stat());
        sends(&file.set_len(1));
        sends(&file.allocate(0, 0, 1));
        sends(&file.advise(0, 0, Advice::Normal));
        sends(&file.clone().close());
        sends(&engine.shutdown(GENEROUS));
    });
}

#[test]
fn a_runtime_may_go_before_it_ran_anything() {
    for scene in scenes() {
        let home = runtime(0);
        let guard = home.enter();
        let Some(engine) = scene.kind.engine(EngineConfig::default(), &scene.disk) else { continue };
        drop(guard);
        drop(home);
        block_on(async {
            let file = engine.open(&scene.path, &options()).await.unwrap();
            scene.read(&file, 0).await;
            drop(file);
            balance(&engine).await;
        });
    }
}
