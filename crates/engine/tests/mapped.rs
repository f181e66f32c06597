//! Memory-mapped reading: content, the end of the file, truncation at any moment, signals of others, bounds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

mod lab;

use lab::data::{assert_same, bytes};
use lab::{GENEROUS, Place, skip};
use rustfs_rio_buf::{BufferPool, PoolConfig};
use rustfs_rio_engine::mapped::{MAPPED_FILES_MAX, MappedError, MappedFile, WINDOW_MAX, WINDOW_MIN};
use rustfs_rio_engine::{
    Backend, DirectMode, Engine, EngineConfig, File, FileError, OpKind, OpenOptions, Refusal,
};
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const STREAM: u64 = 7;
/// Reads of this size are tried on the mapping.
const LARGE: usize = 64 * 1024;
/// Names what a child process is to do.
const CHILD: &str = "RIO_MAPPED_CHILD";

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

async fn open(engine: &Engine, path: &Path) -> File {
    engine.open(path, &OpenOptions::new().read(true)).await.unwrap()
}

/// Waits until a read is served from the mapping, or the machine says why it never will be.
async fn until_mapped(mapped: &mut MappedFile) {
    let began = Instant::now();
    while mapped.stats().copied_bytes == 0 {
        if let Some(reason) = mapped.unmapped_because() {
            return skip(&format!("memory-mapped reading: {reason}"));
        }
        mapped.read_at(Vec::with_capacity(LARGE), 0).await.0.unwrap();
        assert!(began.elapsed() < GENEROUS, "never mapped: {mapped:?}");
        // why: a file is mapped once its time stamp is old enough, which only time brings
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The refusal or report of this feature inside an error, after checking that path and operation are named.
#[track_caller]
fn reason<T: std::fmt::Debug>(result: io::Result<T>, operation: OpKind, path: &Path) -> MappedError {
    let error = result.expect_err("this should fail");
    let context = FileError::of(&error).unwrap_or_else(|| panic!("no context around: {error:?}"));
    assert_eq!((context.operation, context.path.as_path()), (operation, path), "{error}");
    assert_eq!(error.kind(), context.source.kind());
    MappedError::of(&error).unwrap_or_else(|| panic!("not of this feature: {error:?}")).clone()
}

#[tokio::test]
async fn reads_equal_the_file_at_every_offset_on_every_file_system() {
    for place in Place::all() {
        let engine = engine();
        let path = place.path().join("content");
        let len = 3 * WINDOW_MIN + 12_345;
        let content = bytes(STREAM, 0, len);
        std::fs::write(&path, &content).unwrap();
        let file = open(&engine, &path).await;
        let mut mapped = MappedFile::with_window(&file, WINDOW_MIN).unwrap();
        until_mapped(&mut mapped).await;
        for offset in
            [0, 1, 4095, 4096, 4097, 65_537, WINDOW_MIN - 1, WINDOW_MIN, 2 * WINDOW_MIN + 5, len - 1]
        {
            for want in [1, 4096, 10_000, LARGE, LARGE + 1, WINDOW_MIN, WINDOW_MIN + 1, 2 * len] {
                let what = format!("{}: {want} bytes at {offset}", place.label);
                let expected = &content[offset..len.min(offset + want)];
                let (result, buf) = mapped.read_at(Vec::with_capacity(want), offset as u64).await;
                assert_eq!(result.unwrap(), expected.len(), "{what}");
                assert_same(&buf, expected, &what);
                let mut slice = vec![0; want];
                let count = mapped.read_slice_at(&mut slice, offset as u64).await.unwrap();
                assert_same(&slice[..count], expected, &what);
                assert!(mapped.mapped_bytes() <= WINDOW_MIN, "{what}");
            }
        }
        println!("{}: {:?}", place.label, mapped.stats());
    }
}

#[tokio::test]
async fn chunks_follow_each_other_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chunks");
    let content = bytes(STREAM, 0, 2 * WINDOW_MIN + 777);
    std::fs::write(&path, &content).unwrap();
    let engine = engine();
    let mut mapped = MappedFile::with_window(&open(&engine, &path).await, WINDOW_MIN).unwrap();
    until_mapped(&mut mapped).await;
    let mut all = Vec::new();
    let mut buf = Vec::with_capacity(100_000);
    loop {
        let result;
        (result, buf) = mapped.read_next(buf).await;
        if result.unwrap() == 0 {
            break;
        }
        all.extend_from_slice(&buf);
        assert_eq!(mapped.position(), all.len() as u64);
    }
    assert_same(&all, &content, "chunks");
    mapped.seek(content.len() as u64 - 3);
    let (result, buf) = mapped.read_next(buf).await;
    assert_eq!(result.unwrap(), 3);
    assert_same(&buf, &content[content.len() - 3..], "after a seek");
    let stats = mapped.stats();
    assert!(mapped.unmapped_because().is_some() || stats.windows >= 3, "{stats:?}");
    assert_eq!(stats.faults, 0);
}

#[tokio::test]
async fn a_stream_of_pooled_buffers_uses_the_same_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pooled");
    let content = bytes(STREAM, 0, 2 * WINDOW_MIN + 777);
    std::fs::write(&path, &content).unwrap();
    let engine = engine();
    let mut mapped = MappedFile::with_window(&open(&engine, &path).await, WINDOW_MIN).unwrap();
    until_mapped(&mut mapped).await;
    let pool = BufferPool::new(PoolConfig::new(64 << 10)).unwrap();
    let mut all = Vec::new();
    loop {
        let (result, buf) = mapped.read_next(pool.try_get(64 << 10).unwrap()).await;
        if result.unwrap() == 0 {
            break;
        }
        all.extend_from_slice(&buf);
    }
    assert_same(&all, &content, "pooled");
    assert_eq!((pool.stats().misses, pool.stats().buffers), (1, 1));
}

