//! The archive that the guest boots from: the kernel's own cpio format, written here because it is a page of code, needs
//! no root for device nodes and no copy of the tree on disk.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{self, command};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

enum Content {
    None,
    Bytes(Vec<u8>),
    File(PathBuf),
    /// Major and minor number.
    Device(u32, u32),
}

struct Entry {
    mode: u32,
    content: Content,
}

/// Files to be, by path without the leading slash; directories come before what is in them because they sort first.
pub(super) struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// An archive with the directories and the console that the kernel and every guest expect.
    pub(super) fn new() -> Self {
        let mut archive = Self { entries: BTreeMap::new() };
        for directory in ["bin", "dev", "etc", "mnt", "proc", "run", "sbin", "sys", "tmp"] {
            archive.add_directory(directory);
        }
        // The kernel opens it for the first process, before anything could mount a device directory.
        let console = Entry { mode: CHARACTER_DEVICE | 0o600, content: Content::Device(5, 1) };
        archive.entries.insert("dev/console".to_owned(), console);
        archive
    }

    /// A text file.
    pub(super) fn add_text(&mut self, guest: &str, text: &str, permissions: u32) {
        self.add(guest, REGULAR | permissions, Content::Bytes(text.as_bytes().to_vec()));
    }

    /// A copy of a file of this machine.
    pub(super) fn add_file(&mut self, host: &Path, guest: &str, permissions: u32) -> Result<()> {
        let path = host.canonicalize().with_context(|| format!("cannot find {}", host.display()))?;
        self.add(guest, REGULAR | permissions, Content::File(path));
        Ok(())
    }

    /// An executable with the loader and every shared library that it names, where it expects them.
    pub(super) fn add_program(&mut self, host: &Path, guest: &str) -> Result<()> {
        self.add_file(host, guest, 0o755)?;
        // ldd ends with an error for a static program, which needs nothing.
        let listing = process::output(command("ldd", &[]).arg(host)).unwrap_or_default();
        for library in libraries(&listing) {
            self.add_file(Path::new(library), library.trim_start_matches('/'), 0o755)?;
        }
        Ok(())
    }

    /// Writes the archive.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let file =
            std::fs::File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut out = BufWriter::new(file);
        for (number, (name, entry)) in (1..).zip(&self.entries) {
            let read;
            let bytes: &[u8] = match &entry.content {
                Content::Bytes(bytes) => bytes,
                Content::File(host) => {
                    read = std::fs::read(host).with_context(|| format!("cannot read {}", host.display()))?;
                    &read
                }
                Content::None | Content::Device(..) => &[],
            };
            write_entry(&mut out, number, name, entry, bytes)?;
        }
        let end = Entry { mode: 0, content: Content::None };
        write_entry(&mut out, 0, "TRAILER!!!", &end, &[])?;
        out.flush().with_context(|| format!("cannot write {}", path.display()))
    }

    fn add(&mut self, guest: &str, mode: u32, content: Content) {
        let mut parent = String::new();
        for part in guest.split('/').take(guest.matches('/').count()) {
            parent = if parent.is_empty() { part.to_owned() } else { format!("{parent}/{part}") };
            self.add_directory(&parent);
        }
        self.entries.insert(guest.to_owned(), Entry { mode, content });
    }

    fn add_directory(&mut self, guest: &str) {
        let directory = Entry { mode: DIRECTORY | 0o755, content: Content::None };
        self.entries.entry(guest.to_owned()).or_insert(directory);
    }
}

/// Absolute paths in the output of ldd: after an arrow, or alone for the loader.
fn libraries(listing: &str) -> impl Iterator<Item = &str> {
    listing.lines().filter_map(|line| {
        let target = line.split_once("=>").map_or(line, |(_, target)| target);
        target.split_whitespace().next().filter(|word| word.starts_with('/'))
    })
}

/// One entry in the "newc" format: a header of 14 hexadecimal fields, the name and the bytes, each padded to four.
fn write_entry(out: &mut impl Write, number: u32, name: &str, entry: &Entry, bytes: &[u8]) -> Result<()> {
    let (major, minor) = match entry.content {
        Content::Device(major, minor) => (major, minor),
        _ => (0, 0),
    };
    let size = u32::try_from(bytes.len()).with_context(|| format!("{name} is too large for the archive"))?;
    let name_size = u32::try_from(name.len() + 1).context("name too long")?;
    let (owner, links, time, checksum) = (0, 1, 0, 0);
    let fields =
        [number, entry.mode, owner, owner, links, time, size, 0, 0, major, minor, name_size, checksum];
    let mut header = String::from("070701");
    for field in fields {
        header += &format!("{field:08x}");
    }
    out.write_all(header.as_bytes())?;
    out.write_all(name.as_bytes())?;
    pad(out, header.len() + name.len() + 1, 1)?;
    out.write_all(bytes)?;
    pad(out, bytes.len(), 0)
}

/// Zero bytes up to the next multiple of four, after `terminator` bytes that were counted but not yet written.
fn pad(out: &mut impl Write, written: usize, terminator: usize) -> Result<()> {
    let count = terminator + written.next_multiple_of(4) - written;
    out.write_all(&[0; 4][..count]).context("cannot write the archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_starts_and_ends_on_four_bytes() {
        for (name, bytes) in [("a", "xyz"), ("ab", ""), ("abc", "1234"), ("abcd", "12345")] {
            let mut out = Vec::new();
            let entry = Entry { mode: REGULAR | 0o644, content: Content::None };
            write_entry(&mut out, 7, name, &entry, bytes.as_bytes()).unwrap();
            let name_end = (110 + name.len() + 1).next_multiple_of(4);
            assert_eq!(out.len(), name_end + bytes.len().next_multiple_of(4));
            assert_eq!(&out[..6], b"070701");
            assert_eq!(&out[110..110 + name.len()], name.as_bytes());
            assert_eq!(out[110 + name.len()], 0);
            assert_eq!(&out[name_end..name_end + bytes.len()], bytes.as_bytes());
        }
    }

    #[test]
    fn parents_come_first() {
        let mut archive = Archive::new();
        archive.add_text("usr/lib/x/y", "text", 0o644);
        let names: Vec<_> = archive.entries.keys().map(String::as_str).collect();
        let position = |name| names.iter().position(|other| *other == name).unwrap();
        assert!(position("usr") < position("usr/lib") && position("usr/lib/x") < position("usr/lib/x/y"));
    }

    #[test]
    fn libraries_are_absolute_paths_only() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00)\n\tlibgone.so => not found\n";
        assert_eq!(
            libraries(listing).collect::<Vec<_>>(),
            ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
        assert_eq!(libraries("\tnot a dynamic executable\n").count(), 0);
    }
}
