//! Direct I/O: alignment, and ranges without it.

use super::errors::set_attributes;
use crate::lab::data::{assert_same, bytes};
use crate::lab::{Lab, failure, refusal};
use rustfs_rio_engine::buf::{AlignedBuf, IoBuf, IoBufMut};
use rustfs_rio_engine::{DirectMode, File, FileError, OpKind, OpenOptions, Refusal, UnalignedWrites};
use std::io::ErrorKind;
use std::path::Path;

fn options() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

/// Opens the file for direct I/O; `None` if the file system has none, which must then be said.
pub(crate) async fn open_direct(lab: &Lab, path: &Path, options: &OpenOptions) -> Option<File> {
    match lab.engine.open(path, &options.clone().direct(DirectMode::On)).await {
        Ok(file) => Some(file),
        Err(error) => {
            assert!(matches!(Refusal::of(&error), Some(Refusal::NoDirectIo)), "{error}");
            failure(Err::<(), _>(error), OpKind::Open, path);
            None
        }
    }
}

/// A buffer that starts this many bytes after an address with every alignment that direct I/O may ask for.
pub(crate) struct Shifted {
    inner: AlignedBuf,
    shift: usize,
    len: usize,
    total: usize,
}

impl Shifted {
    pub(crate) fn room(total: usize, shift: usize) -> Self {
        Self { inner: AlignedBuf::zeroed(total + shift).unwrap(), shift, len: 0, total }
    }

    pub(crate) fn copy_of(data: &[u8], shift: usize) -> Self {
        let mut room = Self::room(data.len(), shift);
        room.inner[shift..shift + data.len()].copy_from_slice(data);
        room.len = data.len();
        room
    }
}

// SAFETY: a fixed range of a heap allocation whose address does not change when this value moves; the first `len` bytes of
// the range are initialised because the whole allocation is.
unsafe impl IoBuf for Shifted {
    fn stable_ptr(&self) -> *const u8 {
        self.inner.stable_ptr().wrapping_add(self.shift)
    }
    fn bytes_init(&self) -> usize {
        self.len
    }
}

// SAFETY: as above; `shift + total` bytes are allocated and owned.
unsafe impl IoBufMut for Shifted {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.inner.stable_mut_ptr().wrapping_add(self.shift)
    }
    fn bytes_total(&self) -> usize {
        self.total
    }
    unsafe fn set_init(&mut self, len: usize) {
        self.len = len;
    }
}

pub(crate) async fn aligned_transfers(lab: &Lab) {
    let path = lab.path("file");
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    let align = file.direct_alignment().unwrap();
    assert!(align.is_power_of_two() && align <= 65_536, "{align}");
    for (blocks, offset) in [(1, 0), (3, 5), (16, 1), (300, 2)] {
        let offset = offset * align as u64;
        let data = bytes(blocks as u64, offset, blocks * align);
        let (result, _) = file.write_at(AlignedBuf::copy_from(&data).unwrap(), offset).await;
        assert_eq!(result.unwrap(), data.len());
        assert_same(&lab.content(&path)[offset as usize..][..data.len()], &data, "written");
        let room = AlignedBuf::with_alignment(data.len(), align.max(4096)).unwrap();
        let (result, read) = file.read_at(room, offset).await;
        assert_same(&read[..data.len()], &data, "read");
        assert!(result.unwrap() >= data.len());
    }
    file.sync_data().await.unwrap();
}

pub(crate) async fn unaligned_reads_at_every_edge(lab: &Lab) {
    let data = bytes(1, 0, 3 * 4096 + 777);
    let path = lab.install("file", &data);
    let Some(file) = open_direct(lab, &path, &OpenOptions::new().read(true)).await else { return };
    let align = file.direct_alignment().unwrap();
    let edges =
        [0, 1, align - 1, align, align + 1, 4095, 4096, 4097, data.len() - 1, data.len(), data.len() + 1];
    for offset in edges {
        for len in edges.into_iter().filter(|len| *len > 0) {
            let (result, read) = file.read_at(Vec::with_capacity(len), offset as u64).await;
            let expected = &data[offset.min(data.len())..data.len().min(offset + len)];
            assert_eq!(result.unwrap(), expected.len(), "offset {offset}, length {len}");
            assert_same(&read, expected, &format!("offset {offset}, length {len}"));
        }
    }
}