#[tokio::test]
async fn an_empty_file_and_reads_beyond_the_end_give_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty");
    std::fs::write(&path, b"").unwrap();
    let engine = engine();
    let mut mapped = MappedFile::open(&open(&engine, &path).await).unwrap();
    assert_eq!(mapped.size(), 0);
    for offset in [0, 1, 1 << 40, i64::MAX as u64 - 10] {
        assert_eq!(mapped.read_at(Vec::with_capacity(10), offset).await.0.unwrap(), 0, "offset {offset}");
    }
    assert_eq!(mapped.read_at(Vec::new(), 0).await.0.unwrap(), 0);
    assert_eq!(mapped.read_slice_at(&mut [], 0).await.unwrap(), 0);
    assert_eq!(mapped.mapped_bytes(), 0);
    let (result, buf) = mapped.read_at(Vec::with_capacity(10), u64::MAX - 1).await;
    assert!(matches!(Refusal::of(&result.unwrap_err()), Some(Refusal::OffsetOverflow { .. })));
    assert_eq!(buf.capacity(), 10);
}

#[tokio::test]
async fn a_growing_file_is_read_as_far_as_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growing");
    let engine = engine();
    let begin = LARGE + 1000;
    std::fs::write(&path, bytes(STREAM, 0, begin)).unwrap();
    let mut mapped = MappedFile::open(&open(&engine, &path).await).unwrap();
    until_mapped(&mut mapped).await;
    let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for end in [begin + 1, begin + 5000, 300_000] {
        writer.write_all_at(&bytes(STREAM, 0, end), 0).unwrap();
        let (result, buf) = mapped.read_at(Vec::with_capacity(1 << 20), 0).await;
        assert_eq!(result.unwrap(), end);
        assert_same(&buf, &bytes(STREAM, 0, end), "grown");
        assert_eq!(mapped.size(), end as u64);
    }
}

#[tokio::test]
async fn changed_bytes_are_seen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changing");
    let engine = engine();
    std::fs::write(&path, bytes(STREAM, 0, 100_000)).unwrap();
    let mut mapped = MappedFile::open(&open(&engine, &path).await).unwrap();
    until_mapped(&mut mapped).await;
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&bytes(1, 0, 100), 50).unwrap();
    let (result, buf) = mapped.read_at(Vec::with_capacity(LARGE), 0).await;
    assert_eq!(result.unwrap(), LARGE);
    assert_same(&buf[50..150], &bytes(1, 0, 100), "overwritten");
    assert_same(&buf[150..], &bytes(STREAM, 150, LARGE - 150), "left alone");
}

