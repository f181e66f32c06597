//! One run of qemu: start, relay what the guest prints, read the verdict, never outlive the limit.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::guest::DiskImage;
use crate::process::{command, text};

const PROCESSORS: usize = 2;
/// Room for a test program with debug information in the archive, its rings and its buffers.
const MEMORY_MIB: usize = 1536;
const EXIT_MARK: &str = "RIO-VM-EXIT:";
const SKIP_MARK: &str = "RIO-VM-SKIP:";

/// A machine about to run.
pub(super) struct Machine {
    /// The bootable kernel image.
    pub(super) kernel: PathBuf,
    /// The archive it boots from.
    pub(super) initramfs: PathBuf,
    /// Disk images, in the order in which the guest names them.
    pub(super) disks: Vec<DiskImage>,
    /// Files that record what is done to the first disks.
    pub(super) records: Vec<PathBuf>,
    /// Memory nodes, each with an equal share of memory and processors.
    pub(super) numa_nodes: usize,
    /// qemu's accelerator.
    pub(super) accelerator: String,
    /// Where the kernel's own messages go.
    pub(super) console: PathBuf,
}

/// What the guest reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The exit status of the program in the guest; `None` when the guest ended without one.
    pub(super) status: Option<i32>,
    /// What the program skipped, and why.
    pub(super) skips: Vec<String>,
}

impl Machine {
    /// Boots, relays the program's output, and kills the machine after `limit`.
    /// Lines that `hear` takes are not relayed.
    pub(super) fn run(&self, limit: Duration, hear: &mut dyn FnMut(&str) -> bool) -> Result<Verdict> {
        let mut child = self.command()?.spawn().context("cannot start qemu")?;
        let lines = child.stdout.take().map(read_lines).context("qemu has no output")?;
        let verdict = watch(&lines, Instant::now() + limit, hear);
        stop(&mut child, &verdict)?;
        match verdict {
            Some(verdict) => Ok(verdict),
            None => bail!(
                "the machine ran past its limit of {} s and was killed; its kernel's last words:\n{}",
                limit.as_secs(),
                tail(&self.console, 60)
            ),
        }
    }

    fn command(&self) -> Result<Command> {
        let mut qemu = command("qemu-system-x86_64", &["-nodefaults", "-no-user-config", "-no-reboot"]);
        qemu.args(["-display", "none", "-accel", &self.accelerator]);
        // All that qemu can emulate: the plain default lacks instructions that programs look for at run time.
        qemu.args(["-cpu", "max", "-smp", &PROCESSORS.to_string(), "-m", &format!("{MEMORY_MIB}M")]);
        qemu.args(self.numa_arguments());
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initramfs);
        // panic=-1 reboots at once, which -no-reboot turns into an end; no5lvl because deep page tables are slow to
        // emulate and nothing here needs them.
        qemu.args(["-append", "console=ttyS0 panic=-1 no5lvl quiet loglevel=5"]);
        qemu.args(["-serial", &format!("file:{}", text(&self.console)?), "-serial", "stdio"]);
        for (index, disk) in self.disks.iter().enumerate() {
            match self.records.get(index) {
                Some(record) => qemu.args(["-blockdev", &recorded(index, &disk.path, record)?]),
                None => {
                    // Images are scratch: their content need not survive this process, so its cache is safe enough.
                    let image =
                        format!("file={},format=raw,if=none,id=disk{index},cache=unsafe", text(&disk.path)?);
                    qemu.args(["-drive", &image])
                }
            };
            let sectors = format!("logical_block_size={0},physical_block_size={0}", disk.sector_bytes);
            qemu.args(["-device", &format!("virtio-blk-pci,drive=disk{index},{sectors}")]);
        }
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(qemu)
    }

    fn numa_arguments(&self) -> Vec<String> {
        if self.numa_nodes < 2 {
            return Vec::new();
        }
        let (memory, processors) = (MEMORY_MIB / self.numa_nodes, PROCESSORS / self.numa_nodes);
        let node = |index: usize| {
            let (first, last) = (index * processors, (index + 1) * processors - 1);
            [
                "-object".to_owned(),
                format!("memory-backend-ram,id=memory{index},size={memory}M"),
                "-numa".to_owned(),
                format!("node,nodeid={index},memdev=memory{index},cpus={first}-{last}"),
            ]
        };
        (0..self.numa_nodes).flat_map(node).collect()
    }
}

