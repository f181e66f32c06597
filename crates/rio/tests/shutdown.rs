//! Who ends what: shutdown, dropping, several runtimes, and runtimes of tokio that lack something.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{
    AdvancedRioConfig, DiskFile, EnhancedRioRuntime, RuntimeConfig, RuntimeHandle,
    init_runtime_with_advanced_config,
};
use std::time::{Duration, Instant};

async fn start() -> EnhancedRioRuntime {
    init_runtime_with_advanced_config(AdvancedRioConfig::built_in()).await.unwrap()
}

async fn work(runtime: &EnhancedRioRuntime) {
    let directory = tempfile::tempdir().unwrap();
    let mut file =
        DiskFile::create_with_runtime(directory.path().join("file"), runtime.base_runtime()).await.unwrap();
    assert_eq!(file.write_all(b"content").await.unwrap(), 7);
    file.flush_and_sync().await.unwrap();
}

fn builders() -> [tokio::runtime::Builder; 2] {
    [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
}

#[test]
fn it_works_and_ends_in_either_kind_of_tokio_runtime() {
    for mut builder in builders() {
        builder.enable_all().build().unwrap().block_on(async {
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let before = tasks();
            let runtime = start().await;
            work(&runtime).await;
            assert!(tasks() > before);
            assert!(runtime.shutdown(Duration::from_secs(30)).await.is_clean());
            assert_eq!(tasks(), before, "every task ended");
            assert!(runtime.shutdown(Duration::from_secs(30)).await.already_down);
        });
    }
}

#[test]
fn dropping_it_without_shutdown_is_bounded_and_leaves_no_task() {
    for mut builder in builders() {
        builder.enable_all().build().unwrap().block_on(async {
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let before = tasks();
            let runtime = start().await;
            work(&runtime).await;
            let dropping = Instant::now();
            drop(runtime);
            assert!(dropping.elapsed() < Duration::from_secs(5));
            // Aborted tasks end when they get their turn.
            let ended = async {
                while tasks() > before {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_in_one_process_do_not_know_of_each_other() {
    let (first, second) = (start().await, start().await);
    work(&first).await;
    assert!(first.shutdown(Duration::from_secs(30)).await.is_clean());
    work(&second).await;
    assert!(second.shutdown(Duration::from_secs(30)).await.is_clean());
}

#[test]
fn a_tokio_runtime_without_timers_or_io_is_named() {
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error =
        bare.block_on(async { RuntimeHandle::new(RuntimeConfig::default()).unwrap_err().to_string() });
    assert!(error.contains("enable_all()"), "{error}");
    let error = bare.block_on(async {
        let path = std::env::temp_dir().join("never-made");
        DiskFile::open(path, RuntimeHandle::new_tokio()).await.unwrap_err().to_string()
    });
    assert!(error.contains("no timers; build it with enable_all()"), "{error}");
    let timed = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error =
        timed.block_on(async { RuntimeHandle::new(RuntimeConfig::default()).unwrap_err().to_string() });
    assert!(error.contains("no I/O driver; build it with enable_all()"), "{error}");
}

#[test]
fn without_any_tokio_runtime_threads_do_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, b"content").unwrap();
    let runtime = RuntimeHandle::new_tokio();
    let reading =
        async { DiskFile::open(&path, runtime.clone()).await.unwrap().read_range(0, 7).await.unwrap() };
    assert_eq!(&*block_on(reading), b"content");
}

/// Polls on this thread, which the operation's end unparks.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}