#[tokio::test]
async fn truncation_between_reads_is_an_error_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("truncated");
    let engine = engine();
    let content = bytes(STREAM, 0, 600_000);
    std::fs::write(&path, &content).unwrap();
    let mut mapped = MappedFile::open(&open(&engine, &path).await).unwrap();
    until_mapped(&mut mapped).await;
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();

    let (result, buf) = mapped.read_at(Vec::with_capacity(100_000), 0).await;
    let error = result.unwrap_err();
    assert_eq!(
        FileError::of(&error).map(|context| (context.transferred, context.offset)),
        Some((5000, Some(0)))
    );
    assert!(error.to_string().contains("truncated while mapped"), "{error}");
    assert_same(&buf, &content[..5000], "what is left");
    let expected = MappedError::Truncated { size: 5000, expected: 600_000 };
    assert_eq!(reason(Err::<(), _>(error), OpKind::Read, &path), expected);
    let mut slice = [1; 100];
    assert_eq!(reason(mapped.read_slice_at(&mut slice, 400_000).await, OpKind::Read, &path), expected);
    // What is still there can be read, and nothing was ever promised beyond the old end.
    assert_eq!(mapped.read_at(Vec::with_capacity(5000), 0).await.0.unwrap(), 5000);
    assert_eq!(mapped.read_at(Vec::with_capacity(10), 600_000).await.0.unwrap(), 0);

    assert_eq!(mapped.refresh().unwrap(), 5000);
    assert_eq!(mapped.read_at(Vec::with_capacity(10_000), 0).await.0.unwrap(), 5000);
    assert_eq!(mapped.read_at(Vec::with_capacity(10), 400_000).await.0.unwrap(), 0);
}

/// The file always holds a beginning of the stream, so no read may ever return anything else, zeros included.
#[test]
fn truncation_during_reads_gives_right_bytes_or_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raced");
    let content = bytes(STREAM, 0, 4 << 20);
    std::fs::write(&path, &content).unwrap();
    let stop = AtomicBool::new(false);
    let truncations = lab::number("RIO_MAPPED_TRUNCATIONS", 40);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            for round in 0..truncations {
                // why: the file has to lie still long enough to be mapped
                std::thread::sleep(Duration::from_millis(25 + round % 7));
                let keep = (round as usize * 1_234_567) % content.len();
                handle.set_len(keep as u64).unwrap();
                // Growing by writes only: there is never a moment at which the file holds zeros.
                handle.write_all_at(&content[keep..], keep as u64).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let (stats, errors) = lab::runtime(2).block_on(race(&path, &content, &stop));
        println!("{stats:?}, {errors} errors");
    });
}

async fn race(
    path: &Path,
    content: &[u8],
    stop: &AtomicBool,
) -> (rustfs_rio_engine::mapped::MappedStats, u64) {
    let engine = engine();
    let mut mapped = MappedFile::with_window(&open(&engine, path).await, 1 << 20).unwrap();
    let mut errors = 0;
    let mut buf = Vec::with_capacity(300_000);
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        let result;
        (result, buf) = mapped.read_at(buf, offset as u64).await;
        let expected = content.len().min(offset + buf.capacity()) - offset;
        match result {
            Ok(count) => assert_eq!(count, expected, "a short read without an error, at {offset}"),
            Err(error) => {
                assert!(matches!(MappedError::of(&error), Some(MappedError::Truncated { .. })), "{error}");
                errors += 1;
            }
        }
        assert_same(
            &buf,
            &content[offset..offset + buf.len()],
            &format!("at {offset}, {:?}", mapped.stats()),
        );
        offset = (offset + 300_000) % content.len();
    }
    (mapped.stats(), errors)
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine();
    let path = directory.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    // Opened for both, a pipe does not wait for the other side.
    let pipe = engine.open(&path, &OpenOptions::new().read(true).write(true)).await.unwrap();
    assert_eq!(reason(MappedFile::open(&pipe), OpKind::Open, &path), MappedError::NotAFile);
    let zero = engine.open("/dev/zero", &OpenOptions::new().read(true)).await.unwrap();
    assert_eq!(reason(MappedFile::open(&zero), OpKind::Open, Path::new("/dev/zero")), MappedError::NotAFile);
    // A directory cannot even be opened.
    let error = engine.open(directory.path(), &OpenOptions::new().read(true)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
}