/// A disk whose writes and flushes go into a record as well.
fn recorded(index: usize, disk: &Path, record: &Path) -> Result<String> {
    let (disk, record) = (text(disk)?, text(record)?);
    Ok(format!(
        "driver=blklogwrites,node-name=disk{index},file.driver=file,file.filename={disk},log.driver=file,\
         log.filename={record},log-sector-size=512"
    ))
}

fn read_lines(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    // Ends with qemu, which closes the pipe; the machine is always stopped before this program ends.
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    receiver
}

/// Relays lines until the output ends; `None` when the deadline came first.
fn watch(lines: &Receiver<String>, deadline: Instant, hear: &mut dyn FnMut(&str) -> bool) -> Option<Verdict> {
    let mut verdict = Verdict::default();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if hear(&line) => {}
            Ok(line) => {
                println!("| {line}");
                take_mark(&line, &mut verdict);
            }
            Err(RecvTimeoutError::Disconnected) => return Some(verdict),
            Err(RecvTimeoutError::Timeout) => return None,
        }
    }
}

/// Marks count wherever they stand: a program may leave its last line unfinished.
fn take_mark(line: &str, verdict: &mut Verdict) {
    if let Some((_, status)) = line.split_once(EXIT_MARK) {
        verdict.status = status.trim().parse().ok();
    }
    if let Some((_, skip)) = line.split_once(SKIP_MARK) {
        let reason = skip.trim().trim_start_matches("RIO-SKIP:").trim();
        verdict.skips.push(reason.to_owned());
    }
}

fn stop(child: &mut Child, verdict: &Option<Verdict>) -> Result<()> {
    if verdict.is_none() {
        child.kill().context("cannot kill qemu")?;
    }
    let status = child.wait().context("waiting for qemu")?;
    if verdict.is_some() && !status.success() {
        bail!("qemu ended with {status}; its message stands above");
    }
    Ok(())
}

/// The last lines of a file, for a message about what went wrong.
pub(super) fn tail(path: &Path, count: usize) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_read_wherever_it_stands() {
        let mut verdict = Verdict::default();
        for line in ["test x ... ok", "RIO-VM-SKIP: RIO-SKIP: no xfs", "unfinishedRIO-VM-EXIT: 101"] {
            take_mark(line, &mut verdict);
        }
        assert_eq!(verdict, Verdict { status: Some(101), skips: vec!["no xfs".to_owned()] });
    }

    #[test]
    fn a_machine_past_its_deadline_has_no_verdict() {
        let (sender, receiver) = channel();
        sender.send("RIO-VM-EXIT: 0".to_owned()).unwrap();
        assert_eq!(watch(&receiver, Instant::now() + Duration::from_millis(20), &mut |_| false), None);
        drop(sender);
        assert_eq!(
            watch(&receiver, Instant::now() + Duration::from_secs(5), &mut |_| false),
            Some(Verdict::default())
        );
    }

    #[test]
    fn nodes_share_processors_and_memory() {
        let machine = Machine {
            kernel: PathBuf::new(),
            initramfs: PathBuf::new(),
            disks: Vec::new(),
            records: Vec::new(),
            numa_nodes: 2,
            accelerator: String::new(),
            console: PathBuf::new(),
        };
        let arguments = machine.numa_arguments().join(" ");
        assert!(arguments.contains("size=768M -numa node,nodeid=0,memdev=memory0,cpus=0-0"), "{arguments}");
        assert!(arguments.contains("nodeid=1,memdev=memory1,cpus=1-1"), "{arguments}");
    }
}
