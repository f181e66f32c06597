//! Reads and writes over several buffers.

use super::transfer::{open, read};
use crate::lab::data::{assert_same, bytes};
use crate::lab::{Lab, refusal};
use rustfs_rio_engine::OpKind;

/// Cuts data into buffers of these lengths, over and over.
pub(crate) fn cut(data: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = data;
    let mut parts = Vec::new();
    for len in lengths.iter().cycle() {
        let (part, tail) = rest.split_at((*len).min(rest.len()));
        parts.push(part.to_vec());
        rest = tail;
        if rest.is_empty() {
            return parts;
        }
    }
    parts
}

/// Empty buffers with the capacities of these.
pub(crate) fn rooms(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| Vec::with_capacity(part.len())).collect()
}

async fn round_trip(lab: &Lab, len: usize, lengths: &[usize], offset: u64) {
    let path = lab.path(&format!("{len}-{offset}-{}", lengths.len()));
    let file = open(lab, &path).await;
    let data = bytes(offset + 1, offset, len);
    let parts = cut(&data, lengths);
    let (result, back) = file.write_vectored_at(parts.clone(), offset).await;
    assert_eq!(result.unwrap(), len);
    assert!(back == parts, "the buffers come back unchanged and in order");
    assert_same(&lab.content(&path)[offset as usize..], &data, "written");
    let (result, back) = file.read_vectored_at(rooms(&parts), offset).await;
    assert_eq!(result.unwrap(), len);
    assert!(back == parts, "each buffer got its part");
    // Through one buffer, so that both sides cannot be wrong in the same way.
    assert_same(&read(&file, offset, len).await, &data, "read in one piece");
}

pub(crate) async fn buffers_are_filled_in_order(lab: &Lab) {
    round_trip(lab, 10_000, &[1, 4096, 77, 2048], 0).await;
    round_trip(lab, 10_000, &[10_000], 5).await;
}

pub(crate) async fn more_buffers_than_the_kernel_takes(lab: &Lab) {
    round_trip(lab, 3000 * 7, &[7], 3).await;
    round_trip(lab, 1024 * 3 + 1, &[3], 0).await;
}

pub(crate) async fn empty_buffers_do_not_end_a_transfer(lab: &Lab) {
    round_trip(lab, 4000, &[0, 0, 5, 0], 1).await;
    // More empty ones in a row than one request to the kernel takes, which would then move nothing.
    let many_empty: Vec<usize> = std::iter::repeat_n(0, 1100).chain([100]).collect();
    round_trip(lab, 1000, &many_empty, 0).await;
}

pub(crate) async fn no_buffers(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    for count in [0, 1, 2000] {
        let empty = vec![Vec::new(); count];
        let (result, back) = file.read_vectored_at(empty.clone(), 0).await;
        assert_eq!((result.unwrap(), back.len()), (0, count));
        let (result, back) = file.write_vectored_at(empty, 0).await;
        assert_eq!((result.unwrap(), back.len()), (0, count));
    }
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn the_end_of_the_file_empties_later_buffers(lab: &Lab) {
    let file = open(lab, &lab.install("file", b"0123456789")).await;
    let bufs = vec![vec![9u8; 4], vec![9u8; 3], vec![9u8; 10], vec![9u8; 2]];
    let (result, bufs) = file.read_vectored_at(bufs, 0).await;
    assert_eq!(result.unwrap(), 10);
    assert_eq!(bufs, [&b"0123"[..], b"456", b"789", b""]);
}

pub(crate) async fn large_vectored_transfers(lab: &Lab) {
    round_trip(lab, 3 << 20, &[100_001, 1, 65_536], 11).await;
}

pub(crate) async fn too_many_buffers(lab: &Lab) {
    let path = lab.install("file", b"content");
    let file = open(lab, &path).await;
    let bufs = vec![vec![0u8; 1]; 70_000];
    let (result, bufs) = file.read_vectored_at(bufs, 0).await;
    let text = refusal(result, OpKind::ReadVectored, &path);
    assert_eq!((bufs.len(), text.contains("TooManyBuffers")), (70_000, true), "{text}");
    let (result, bufs) = file.write_vectored_at(bufs, 0).await;
    refusal(result, OpKind::WriteVectored, &path);
    assert_eq!(bufs.len(), 70_000);
    assert_eq!(lab.content(&path), b"content");
}

pub(crate) async fn concurrent_vectored_operations(lab: &Lab) {
    let path = lab.path("file");
    let file = open(lab, &path).await;
    let task = |index: u64| {
        let file = file.clone();
        async move {
            let offset = index * 2000;
            let data = bytes(index, offset, 2000);
            let parts = cut(&data, &[1, 1500, 0, 499]);
            file.write_vectored_at(parts.clone(), offset).await.0.unwrap();
            let (result, back) = file.read_vectored_at(rooms(&parts), offset).await;
            assert_eq!(result.unwrap(), 2000);
            assert!(back == parts);
        }
    };
    let tasks: Vec<_> = (0..24).map(|index| tokio::spawn(task(index))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let expected: Vec<u8> = (0..24).flat_map(|index| bytes(index, index * 2000, 2000)).collect();
    assert_same(&lab.content(&path), &expected, "all ranges");
}