#[tokio::test]
async fn handles_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine();
    let path = directory.path().join("file");
    std::fs::write(&path, bytes(STREAM, 0, 8192)).unwrap();
    let write_only = engine.open(&path, &OpenOptions::new().write(true)).await.unwrap();
    let error = MappedFile::open(&write_only).unwrap_err();
    assert!(matches!(Refusal::of(&error), Some(Refusal::Access { .. })), "{error}");
    match engine.open(&path, &OpenOptions::new().read(true).direct(DirectMode::On)).await {
        Ok(direct) => assert_eq!(reason(MappedFile::open(&direct), OpKind::Open, &path), MappedError::Direct),
        Err(error) => skip(&format!("a mapping of a direct file: {error}")),
    }
    let file = open(&engine, &path).await;
    for bytes in [0, WINDOW_MIN - 1, WINDOW_MAX + 1, usize::MAX] {
        let result = MappedFile::with_window(&file, bytes);
        assert_eq!(reason(result, OpKind::Open, &path), MappedError::Window { bytes });
    }
    engine.shutdown(GENEROUS).await;
    let error = MappedFile::open(&file).unwrap_err();
    assert!(matches!(Refusal::of(&error), Some(Refusal::ShutDown)), "{error}");
}

#[tokio::test]
async fn nothing_is_mapped_where_the_calling_task_must_not_copy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, bytes(STREAM, 0, 100_000)).unwrap();
    let config = EngineConfig { backend: Backend::Blocking, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let mut mapped = MappedFile::open(&open(&engine, &path).await).unwrap();
    assert!(mapped.unmapped_because().is_some_and(|reason| reason.contains("switched off")));
    let (result, buf) = mapped.read_at(Vec::with_capacity(100_000), 0).await;
    assert_eq!(result.unwrap(), 100_000);
    assert_same(&buf, &bytes(STREAM, 0, 100_000), "through the file");
    assert_eq!((mapped.stats().copied_bytes, mapped.stats().read_bytes), (0, 100_000));
}

/// In a process of its own, because the bound is one of the process.
#[test]
fn no_more_files_are_mapped_than_the_handler_can_watch() {
    assert!(run_child("bound").success());
}

#[test]
fn signals_of_others_end_the_process_as_before() {
    // The standard library has a handler too, so both without it and with it.
    for work in ["default_fault", "default_sent", "foreign_fault"] {
        let status = run_child(work);
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{work}: {status}");
    }
}

#[test]
fn an_earlier_handler_gets_what_is_not_ours() {
    for work in ["earlier_handler", "earlier_handler_with_details"] {
        let status = run_child(work);
        assert_eq!(status.code(), Some(42), "{work}: {status}");
    }
    assert_eq!(run_child("earlier_ignore").code(), Some(0), "a sent signal stays ignored");
}

#[test]
fn nothing_is_mapped_once_the_handler_is_gone_or_blocked() {
    for work in ["later_handler", "blocked"] {
        let status = run_child(work);
        assert!(status.success(), "{work}: {status}");
    }
}

fn run_child(work: &str) -> ExitStatus {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--include-ignored", "--test-threads=1"])
        .env(CHILD, work)
        .status()
        .unwrap()
}

/// Not a test: what [`run_child`] starts.
#[test]
#[ignore = "the other side of tests that need a process of their own"]
fn child() {
    let Ok(work) = std::env::var(CHILD) else { return };
    let limit = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, limit).unwrap();
    match work.as_str() {
        "earlier_handler" => handle(libc::SIGBUS, exit_42 as extern "C" fn(_) as usize, 0),
        "earlier_handler_with_details" => {
            handle(libc::SIGBUS, exit_42_with_details as extern "C" fn(_, _, _) as usize, libc::SA_SIGINFO);
        }
        "earlier_ignore" => handle(libc::SIGBUS, libc::SIG_IGN, 0),
        "default_fault" | "default_sent" => handle(libc::SIGBUS, libc::SIG_DFL, 0),
        _ => {}
    }
    lab::runtime(0).block_on(work_of_child(&work));
}

