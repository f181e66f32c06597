//! Slow devices, a raw SCSI disk with a bad block, and sectors of 4 KiB.

use crate::failing::{assert_path, check_blocks};
use crate::lab::{Kind, balance, data, failure};
use crate::rig::{
    self, BLOCK, Rig, assert_errno, block, buffered, direct, empty, engine, install, offset, run,
};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{File, OpKind, Refusal, UnalignedWrites};
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

/// Everything completes, and correctly, on a device that takes its time.
pub(crate) fn slow_device(rig: &Rig, kind: Kind) {
    const BLOCKS: usize = 32;
    rig.remount();
    let path = rig.file("slow", 1, BLOCKS);
    run(async {
        let engine = engine(kind);
        let file = engine.open(&path, &direct()).await.unwrap();
        let cached = engine.open(&path, &buffered()).await.unwrap();
        rig.fault(&["delay", "40"]);
        let mut tasks = JoinSet::new();
        for index in 0..BLOCKS {
            let file = file.clone();
            tasks.spawn(async move {
                let (result, buffer) = file.read_at(empty(), offset(index)).await;
                assert_eq!(result.unwrap(), BLOCK);
                data::assert_same(&buffer, &block(1, index), "a block of the slow device");
                assert_eq!(file.write_at(block(2, index), offset(index)).await.0.unwrap(), BLOCK);
            });
        }
        tasks.join_all().await;
        assert_eq!(cached.write_at(block(3, 0), 0).await.0.unwrap(), BLOCK);
        cached.sync_all().await.unwrap();
        check_blocks(&file, 3, 1).await;
        rig.heal();
        let (result, buffer) = file.read_at(empty(), offset(BLOCKS - 1)).await;
        assert_eq!(result.unwrap(), BLOCK);
        data::assert_same(&buffer, &block(2, BLOCKS - 1), "the last block");
        drop((file, cached));
        balance(&engine).await;
    });
}

/// The block in which the driver's bad sector (4660) lies.
const BAD_BLOCK: usize = 4660 * 512 / BLOCK;

/// A raw block device: alignment, unaligned reads, and a medium error that concerns one block only.
pub(crate) fn scsi_disk(_: &Rig, kind: Kind) {
    let device = PathBuf::from(rig::variable("RIO_VM_SCSI_DEVICE"));
    let blocks = BAD_BLOCK + 2;
    run(async {
        let engine = engine(kind);
        let file = engine.open(&device, &direct()).await.unwrap();
        assert_eq!(file.direct_alignment(), Some(512));
        let whole = AlignedBuf::copy_from(&data::bytes(1, 0, blocks * BLOCK)).unwrap();
        assert_eq!(file.write_at(whole, 0).await.0.unwrap(), blocks * BLOCK);
        file.sync_all().await.unwrap();
        check_unaligned_read(&file, 1).await;
        // One sector, which is the device's unit, is enough.
        let sector = AlignedBuf::with_alignment(512, 512).unwrap();
        let (result, sector) = file.read_at(sector, 1536).await;
        assert_eq!(result.unwrap(), 512);
        data::assert_same(&sector, &data::bytes(1, 1536, 512), "a sector");

        let before = engine.stats();
        let fault = MediumError::switch_on();
        for _ in 0..16 {
            let (result, _) = file.read_at(empty(), offset(BAD_BLOCK)).await;
            // Not EIO: this is what the kernel's block layer makes of an unreadable sector.
            assert_errno(&failure(result, OpKind::Read, &device), libc::ENODATA);
        }
        check_blocks(&file, 1, 4).await;
        drop(fault);
        let (result, buffer) = file.read_at(empty(), offset(BAD_BLOCK)).await;
        assert_eq!(result.unwrap(), BLOCK);
        data::assert_same(&buffer, &block(1, BAD_BLOCK), "the block that was bad");
        assert_path(kind, &engine, &before, 16 + 4 + 1);
        drop(file);
        balance(&engine).await;
    });
}

/// Reports a medium error on reads of one sector while it lives.
struct MediumError;

impl MediumError {
    fn switch_on() -> Self {
        Self::set("2");
        Self
    }

    fn set(value: &str) {
        let directory = rig::variable("RIO_VM_SCSI_CONTROL");
        std::fs::write(Path::new(&directory).join("opts"), value).unwrap();
    }
}

impl Drop for MediumError {
    fn drop(&mut self) {
        Self::set("0");
    }
}

/// Reads across a block's end, from no boundary to no boundary, into memory at no boundary.
async fn check_unaligned_read(file: &File, stream: u64) {
    let (result, buffer) = file.read_at(Vec::with_capacity(5001), 333).await;
    let len = buffer.len();
    assert_eq!(result.unwrap(), len);
    assert!(len >= 5001, "{len}");
    data::assert_same(&buffer, &data::bytes(stream, 333, len), "an unaligned read");
}

/// Sectors of 4 KiB: the alignment is found, smaller writes are refused or modify whole sectors.
pub(crate) fn large_sectors(_: &Rig, kind: Kind) {
    let directories = rig::variable("RIO_TEST_DIRS");
    let labelled = directories.split(':').find_map(|entry| entry.strip_prefix("ext4-4k-sectors="));
    let path = install(&Path::new(labelled.unwrap()).join("sectors"), 1, 4);
    run(async {
        let engine = engine(kind);
        let file = engine.open(&path, &direct()).await.unwrap();
        assert_eq!(file.direct_alignment(), Some(4096));
        let stat = file.stat().await.unwrap();
        let reported = stat.direct.expect("kernel 6.1 reports the alignment");
        assert_eq!(reported.offset, 4096);
        check_unaligned_read(&file, 1).await;

        let sector = || AlignedBuf::copy_from(&data::bytes(2, 512, 512)).unwrap();
        let error = failure(file.write_at(sector(), 512).await.0, OpKind::Write, &path);
        match Refusal::of(&error) {
            Some(Refusal::Misaligned { alignment: 4096, offset: 512, len: 512 }) => {}
            _ => panic!("not refused as misaligned: {error:?}"),
        }
        check_blocks(&file, 1, 4).await;

        let modifying = direct().unaligned_writes(UnalignedWrites::ReadModifyWrite);
        let modified = engine.open(&path, &modifying).await.unwrap();
        assert_eq!(modified.write_at(sector(), 512).await.0.unwrap(), 512);
        let mut expected = data::bytes(1, 0, BLOCK);
        expected[512..1024].copy_from_slice(&data::bytes(2, 512, 512));
        let (result, buffer) = file.read_at(empty(), 0).await;
        assert_eq!(result.unwrap(), BLOCK);
        data::assert_same(&buffer, &expected, "the modified sector");

        // Without a file system in between it is the same.
        let device = engine.open(rig::variable("RIO_VM_LARGE_SECTOR_DEVICE"), &direct()).await.unwrap();
        assert_eq!(device.direct_alignment(), Some(4096));
        drop((file, modified, device));
        balance(&engine).await;
    });
}
