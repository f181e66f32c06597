//! Machines that refuse things: io_uring by a sandbox, memory that may be locked, descriptors, threads. The engine goes on
//! without, and says what is missing and what would cure it.
//!
//! Limits and filters hold for a whole process or for ever, so each case runs in a process of its own: the test starts this
//! program again, for the ignored test of the same name in `child`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "lab/mod.rs"]
mod lab;

#[path = "refusal/limits.rs"]
mod limits;

use std::process::Command;

/// Set for the processes that the tests start.
const CHILD: &str = "RIO_REFUSAL_CHILD";

macro_rules! in_a_process_of_its_own {
    ($($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            run_child(stringify!($name));
        }
    )+};
}

in_a_process_of_its_own! {
    a_sandbox_forbids_setup,
    a_sandbox_hides_setup,
    a_sandbox_forbids_entering,
    a_sandbox_forbids_registering,
    a_sandbox_closes_while_the_ring_works,
    a_sandbox_closes_while_operations_are_in_flight,
    no_memory_may_be_locked,
    descriptors_run_out,
    no_descriptor_is_left_for_a_ring,
    no_thread_can_be_started,
}

fn run_child(name: &str) {
    let program = std::env::current_exe().unwrap();
    let name = format!("child::{name}");
    let arguments = ["--exact", &name, "--ignored", "--nocapture", "--test-threads", "1"];
    let output = Command::new(program).args(arguments).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {}", output.status);
}

mod child {
    use super::CHILD;
    use super::lab::data::{assert_same, bytes};
    use super::lab::{balance, failure, runtime, skip};
    use super::limits::{become_nobody, filter, limit, open_descriptors};
    use rustfs_rio_engine::buf::AlignedBuf;
    use rustfs_rio_engine::{
        Backend, DirectMode, Engine, EngineConfig, EngineError, File, FileError, OpKind, OpenOptions,
    };

    const SETUP: i64 = libc::SYS_io_uring_setup;
    const ENTER: i64 = libc::SYS_io_uring_enter;
    const REGISTER: i64 = libc::SYS_io_uring_register;

    fn config(backend: Backend) -> EngineConfig {
        EngineConfig { backend, ..EngineConfig::default() }
    }

    fn options() -> OpenOptions {
        OpenOptions::new().read(true).write(true).create(true)
    }

    /// Whether this is the process that the test started.
    fn is_child() -> bool {
        std::env::var_os(CHILD).is_some()
    }

    /// A bit of everything.
    async fn exercise(file: &File) {
        let data = bytes(1, 0, 300_000);
        assert_eq!(file.write_at(data.clone(), 5).await.0.unwrap(), data.len());
        let (result, read) = file.read_at(Vec::with_capacity(400_000), 5).await;
        assert_eq!(result.unwrap(), data.len());
        assert_same(&read, &data, "read back");
        file.write_vectored_at(vec![vec![1; 10], vec![2; 20]], 0).await.0.unwrap();
        file.sync_data().await.unwrap();
        file.set_len(100).await.unwrap();
        assert_eq!(file.stat().await.unwrap().size, 100);
    }

    /// Whether io_uring works here without the refusal under test.
    async fn has_ring() -> bool {
        let engine = Engine::new(config(Backend::Auto)).unwrap();
        let refusal = engine.capabilities().ring_refusal;
        balance(&engine).await;
        if let Some(refusal) = &refusal {
            skip(&format!("taking io_uring away: {refusal}"));
        }
        refusal.is_none()
    }

    /// An engine falls back and says why; one that was told to use the ring does not start.
    async fn falls_back(errno: i32, step: &str, hint: &str) {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::new(config(Backend::Auto)).unwrap();
        let capabilities = engine.capabilities();
        let refusal = capabilities.ring_refusal.expect("the ring is refused");
        assert_eq!((capabilities.rings, refusal.errno, refusal.step), (0, Some(errno), step), "{refusal}");
        assert!(refusal.to_string().contains(hint), "{refusal}");
        for direct in [DirectMode::Off, DirectMode::Auto] {
            let options = options().direct(direct);
            let file = engine.open(directory.path().join(format!("{direct:?}")), &options).await.unwrap();
            if file.direct_alignment().is_none() {
                exercise(&file).await;
            }
        }
        assert_eq!(engine.stats().ring_ops, 0);
        balance(&engine).await;
        match Engine::new(config(Backend::Uring)) {
            Err(EngineError::RingRefused(same)) => assert_eq!(same, refusal),
            other => panic!("the ring was demanded: {other:?}"),
        }
    }