async fn work_of_child(work: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, bytes(STREAM, 0, 100_000)).unwrap();
    let engine = engine();
    let file = open(&engine, &path).await;
    if work == "bound" {
        return bound(&file);
    }
    let mut mapped = MappedFile::open(&file).unwrap();
    until_mapped(&mut mapped).await;
    match work {
        // SAFETY: sends a signal to this process.
        "default_sent" | "earlier_ignore" => unsafe {
            libc::raise(libc::SIGBUS);
        },
        "later_handler" => {
            handle(libc::SIGBUS, libc::SIG_DFL, 0);
            reads_without_copying(&mut mapped).await;
        }
        "blocked" => {
            // SAFETY: all-zero bytes are a valid `sigset_t`; changes the mask of this thread.
            unsafe {
                let mut mask: libc::sigset_t = std::mem::zeroed();
                libc::sigaddset(&raw mut mask, libc::SIGBUS);
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, std::ptr::null_mut());
            }
            reads_without_copying(&mut mapped).await;
        }
        _ => fault_elsewhere(&directory.path().join("elsewhere")),
    }
}

fn bound(file: &File) {
    let first = MappedFile::open(file).unwrap();
    if let Some(reason) = first.unmapped_because() {
        return skip(&format!("the bound on mapped files: {reason}"));
    }
    let mut all = vec![first];
    all.extend((1..MAPPED_FILES_MAX).map(|_| MappedFile::open(file).unwrap()));
    let refused = reason(MappedFile::open(file), OpKind::Open, file.path());
    assert_eq!(refused, MappedError::TooManyFiles);
    assert!(refused.to_string().contains(&MAPPED_FILES_MAX.to_string()), "{refused}");
    all.pop();
    all.push(MappedFile::open(file).unwrap());
    drop(all);
    MappedFile::open(file).unwrap();
}

async fn reads_without_copying(mapped: &mut MappedFile) {
    let before = mapped.stats();
    let (result, buf) = mapped.read_at(Vec::with_capacity(100_000), 0).await;
    assert_eq!(result.unwrap(), 100_000);
    assert_same(&buf, &bytes(STREAM, 0, 100_000), "through the file");
    assert_eq!(mapped.stats().copied_bytes, before.copied_bytes);
    assert_eq!(mapped.stats().read_bytes, before.read_bytes + 100_000);
}

/// Touches a mapping of our own beyond the end of its file.
fn fault_elsewhere(path: &Path) {
    std::fs::write(path, [1; 8192]).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    // SAFETY: a new mapping that nothing else uses. Reading from it raises the signal, which is what the parent waits for.
    unsafe {
        let flags = rustix::mm::MapFlags::SHARED;
        let base = rustix::mm::mmap(std::ptr::null_mut(), 8192, rustix::mm::ProtFlags::READ, flags, &file, 0)
            .unwrap();
        file.set_len(0).unwrap();
        base.cast::<u8>().read_volatile();
    }
    unreachable!("the page is gone");
}

fn handle(signal: libc::c_int, handler: usize, flags: libc::c_int) {
    // SAFETY: all-zero bytes are a valid `sigaction`, and the handler has the signature that the flags ask for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

extern "C" fn exit_42(signal: libc::c_int) {
    assert_eq!(signal, libc::SIGBUS);
    // SAFETY: ends the process without running anything else.
    unsafe { libc::_exit(42) };
}

extern "C" fn exit_42_with_details(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's siginfo, passed on.
    let code = unsafe { (*info).si_code };
    // BUS_ADRERR
    let right = signal == libc::SIGBUS && code == 2;
    // SAFETY: as above.
    unsafe { libc::_exit(if right { 42 } else { 1 }) };
}