pub(crate) async fn unaligned_memory(lab: &Lab) {
    let path = lab.install("file", &[0; 64 * 1024]);
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    for shift in [1, 3, 4, 64, 511] {
        let data = bytes(shift as u64, 0, 8192);
        let (result, back) = file.write_at(Shifted::copy_of(&data, shift), 4096).await;
        assert_eq!(result.unwrap(), 8192);
        assert_same(back.as_slice(), &data, "the buffer that came back");
        assert_same(&lab.content(&path)[4096..12_288], &data, "written");
        let (result, read) = file.read_at(Shifted::room(8192, shift), 4096).await;
        assert_eq!(result.unwrap(), 8192);
        assert_same(read.as_slice(), &data, "read");
    }
    assert_eq!(lab.content(&path).len(), 64 * 1024);
}

pub(crate) async fn misaligned_writes_are_refused(lab: &Lab) {
    let path = lab.install("file", &[7; 16_384]);
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    let align = file.direct_alignment().unwrap();
    if align == 1 {
        // Nothing is misaligned on such a file.
        return;
    }
    for (offset, len) in [(1, align), (0, align - 1), (align as u64, 1), (align as u64 / 2, align)] {
        let (result, back) = file.write_at(vec![1; len], offset).await;
        let text = refusal(result, OpKind::Write, &path);
        assert!(text.contains("Misaligned"), "{text}");
        assert_eq!(back.len(), len);
    }
    let (result, _) = file.write_vectored_at(vec![vec![1; align - 1], vec![1; 1]], 0).await;
    let error = result.unwrap_err();
    assert!(matches!(Refusal::of(&error), Some(Refusal::Misaligned { .. })), "{error}");
    assert_eq!(FileError::of(&error).unwrap().path, path);
    assert_eq!(lab.content(&path), [7; 16_384], "nothing was written");
}

pub(crate) async fn large_unaligned_reads(lab: &Lab) {
    const LEN: usize = (3 << 20) + 77;
    let data = bytes(1, 0, LEN);
    let path = lab.install("file", &data);
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    for (offset, len) in [(0, LEN), (3, LEN - 3), (4097, 2 << 20), (1, LEN + 100)] {
        let (result, read) = file.read_at(Vec::with_capacity(len), offset as u64).await;
        let expected = &data[offset..data.len().min(offset + len)];
        assert_eq!(result.unwrap(), expected.len());
        assert_same(&read, expected, "a large unaligned read");
    }
}

pub(crate) async fn direct_vectored_transfers(lab: &Lab) {
    let path = lab.path("file");
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    let align = file.direct_alignment().unwrap().max(512);
    let data = bytes(1, 0, 6 * align);
    let aligned =
        |from: usize, upto: usize| AlignedBuf::copy_from(&data[from * align..upto * align]).unwrap();
    let (result, bufs) = file.write_vectored_at(vec![aligned(0, 1), aligned(1, 4), aligned(4, 6)], 0).await;
    assert_eq!((result.unwrap(), bufs.len()), (6 * align, 3));
    assert_same(&lab.content(&path), &data, "written");
    // Buffers that are not aligned, with an empty one, up to the end of the file.
    let rooms = vec![Vec::with_capacity(100), Vec::new(), Vec::with_capacity(3 * align), vec![0; 4 * align]];
    let (result, bufs) = file.read_vectored_at(rooms, 50).await;
    assert_eq!(result.unwrap(), 6 * align - 50);
    assert_same(&bufs.concat(), &data[50..], "read in parts");
    assert_eq!((bufs[0].len(), bufs[1].len(), bufs[2].len()), (100, 0, 3 * align));
}

