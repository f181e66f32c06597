//! Bad input: each a typed error that names path and operation, and nothing changes.

use super::transfer::open;
use crate::lab::{Lab, failure, refusal, skip};
use rustfs_rio_engine::{Advice, FileError, OpKind, OpenOptions, Refusal};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn reading() -> OpenOptions {
    OpenOptions::new().read(true)
}

fn creating() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

pub(crate) async fn a_missing_file(lab: &Lab) {
    for name in ["missing", "missing/file"] {
        let path = lab.path(name);
        let error = failure(lab.engine.open(&path, &reading()).await, OpKind::Open, &path);
        assert_eq!((error.kind(), FileError::errno(&error)), (ErrorKind::NotFound, Some(libc::ENOENT)));
    }
    let path = lab.path("missing/file");
    let error = failure(lab.engine.open(&path, &creating()).await, OpKind::Open, &path);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub(crate) async fn a_directory(lab: &Lab) {
    let path = lab.make_directory("directory");
    for options in [reading(), creating(), OpenOptions::new().write(true)] {
        let error = failure(lab.engine.open(&path, &options).await, OpKind::Open, &path);
        assert_eq!(error.kind(), ErrorKind::IsADirectory, "{error}");
    }
}

pub(crate) async fn a_file_in_the_place_of_a_directory(lab: &Lab) {
    lab.install("file", b"content");
    let path = lab.path("file/below");
    for options in [reading(), creating()] {
        let error = failure(lab.engine.open(&path, &options).await, OpKind::Open, &path);
        assert_eq!(error.kind(), ErrorKind::NotADirectory, "{error}");
    }
}

pub(crate) async fn impossible_names(lab: &Lab) {
    let long = lab.path(&"x".repeat(300));
    let error = failure(lab.engine.open(&long, &creating()).await, OpKind::Open, &long);
    assert_eq!(error.kind(), ErrorKind::InvalidFilename);
    let with_nul = lab.path("a\0b");
    let text = refusal(lab.engine.open(&with_nul, &creating()).await, OpKind::Open, &with_nul);
    assert_eq!(text, "PathWithNul");
    let empty = PathBuf::new();
    let error = failure(lab.engine.open(&empty, &creating()).await, OpKind::Open, &empty);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Forbids writing to a file, by an attribute for root and by permission bits for others; `None` where neither works.
fn forbid(path: &Path) -> Option<Forbidden> {
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
        return Some(Forbidden(None));
    }
    let file = std::fs::File::open(path).unwrap();
    set_attributes(&file, IMMUTABLE).then_some(Forbidden(Some(file)))
}

/// `FS_IMMUTABLE_FL`.
const IMMUTABLE: libc::c_long = 0x10;

/// Sets the attributes that `chattr` sets; `false` where the file system or the user may not, or where it takes them
/// without effect (ext4 without a journal).
pub(crate) fn set_attributes(file: &std::fs::File, flags: libc::c_long) -> bool {
    let (fd, mut now) = (std::os::fd::AsRawFd::as_raw_fd(file), 0 as libc::c_long);
    // SAFETY: both read or write an int (declared as long) behind the pointer.
    unsafe {
        libc::ioctl(fd, libc::FS_IOC_SETFLAGS, &raw const flags) == 0
            && libc::ioctl(fd, libc::FS_IOC_GETFLAGS, &raw mut now) == 0
            && now & flags == flags
    }
}

/// Lifts the attribute again, without which the file could not be removed.
struct Forbidden(Option<std::fs::File>);

impl Drop for Forbidden {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            set_attributes(file, 0);
        }
    }
}

pub(crate) async fn forbidden_files(lab: &Lab) {
    if lab.is_sim() {
        // The simulated device knows no permissions; handles without the access are tested below.
        return;
    }
    let path = lab.install("file", b"content");
    let Some(_forbidden) = forbid(&path) else {
        skip(&format!("files that may not be written, on {}: root, and no immutable attribute", lab.label));
        return;
    };
    let result = lab.engine.open(&path, &OpenOptions::new().write(true)).await;
    assert_eq!(failure(result, OpKind::Open, &path).kind(), ErrorKind::PermissionDenied);
    lab.engine.open(&path, &reading()).await.unwrap();
}

