//! Power loss: what a recorded disk held at any moment, and whether a log on it keeps its promises.
//!
//! qemu records every write and flush of the disk (`blklogwrites`; the format is that of Linux's dm-log-writes,
//! Documentation/admin-guide/device-mapper/log-writes.rst). What the guest's writer says is noted with the length that the record
//! had when it arrived: everything that it speaks of is in the record before that. An image is rebuilt at each flush and at
//! moments between, with all of the writes since the flush before or with any part of them, mounted, and checked by the test program
//! against what had arrived by then.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::guest::DiskImage;
use crate::process::{self, command};

const SECTOR: u64 = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
/// Moments between two flushes are one in so many writes.
const BETWEEN: u64 = 3;
/// Marks of what the writer says.
const PROMISES: [&str; 2] = ["RIO-ACK ", "RIO-GAVE-UP "];

/// A disk whose writes are recorded.
pub(super) struct Recorded {
    /// Name of its file system in what the writer says.
    label: String,
    /// The disk before the machine started.
    before: PathBuf,
    /// The record.
    pub(super) log: PathBuf,
    /// Lines of the writer about this disk, with the length of the record at their arrival.
    promises: Vec<(u64, String)>,
}

impl Recorded {
    /// Prepares the recording of a disk.
    pub(super) fn new(label: &str, disk: &DiskImage) -> Result<Self> {
        let (before, log) = (disk.path.with_extension("before"), disk.path.with_extension("log"));
        process::run(command("cp", &["--sparse=always"]).arg(&disk.path).arg(&before))?;
        File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        Ok(Self { label: label.to_owned(), before, log, promises: Vec::new() })
    }

    /// Notes a line if it is a promise about this disk.
    pub(super) fn hear(&mut self, line: &str) -> bool {
        let Some(start) = PROMISES.iter().filter_map(|mark| line.find(mark)).min() else { return false };
        let line = &line[start..];
        if line.split(' ').nth(1) != Some(&self.label) {
            return false;
        }
        let length = std::fs::metadata(&self.log).map_or(u64::MAX, |metadata| metadata.len());
        self.promises.push((length, line.to_owned()));
        true
    }

    /// Checks the disk at every flush and at moments between. Returns how many.
    pub(super) fn check(&self, program: &Path) -> Result<u64> {
        ensure!(!self.promises.is_empty(), "the writer on {} promised nothing", self.label);
        // What the last flush has made durable.
        let image = self.log.with_extension("image");
        process::output(command("cp", &["--sparse=always"]).arg(&self.before).arg(&image))?;
        let disk = File::options().write(true).open(&image)?;
        let mut record = Record::open(&self.log)?;
        let mut dice = Dice(1);
        let (mut moments, mut writes) = (0, 0u64);
        let mut unflushed: Vec<Entry> = Vec::new();
        while let Some(entry) = record.next()? {
            let flushes = entry.flags & FLUSH != 0;
            writes += 1;
            if flushes || writes.is_multiple_of(BETWEEN) {
                // Before the flush: everything written is there, or any part of what no flush has covered.
                let some: Vec<&Entry> = unflushed.iter().filter(|_| dice.throw()).collect();
                self.probe(program, &image, (&record, &some), entry.offset)?;
                moments += 1;
                if flushes {
                    let all: Vec<&Entry> = unflushed.iter().collect();
                    self.probe(program, &image, (&record, &all), entry.offset)?;
                    moments += 1;
                }
            }
            if flushes {
                unflushed.drain(..).try_for_each(|entry| record.apply(&entry, &disk))?;
            }
            // With this flag a write is durable when it is complete, and not before.
            if entry.flags & FUA != 0 {
                record.apply(&entry, &disk)?;
            } else {
                unflushed.push(entry);
            }
        }
        let all: Vec<&Entry> = unflushed.iter().collect();
        self.probe(program, &image, (&record, &all), record.offset)?;
        println!("{}: {} promises kept at {} moments", self.label, self.promises.len(), moments + 1);
        Ok(moments + 1)
    }

    /// Mounts a copy of the image with some more writes and runs the check on it. The mount is in a namespace of its own and
    /// goes with it.
    fn probe(
        &self,
        program: &Path,
        image: &Path,
        (record, writes): (&Record, &[&Entry]),
        moment: u64,
    ) -> Result<()> {
        let probe = &image.with_extension("probe");
        process::output(command("cp", &["--sparse=always"]).arg(image).arg(probe))?;
        let disk = File::options().write(true).open(probe)?;
        writes.iter().try_for_each(|entry| record.apply(entry, &disk))?;
        drop(disk);
        let promises = probe.with_extension("promises");
        let mut file = File::create(&promises)?;
        for (_, line) in self.promises.iter().filter(|(length, _)| *length <= moment) {
            writeln!(file, "{line}")?;
        }
        let mount = probe.with_extension("mount");
        std::fs::create_dir_all(&mount)?;
        let script = "mount -t \"$1\" -o loop \"$2\" \"$3\" && \"$4\" check \"$3\" \"$5\"";
        let mut check = command("unshare", &["--mount", "sh", "-c", script, "sh", &self.label]);
        check.arg(probe).arg(&mount).arg(program).arg(&promises);
        let output = check.output().context("cannot start unshare")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} at byte {moment} of the record: {}\n{said}", self.label, output.status);
        }
        Ok(())
    }
}

/// Equal throws in each run: the generator of Marsaglia, "Xorshift RNGs", 2003.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & 1 == 1
    }
}

/// Something that was done to the disk.
struct Entry {
    /// Where it stands in the record.
    offset: u64,
    sector: u64,
    sectors: u64,
    flags: u64,
}

/// The record, read from front to back.
struct Record {
    file: File,
    offset: u64,
    end: u64,
}

impl Record {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let end = file.metadata()?.len();
        let record = Self { file, offset: SECTOR, end };
        let [magic, version, ..] = record.words(0)?;
        ensure!(magic == MAGIC && version == 1, "{} is no record of a disk", path.display());
        Ok(record)
    }

    fn words(&self, offset: u64) -> Result<[u64; 4]> {
        let mut bytes = [0; 32];
        self.file.read_exact_at(&mut bytes, offset)?;
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into()?);
        }
        Ok(words)
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        if self.offset + SECTOR > self.end {
            return Ok(None);
        }
        let [sector, sectors, flags, _] = self.words(self.offset)?;
        let entry = Entry { offset: self.offset, sector, sectors, flags };
        self.offset += SECTOR + if flags & DISCARD == 0 { sectors * SECTOR } else { 0 };
        // The last one may not be complete.
        Ok((self.offset <= self.end).then_some(entry))
    }

    fn apply(&self, entry: &Entry, disk: &File) -> Result<()> {
        if entry.flags & DISCARD != 0 {
            return Ok(());
        }
        let mut data = vec![0; usize::try_from(entry.sectors * SECTOR)?];
        self.file.read_exact_at(&mut data, entry.offset + SECTOR)?;
        disk.write_all_at(&data, entry.sector * SECTOR)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_told_from_other_output_and_by_disk() {
        let mut disk = Recorded {
            label: "xfs".to_owned(),
            before: PathBuf::new(),
            log: PathBuf::from("/nonexistent"),
            promises: Vec::new(),
        };
        assert!(disk.hear("RIO-ACK xfs 1 0 0") && disk.hear("# RIO-GAVE-UP xfs 7"));
        assert!(!disk.hear("RIO-ACK ext4 1 0 0") && !disk.hear("test ... ok"));
        assert_eq!(disk.promises[1], (u64::MAX, "RIO-GAVE-UP xfs 7".to_owned()));
    }
}