    fn sandboxed(calls: &[i64], errno: i32, step: &str, hint: &str) {
        if !is_child() || !runtime(0).block_on(has_ring()) {
            return;
        }
        filter(calls, errno);
        for workers in [0, 2] {
            runtime(workers).block_on(falls_back(errno, step, hint));
        }
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_forbids_setup() {
        sandboxed(&[SETUP, ENTER, REGISTER], libc::EPERM, "io_uring_setup", "seccomp profile");
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_hides_setup() {
        sandboxed(&[SETUP, ENTER, REGISTER], libc::ENOSYS, "io_uring_setup", "gVisor");
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_forbids_entering() {
        sandboxed(&[ENTER], libc::EPERM, "io_uring_enter", "seccomp profile");
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_forbids_registering() {
        sandboxed(&[REGISTER], libc::EACCES, "io_uring_register", "seccomp profile");
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_closes_while_the_ring_works() {
        if !is_child() || !runtime(0).block_on(has_ring()) {
            return;
        }
        runtime(0).block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let engine = Engine::new(config(Backend::Uring)).unwrap();
            let file = engine.open(directory.path().join("file"), &options()).await.unwrap();
            exercise(&file).await;
            let before = engine.stats();
            assert_eq!(before.blocking_ops, 0);
            filter(&[ENTER, SETUP], libc::EPERM);
            exercise(&file).await;
            let after = engine.stats();
            assert!(after.blocking_ops > 0, "{after:?}");
            drop(file);
            balance(&engine).await;
        });
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn a_sandbox_closes_while_operations_are_in_flight() {
        const BLOCK: usize = 64 * 1024;
        if !is_child() || !runtime(0).block_on(has_ring()) {
            return;
        }
        runtime(0).block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            let data = bytes(1, 0, 64 * BLOCK);
            std::fs::write(&path, &data).unwrap();
            // Few at a time in the kernel, so that the others wait for the ring when it closes.
            let config = EngineConfig { queue_depth: 2, rings: 1, ..config(Backend::Uring) };
            let engine = Engine::new(config).unwrap();
            let file = engine.open(&path, &options().direct(DirectMode::Auto)).await.unwrap();
            let reads: Vec<_> = (0..64u64)
                .map(|index| {
                    let file = file.clone();
                    let room = AlignedBuf::with_capacity(BLOCK).unwrap();
                    tokio::spawn(async move { file.read_at(room, index * BLOCK as u64).await })
                })
                .collect();
            // They start when this task waits for the first time.
            tokio::task::yield_now().await;
            filter(&[ENTER, SETUP], libc::EPERM);
            for (index, read) in reads.into_iter().enumerate() {
                let (result, buf) = read.await.unwrap();
                assert_eq!(result.unwrap(), BLOCK);
                assert_same(&buf, &data[index * BLOCK..][..BLOCK], "a read that was under way");
            }
            drop(file);
            balance(&engine).await;
        });
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn no_memory_may_be_locked() {
        if !is_child() || !runtime(0).block_on(has_ring()) {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        // Root may lock memory whatever the limit is.
        become_nobody(directory.path());
        limit(libc::RLIMIT_MEMLOCK, 0);
        runtime(2).block_on(async {
            let engine = Engine::new(config(Backend::Auto)).unwrap();
            let capabilities = engine.capabilities();
            // Kernels before 5.12 charge the ring to this limit; later ones do not, and the ring just works.
            match capabilities.ring_refusal {
                None => assert!(capabilities.rings > 0),
                Some(refusal) => {
                    assert_eq!(refusal.errno, Some(libc::ENOMEM));
                    assert!(refusal.remedy.contains("ulimit -l"), "{refusal}");
                }
            }
            let file = engine.open(directory.path().join("file"), &options()).await.unwrap();
            exercise(&file).await;
            drop(file);
            balance(&engine).await;
        });
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn descriptors_run_out() {
        if !is_child() {
            return;
        }
        for backend in [Backend::Auto, Backend::Blocking] {
            runtime(2).block_on(async {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("file");
                let engine = Engine::new(config(backend)).unwrap();
                let file = engine.open(&path, &options()).await.unwrap();
                let before = limit(libc::RLIMIT_NOFILE, open_descriptors());
                let new = directory.path().join("new");
                let error = failure(engine.open(&new, &options()).await, OpKind::Open, &new);
                assert_eq!(FileError::errno(&error), Some(libc::EMFILE), "{error}");
                assert!(!new.exists());
                exercise(&file).await;
                assert!(file.try_clone_to_std().is_err());
                file.close().await.unwrap();
                let again = engine.open(&path, &options()).await.unwrap();
                exercise(&again).await;
                drop(again);
                limit(libc::RLIMIT_NOFILE, before);
                balance(&engine).await;
            });
        }
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn no_descriptor_is_left_for_a_ring() {
        if !is_child() || !runtime(0).block_on(has_ring()) {
            return;
        }
        runtime(2).block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let before = limit(libc::RLIMIT_NOFILE, open_descriptors());
            let engine = Engine::new(config(Backend::Auto)).unwrap();
            let refusal = engine.capabilities().ring_refusal.expect("there is no descriptor for a ring");
            assert_eq!(refusal.errno, Some(libc::EMFILE), "{refusal}");
            assert!(refusal.remedy.contains("ulimit -n"), "{refusal}");
            limit(libc::RLIMIT_NOFILE, before);
            let file = engine.open(directory.path().join("file"), &options()).await.unwrap();
            exercise(&file).await;
            drop(file);
            balance(&engine).await;
        });
    }

    #[test]
    #[ignore = "runs in a process of its own"]
    fn no_thread_can_be_started() {
        if !is_child() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        become_nobody(directory.path());
        runtime(2).block_on(async {
            let path = directory.path().join("file");
            let engine = Engine::new(config(Backend::Blocking)).unwrap();
            // Runs on a thread that exists, or not at all, but does not wait for ever.
            let before = limit(libc::RLIMIT_NPROC, 1);
            let error = failure(engine.open(&path, &options()).await, OpKind::Open, &path);
            assert_eq!(FileError::errno(&error), Some(libc::EAGAIN), "{error}");
            limit(libc::RLIMIT_NPROC, before);
            let file = engine.open(&path, &options()).await.unwrap();
            // From now on one thread exists.
            limit(libc::RLIMIT_NPROC, 1);
            exercise(&file).await;
            limit(libc::RLIMIT_NPROC, before);
            drop(file);
            balance(&engine).await;
        });
    }
}