pub(crate) async fn handles_without_the_access(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = lab.engine.open(&path, &reading()).await.unwrap();
    let denied = |text: String| assert!(text.contains("Access") && text.contains("read-only"), "{text}");
    denied(refusal(file.write_at(vec![1; 10], 0).await.0, OpKind::Write, &path));
    denied(refusal(file.write_vectored_at(vec![vec![1; 10]], 0).await.0, OpKind::WriteVectored, &path));
    denied(refusal(file.set_len(0).await, OpKind::Ftruncate, &path));
    denied(refusal(file.allocate(0, 0, 10).await, OpKind::Fallocate, &path));
    for options in [OpenOptions::new().write(true), OpenOptions::new().append(true)] {
        let file = lab.engine.open(&path, &options).await.unwrap();
        let (result, buf) = file.read_at(vec![1; 10], 0).await;
        let text = refusal(result, OpKind::Read, &path);
        assert!(text.contains("write-only"), "{text}");
        assert_eq!(buf, [1; 10], "an untouched buffer comes back");
        refusal(file.read_vectored_at(vec![vec![1; 10]], 0).await.0, OpKind::ReadVectored, &path);
    }
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn contradictory_options(lab: &Lab) {
    let path = lab.path("file");
    let new = OpenOptions::new;
    let all = [
        new(),
        new().read(true).truncate(true),
        new().read(true).create(true),
        new().read(true).create_new(true),
        new().append(true).truncate(true),
    ];
    for options in all {
        let error = failure(lab.engine.open(&path, &options).await, OpKind::Open, &path);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{options:?}");
    }
    assert!(!lab.exists(&path));
}

pub(crate) async fn offsets_that_overflow(lab: &Lab) {
    const LAST: u64 = i64::MAX as u64;
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    let overflow = |text: String| assert!(text.contains("OffsetOverflow"), "{text}");
    for offset in [LAST, LAST - 8, LAST + 1, u64::MAX - 9, u64::MAX] {
        overflow(refusal(file.read_at(vec![0; 10], offset).await.0, OpKind::Read, &path));
        overflow(refusal(file.write_at(vec![0; 10], offset).await.0, OpKind::Write, &path));
        let bufs = || vec![vec![0; 5], vec![0; 5]];
        overflow(refusal(file.read_vectored_at(bufs(), offset).await.0, OpKind::ReadVectored, &path));
        overflow(refusal(file.write_vectored_at(bufs(), offset).await.0, OpKind::WriteVectored, &path));
        overflow(refusal(file.allocate(0, offset, 10).await, OpKind::Fallocate, &path));
        overflow(refusal(file.advise(offset, 10, Advice::Normal).await, OpKind::Fadvise, &path));
    }
    overflow(refusal(file.set_len(LAST + 1).await, OpKind::Ftruncate, &path));
    overflow(refusal(file.allocate(0, 1, u64::MAX).await, OpKind::Fallocate, &path));
    let error = file.read_at(vec![0; 10], u64::MAX).await.0.unwrap_err();
    let context = FileError::of(&error).unwrap();
    assert_eq!((context.offset, context.len, context.transferred), (Some(u64::MAX), Some(10), 0));
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn offsets_no_file_can_have(lab: &Lab) {
    const FAR: u64 = i64::MAX as u64 - 4096;
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    // File systems differ in the largest file; what they refuse is an error that says so.
    match file.write_at(vec![1; 100], FAR).await.0 {
        Ok(count) => assert_eq!((count, file.read_at(vec![0; 10], FAR + 90).await.1), (100, vec![1; 10])),
        error => assert_eq!(failure(error, OpKind::Write, &path).kind(), ErrorKind::FileTooLarge),
    }
    match file.set_len(i64::MAX as u64).await {
        Ok(()) => assert_eq!(file.stat().await.unwrap().size, i64::MAX as u64),
        error => assert_eq!(failure(error, OpKind::Ftruncate, &path).kind(), ErrorKind::FileTooLarge),
    }
}

pub(crate) async fn buffers_come_back_from_failures(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = lab.engine.open(&path, &reading()).await.unwrap();
    let (result, back) = file.write_at(b"precious".to_vec(), 0).await;
    assert_eq!((result.is_err(), &back[..]), (true, &b"precious"[..]));
    let (result, back) = file.write_vectored_at(vec![b"a".to_vec(), b"b".to_vec()], u64::MAX).await;
    assert_eq!((result.is_err(), back.len()), (true, 2));
}

pub(crate) async fn a_shut_down_engine_refuses(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    // A second engine, because the first is shut down by the harness, which insists on being the first to do so.
    let Some(engine) = lab.kind.engine(lab.engine.config().clone(), &lab.disk) else { return };
    let other = engine.open(&path, &creating()).await.unwrap();
    assert!(engine.shutdown(Duration::from_secs(10)).await.is_clean());
    let down = |text: String| assert_eq!(text, "ShutDown");
    down(refusal(engine.open(&path, &creating()).await, OpKind::Open, &path));
    down(refusal(other.read_at(vec![0; 10], 0).await.0, OpKind::Read, &path));
    down(refusal(other.write_at(vec![0; 10], 0).await.0, OpKind::Write, &path));
    down(refusal(other.sync_data().await, OpKind::Fdatasync, &path));
    let stat = other.stat().await.unwrap_err();
    assert!(matches!(Refusal::of(&stat), Some(Refusal::ShutDown)), "{stat}");
    let close = other.close().await.unwrap_err();
    assert!(matches!(Refusal::of(&close), Some(Refusal::ShutDown)), "{close}");
    assert!(engine.shutdown(Duration::from_secs(10)).await.already_down);
    // The first engine is not affected.
    assert_eq!(file.read_at(vec![0; 7], 0).await.1, b"content");
}
