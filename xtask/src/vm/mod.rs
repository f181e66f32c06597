//! `cargo xtask vm SCENARIO`: another kernel, other devices, another memory layout, with a test inside.
//!
//! [`kernel`] brings Debian's kernel and its modules, [`initramfs`] packs them with the test program and its shared
//! libraries, [`guest`] writes the script that runs as first process, [`machine`] starts qemu and waits for the verdict.
//! [`power`] rebuilds what a disk held when the power could have gone.
//! The guest has no disk of its own, no network and no package manager: what it needs is in the archive.
//!
//! qemu interprets the processor by default, so this works inside other virtual machines, at about a tenth of the speed.

mod guest;
mod initramfs;
mod kernel;
mod machine;
mod options;
mod power;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::matrix::create_sparse;
use crate::packages::{self, Tool};
use crate::process::{self, command};
use crate::skips::SkipLog;
use crate::workspace;
use guest::{DiskImage, Guest, Part, Program};
use initramfs::Archive;
use machine::Machine;
use options::Options;
use power::Recorded;

const TOOLS: [Tool; 5] = [
    Tool::new("qemu-system-x86_64", "qemu-system-x86"),
    Tool::new("busybox", "busybox-static"),
    Tool::new("dmsetup", "dmsetup"),
    Tool::new("mkfs.ext4", "e2fsprogs"),
    Tool::new("mkfs.xfs", "xfsprogs"),
];

/// The scenario whose disks are recorded.
const POWER: &str = "power";
/// File systems of [`Part::Disks`], in the order of its disks.
const RECORDED: [&str; 2] = ["ext4", "xfs"];
const DISK_BYTES: u64 = 512 << 20;

/// A machine and what runs in it.
struct Scenario {
    name: &'static str,
    about: &'static str,
    runs: Runs,
    parts: &'static [Part],
    numa_nodes: usize,
}

/// What a scenario runs unless the command line names a test.
enum Runs {
    /// The built-in survey.
    Survey,
    /// This test of this package.
    Test(&'static str, &'static str),
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "smoke",
        about: "boots, loads every module, mounts every disk, tries every device fault",
        runs: Runs::Survey,
        parts: &[Part::Disks, Part::LargeSectors, Part::Scsi, Part::DeviceMapper],
        numa_nodes: 2,
    },
    Scenario {
        name: "contract",
        about: "the engine's contract suite on ext4, xfs, 4 KiB sectors and tmpfs",
        runs: Runs::Test("rustfs-rio-engine", "contract"),
        parts: &[Part::Disks, Part::LargeSectors],
        numa_nodes: 1,
    },
    Scenario {
        name: "faults",
        about: "the engine against devices that fail, drop writes or hang",
        runs: Runs::Test("rustfs-rio-engine", "vm_faults"),
        parts: &[Part::Disks, Part::LargeSectors, Part::Scsi, Part::DeviceMapper],
        numa_nodes: 1,
    },
    Scenario {
        name: POWER,
        about: "a log's promises at every moment at which the power could have gone, on ext4 and xfs",
        runs: Runs::Test("rustfs-rio-wal", "vm_power"),
        parts: &[Part::Disks],
        numa_nodes: 1,
    },
    Scenario {
        name: "numa",
        about: "where buffers lie on two memory nodes",
        runs: Runs::Test("rustfs-rio-buf", "numa"),
        parts: &[],
        numa_nodes: 2,
    },
];

/// Runs the scenario that the command line names.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (name, rest) = match arguments.split_first() {
        Some((name, rest)) if !name.starts_with('-') => (name, rest),
        _ => {
            print_help();
            return Ok(());
        }
    };
    let options = Options::parse(rest)?;
    let log = SkipLog::open()?;
    let result = run_scenario(find(name)?, &options, &log);
    let skipped = log.report();
    result.and(skipped)
}

/// Runs one scenario as it stands.
pub(crate) fn run_named(name: &str, log: &SkipLog) -> Result<()> {
    run_scenario(find(name)?, &Options::default(), log)
}

/// Why this machine cannot emulate the other one; `None` when it can.
pub(crate) fn obstacle() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the guest runs programs built for x86_64 Linux".to_owned());
    }
    if process::find_tool("dpkg-deb").is_none() || process::find_tool("apt-get").is_none() {
        return Some("the guest's kernel comes from a Debian package".to_owned());
    }
    packages::ensure_tools(&TOOLS).err().map(|error| format!("{error:#}"))
}

fn find(name: &str) -> Result<&'static Scenario> {
    match SCENARIOS.iter().find(|scenario| scenario.name == name) {
        Some(scenario) => Ok(scenario),
        None => {
            bail!("no scenario '{name}'; scenarios: {}", SCENARIOS.map(|scenario| scenario.name).join(", "))
        }
    }
}

fn print_help() {
    println!("usage: cargo xtask vm SCENARIO [OPTIONS] [-- ARGUMENTS]\n\nscenarios:");
    for scenario in &SCENARIOS {
        println!("  {:<10} {}", scenario.name, scenario.about);
    }
    println!("\n{}", options::HELP);
}