pub(crate) async fn the_page_cache_where_there_is_no_direct_io(lab: &Lab) {
    let path = lab.path("file");
    let on = open_direct(lab, &path, &options()).await;
    let auto = lab.engine.open(&path, &options().direct(DirectMode::Auto)).await.unwrap();
    assert_eq!(auto.direct_alignment(), on.as_ref().and_then(File::direct_alignment));
    if on.is_none() {
        auto.write_at(b"through the page cache".to_vec(), 1).await.0.unwrap();
        assert_eq!(lab.content(&path), b"\0through the page cache");
    }
    let options = OpenOptions::new().read(true).write(true).create_new(true).direct(DirectMode::Auto);
    lab.engine.open(lab.path("new"), &options).await.unwrap();
    let again = lab.engine.open(lab.path("new"), &options).await;
    assert_eq!(failure(again, OpKind::Open, &lab.path("new")).kind(), ErrorKind::AlreadyExists);
}

pub(crate) async fn direct_reads_near_the_largest_offset(lab: &Lab) {
    let path = lab.install("file", b"content");
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    // The aligned range around it ends behind the largest offset, which no request to a kernel may.
    let (result, buf) = file.read_at(vec![0; 50], i64::MAX as u64 - 100).await;
    match result {
        Ok(count) => assert_eq!((count, buf.len()), (0, 0)),
        error => assert!(refusal(error, OpKind::Read, &path).contains("OffsetOverflow")),
    }
}

fn kernel_before(version: (u32, u32)) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < version
}

pub(crate) async fn files_whose_data_is_journalled(lab: &Lab) {
    /// `FS_JOURNAL_DATA_FL`: ext4 opens such a file for direct I/O and goes through the page cache all the same.
    const JOURNAL_DATA: libc::c_long = 0x4000;
    if lab.is_sim() {
        return;
    }
    let path = lab.install("file", &[7; 8192]);
    if !set_attributes(&std::fs::File::open(&path).unwrap(), JOURNAL_DATA) {
        // Other file systems have no such files.
        return;
    }
    let is_direct = open_direct(lab, &path, &options()).await.is_some();
    // Linux 6.1 gives the attribute no effect under delayed allocation, the default; 6.18 does.
    assert!(!is_direct || kernel_before((6, 18)), "journalled data is not transferred directly");
    let options = options().direct(DirectMode::Auto).unaligned_writes(UnalignedWrites::ReadModifyWrite);
    let file = lab.engine.open(&path, &options).await.unwrap();
    assert_eq!(file.direct_alignment().is_some(), is_direct);
    file.write_at(vec![1; 3], 5).await.0.unwrap();
    assert_eq!(lab.content(&path)[..9], [7, 7, 7, 7, 7, 1, 1, 1, 7]);
}

pub(crate) async fn nothing_is_moved_from_an_odd_offset(lab: &Lab) {
    let path = lab.install("file", &[7; 8192]);
    let Some(file) = open_direct(lab, &path, &options()).await else { return };
    let (read, _) = file.read_vectored_at(Vec::<Vec<u8>>::new(), 1).await;
    let (read_empty, _) = file.read_vectored_at(vec![Vec::new(), Vec::new()], 3).await;
    let (written, _) = file.write_vectored_at(vec![Vec::new()], 5).await;
    assert_eq!([read.unwrap(), read_empty.unwrap(), written.unwrap()], [0; 3]);
    assert_eq!(lab.content(&path), [7; 8192]);
}

pub(crate) async fn a_directory_is_not_a_direct_file(lab: &Lab) {
    let path = lab.make_directory("directory");
    for mode in [DirectMode::On, DirectMode::Auto] {
        let result = lab.engine.open(&path, &OpenOptions::new().read(true).direct(mode)).await;
        let error = failure(result, OpKind::Open, &path);
        assert_eq!(error.kind(), ErrorKind::IsADirectory, "{mode:?}: {error}");
    }
}
