//! What runs inside: the script that is the guest's first process.
//!
//! It loads modules, prepares devices, runs one program and prints `RIO-VM-EXIT: status`. A test learns what it may use
//! from the environment; [`Part`] lists the variables.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the test program lies in the guest.
pub(super) const TEST_PATH: &str = "test/program";
/// Where the script lies that changes how the mapped device behaves.
pub(super) const FAULT_PATH: &str = "bin/rio-fault";

/// What runs in the guest.
pub(super) enum Program {
    /// The built-in survey of the machine.
    Survey,
    /// A test executable of this machine.
    Test(PathBuf),
}

/// A set of devices with the modules and mounts that go with it.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// ext4 and xfs on virtio disks. `RIO_TEST_DIRS` names both and a tmpfs; `TMPDIR` is on ext4.
    Disks,
    /// ext4 on a device with 4 KiB sectors, also in `RIO_TEST_DIRS`; the device is `RIO_VM_LARGE_SECTOR_DEVICE`.
    LargeSectors,
    /// A SCSI disk that makes errors on request: `RIO_VM_SCSI_DEVICE`, steered by the files below `RIO_VM_SCSI_CONTROL`.
    Scsi,
    /// ext4 at `RIO_VM_DM_DIR` on the mapped device `RIO_VM_DM_DEVICE`. The program `RIO_VM_DM_CONTROL` makes it fail
    /// or hang.
    DeviceMapper,
}

/// What a disk image holds.
#[derive(Clone, Copy)]
pub(super) enum Disk {
    Ext4,
    Ext4LargeSectors,
    Xfs,
}

/// A disk of the machine.
pub(super) struct DiskImage {
    pub(super) path: PathBuf,
    pub(super) sector_bytes: u32,
}

impl Disk {
    /// Commands that write the file system into an image, less the image's path: the first that works.
    pub(super) fn make_commands(self) -> &'static [&'static [&'static str]] {
        match self {
            // Complete at once: otherwise the kernel goes on writing tables in the background, into a faulty device.
            Self::Ext4 => &[&["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]],
            Self::Ext4LargeSectors => {
                &[&["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"]]
            }
            // A host newer than the guest's kernel would turn on features that kernel cannot mount; an older one has
            // no such file, or does not know all that is in it.
            Self::Xfs => &[
                &["mkfs.xfs", "-q", "-f", "-c", "options=/usr/share/xfsprogs/mkfs/lts_6.1.conf"],
                &["mkfs.xfs", "-q", "-f"],
            ],
        }
    }

    pub(super) fn sector_bytes(self) -> u32 {
        match self {
            // Not a null_blk device: with blocks of 4 KiB in memory it returns zeros for the second part of a read whose
            // buffer is aligned to 512 bytes only (Linux 6.1).
            Self::Ext4LargeSectors => 4096,
            Self::Ext4 | Self::Xfs => 512,
        }
    }
}

impl Part {
    /// Disks that the host makes for it, in the order in which the guest names them.
    pub(super) fn disks(self) -> &'static [Disk] {
        match self {
            Self::Disks => &[Disk::Ext4, Disk::Xfs],
            Self::DeviceMapper => &[Disk::Ext4],
            Self::LargeSectors => &[Disk::Ext4LargeSectors],
            Self::Scsi => &[],
        }
    }

    /// Modules that it needs.
    pub(super) fn modules(self) -> &'static [&'static str] {
        match self {
            // Both file systems ask for a checksum by name when they load, so a driver for it must be there first.
            Self::Disks => &["crc32c_generic", "virtio_pci", "virtio_blk", "ext4", "xfs"],
            Self::LargeSectors => &["crc32c_generic", "virtio_pci", "virtio_blk", "ext4"],
            Self::Scsi => &["crct10dif_generic", "sd_mod", "scsi_debug"],
            Self::DeviceMapper => &["dm_mod", "dm_flakey", "dm_delay"],
        }
    }

    /// A label and directory for `RIO_TEST_DIRS`.
    fn directories(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Disks => &[("ext4", "/mnt/ext4"), ("xfs", "/mnt/xfs"), ("tmpfs", "/mnt/tmpfs")],
            Self::LargeSectors => &[("ext4-4k-sectors", "/mnt/large")],
            Self::Scsi | Self::DeviceMapper => &[],
        }
    }

    /// Shell lines that make it ready; `first_disk` is the first of its disks.
    fn setup(self, first_disk: usize) -> String {
        match self {
            Self::Disks => "\
                await /dev/vdb\n\
                attach ext4 /dev/vda /mnt/ext4\n\
                attach xfs /dev/vdb /mnt/xfs\n\
                mkdir -p /mnt/tmpfs /mnt/ext4/tmp && mount -t tmpfs tmpfs /mnt/tmpfs || fail tmpfs\n\
                export TMPDIR=/mnt/ext4/tmp\n"
                .to_owned(),
            Self::LargeSectors => format!(
                "export RIO_VM_LARGE_SECTOR_DEVICE={0}\nawait {0}\nattach ext4 {0} /mnt/large\n",
                disk_name(first_disk)
            ),
            Self::Scsi => "\
                await /dev/sda\n\
                export RIO_VM_SCSI_DEVICE=/dev/sda RIO_VM_SCSI_CONTROL=/sys/bus/pseudo/drivers/scsi_debug\n"
                .to_owned(),
            Self::DeviceMapper => format!(
                "export RIO_VM_DM_BACKING={} RIO_VM_DM_DEVICE=/dev/mapper/rio DM_DISABLE_UDEV=1\n\
                 export RIO_VM_DM_CONTROL=/{FAULT_PATH} RIO_VM_DM_DIR=/mnt/dm\n\
                 await $RIO_VM_DM_BACKING\n\
                 rio-fault none || fail device mapper\n\
                 attach ext4 $RIO_VM_DM_DEVICE $RIO_VM_DM_DIR\n",
                disk_name(first_disk)
            ),
        }
    }
}