fn run_scenario(scenario: &Scenario, options: &Options, log: &SkipLog) -> Result<()> {
    if let Some(why) = obstacle() {
        return log.add(&format!("vm {}", scenario.name), &why);
    }
    let program = program(scenario, options)?;
    let directory = workspace::own_directory("vm")?;
    let kernel = kernel::fetch(&directory)?;
    let scratch = Scratch::create(&directory)?;
    let disks = make_disks(scenario.parts, &scratch.path)?;
    let mut recorded = match scenario.name {
        POWER => RECORDED.iter().zip(&disks).map(|(label, disk)| Recorded::new(label, disk)).collect(),
        _ => Ok(Vec::new()),
    }?;
    let machine = Machine {
        kernel: kernel.image.clone(),
        initramfs: pack(scenario, &kernel, &program, options, &scratch.path)?,
        disks,
        records: recorded.iter().map(|disk| disk.log.clone()).collect(),
        numa_nodes: scenario.numa_nodes,
        accelerator: options.accelerator.clone(),
        console: directory.join(format!("console-{}.log", scenario.name)),
    };
    println!("booting {} under {} for '{}'", kernel.version, options.accelerator, scenario.name);
    let start = Instant::now();
    let mut hear = |line: &str| recorded.iter_mut().any(|disk| disk.hear(line));
    let verdict = machine.run(options.limit, &mut hear)?;
    let seconds = start.elapsed().as_secs_f64();
    for skip in &verdict.skips {
        log.add(&format!("vm {}", scenario.name), skip)?;
    }
    match verdict.status {
        Some(0) => {
            check_recorded(&recorded, &program)?;
            println!("vm {}: passed in {seconds:.1} s on kernel {}", scenario.name, kernel.version);
            Ok(())
        }
        Some(status) => bail!("the program in the guest ended with status {status} after {seconds:.1} s"),
        None => {
            let console = machine::tail(&machine.console, 30);
            bail!("no verdict from the guest after {seconds:.1} s; its kernel's last words:\n{console}")
        }
    }
}

/// Checks what recorded disks held at every moment.
fn check_recorded(recorded: &[Recorded], program: &Program) -> Result<()> {
    let Program::Test(program) = program else { return Ok(()) };
    recorded.iter().try_for_each(|disk| disk.check(program).map(drop))
}

fn program(scenario: &Scenario, options: &Options) -> Result<Program> {
    let (package, test) = match (&scenario.runs, &options.package, &options.test) {
        (_, Some(package), Some(test)) => (package.as_str(), test.as_str()),
        (Runs::Test(package, _), None, Some(test)) => (*package, test.as_str()),
        (Runs::Test(_, test), Some(package), None) => (package.as_str(), *test),
        (Runs::Test(package, test), None, None) => (*package, *test),
        (Runs::Survey, None, None) => return Ok(Program::Survey),
        _ => bail!("'{}' runs no test by itself: give both --package and --test", scenario.name),
    };
    workspace::build_test(package, test, &options.profile).map(Program::Test)
}

fn pack(
    scenario: &Scenario,
    kernel: &kernel::Kernel,
    program: &Program,
    options: &Options,
    scratch: &Path,
) -> Result<PathBuf> {
    let mut archive = Archive::new();
    for tool in ["busybox", "dmsetup", "mkfs.ext4"] {
        match process::find_tool(tool) {
            Some(path) => archive.add_program(&path, &format!("bin/{tool}"))?,
            None => bail!("{tool} vanished after it was installed"),
        }
    }
    if let Program::Test(path) = program {
        archive.add_program(path, guest::TEST_PATH)?;
    }
    let names: Vec<&str> = scenario.parts.iter().flat_map(|part| part.modules()).copied().collect();
    let mut modules = Vec::new();
    for module in kernel.modules(&names)? {
        archive.add_file(&module.path, &format!("modules/{}.ko", module.name), 0o644)?;
        modules.push(module.name);
    }
    let guest = Guest {
        parts: scenario.parts,
        modules: &modules,
        program,
        arguments: &options.arguments,
        limit: options.limit,
        test_directory: &workspace::target_directory()?.join("tmp"),
    };
    archive.add_text("init", &guest.script(), 0o755);
    archive.add_text(guest::FAULT_PATH, guest::FAULT_SCRIPT, 0o755);
    let path = scratch.join("initramfs.cpio");
    archive.write(&path)?;
    Ok(path)
}

fn make_disks(parts: &[Part], scratch: &Path) -> Result<Vec<DiskImage>> {
    let mut disks = Vec::new();
    for (index, kind) in parts.iter().flat_map(|part| part.disks()).enumerate() {
        let path = scratch.join(format!("disk-{index}.img"));
        create_sparse(&path, DISK_BYTES)?;
        make_file_system(kind.make_commands(), &path)?;
        disks.push(DiskImage { path, sector_bytes: kind.sector_bytes() });
    }
    Ok(disks)
}

fn make_file_system(candidates: &[&[&str]], image: &Path) -> Result<()> {
    let mut result = Err(anyhow!("no program makes this file system"));
    for (program, options) in candidates.iter().filter_map(|words| words.split_first()) {
        result = process::output(command(program, options).arg(image));
        if result.is_ok() {
            break;
        }
    }
    result.map(drop)
}

/// A directory for one machine's files, removed with it.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn create(parent: &Path) -> Result<Self> {
        let path = parent.join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover costs disk space under the target directory, no more.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_without_a_test_needs_both_names() {
        let smoke = find("smoke").unwrap();
        let options = Options { test: Some("t".to_owned()), ..Options::default() };
        assert!(program(smoke, &options).is_err());
        assert!(matches!(program(smoke, &Options::default()), Ok(Program::Survey)));
        assert!(find("warp").is_err());
    }
}