/// What the first process has to do.
pub(super) struct Guest<'a> {
    /// Devices to prepare.
    pub(super) parts: &'a [Part],
    /// Modules to load, in this order.
    pub(super) modules: &'a [String],
    /// What to run.
    pub(super) program: &'a Program,
    /// Its arguments.
    pub(super) arguments: &'a [String],
    /// When the host gives up.
    pub(super) limit: Duration,
    /// The scratch directory that cargo compiled into the test.
    pub(super) test_directory: &'a Path,
}

impl Guest<'_> {
    /// The script that is the first process: everything up to the verdict.
    pub(super) fn script(&self) -> String {
        let mut script = HEAD.to_owned();
        // Who hangs, and where, is known only in here: the kernel tells its console shortly before the end.
        let patience = self.limit.saturating_sub(Duration::from_secs(8)).as_secs();
        script +=
            &format!("(sleep {patience}; echo 7 >/proc/sys/kernel/printk; echo w >/proc/sysrq-trigger) &\n");
        for module in self.modules {
            let file = format!("/modules/{module}.ko {}", parameters(module));
            script += &format!("insmod {file} || fail insmod {module}\n");
        }
        let mut disks = 0;
        for part in self.parts {
            script += &part.setup(disks);
            disks += part.disks().len();
        }
        script + &self.environment() + &self.command() + "finish $status\n"
    }

    fn environment(&self) -> String {
        let directories = self.parts.iter().flat_map(|part| part.directories());
        let pairs: Vec<String> = directories.map(|(label, path)| format!("{label}={path}")).collect();
        let scratch = quote(&self.test_directory.to_string_lossy());
        format!(
            "export RIO_VM=1 RIO_TEST_DIRS={}\nmkdir -p \"$(dirname {scratch})\" && ln -s \"${{TMPDIR:-/tmp}}\" {scratch}\n",
            pairs.join(":")
        )
    }

    fn command(&self) -> String {
        match self.program {
            Program::Survey => SURVEY.to_owned(),
            Program::Test(_) => {
                let quoted: String =
                    self.arguments.iter().map(|argument| format!(" {}", quote(argument))).collect();
                format!("(cd /tmp && /{TEST_PATH}{quoted})\nstatus=$?\n")
            }
        }
    }
}

fn disk_name(index: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(index).unwrap_or(25).min(25));
    format!("/dev/vd{letter}")
}

fn parameters(module: &str) -> &'static str {
    match module {
        "scsi_debug" => "dev_size_mb=128 delay=0",
        _ => "",
    }
}

fn quote(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// Mounts what every program expects and defines what the set-up lines use.
const HEAD: &str = include_str!("scripts/head.sh");

/// Changes the behaviour of the mapped device while it is in use.
pub(super) const FAULT_SCRIPT: &str = include_str!("scripts/rio-fault.sh");

/// Proves each device by using it.
const SURVEY: &str = include_str!("scripts/survey.sh");

#[cfg(test)]
mod tests {
    use super::*;

    fn guest<'a>(parts: &'a [Part], program: &'a Program, arguments: &'a [String]) -> Guest<'a> {
        let (limit, test_directory) = (Duration::from_secs(60), Path::new("/built/here/tmp"));
        Guest { parts, modules: &[], program, arguments, limit, test_directory }
    }

    #[test]
    fn arguments_reach_the_test_unchanged() {
        let (program, arguments) = (Program::Test("unused".into()), ["it's".to_owned(), "$VALUE".to_owned()]);
        let script = guest(&[Part::Disks], &program, &arguments).script();
        assert!(script.contains(r"/test/program 'it'\''s' '$VALUE')"), "{script}");
        assert!(script.ends_with("finish $status\n"));
    }

    #[test]
    fn a_guest_that_hangs_says_where_before_it_is_killed() {
        let script = guest(&[], &Program::Survey, &[]).script();
        assert!(script.contains("(sleep 52; echo 7 >"), "{script}");
    }

    #[test]
    fn disks_are_numbered_across_parts() {
        let parts = [Part::Disks, Part::Scsi, Part::LargeSectors, Part::DeviceMapper];
        let modules = ["scsi_debug".to_owned()];
        let script = Guest { modules: &modules, ..guest(&parts, &Program::Survey, &[]) }.script();
        assert!(script.contains("RIO_VM_LARGE_SECTOR_DEVICE=/dev/vdc\n"));
        assert!(script.contains("RIO_VM_DM_BACKING=/dev/vdd"));
        assert!(script.contains("insmod /modules/scsi_debug.ko dev_size_mb=128 delay=0"));
        let directories = "ext4=/mnt/ext4:xfs=/mnt/xfs:tmpfs=/mnt/tmpfs:ext4-4k-sectors=/mnt/large";
        assert!(script.contains(&format!("RIO_TEST_DIRS={directories}\n")));
    }
}
