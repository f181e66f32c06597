//! Debian's kernel and its modules: fetched once, kept below the target directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::process::{self, command};

/// The package whose dependency is the distribution's current kernel.
const META_PACKAGE: &str = "linux-image-amd64";
/// The parts of the package that a storage test can want; the whole is some 400 MiB.
const WANTED: [&str; 12] = [
    "*boot/vmlinuz-*",
    "*lib/modules/*/modules.builtin",
    "*lib/modules/*/kernel/arch/*",
    "*lib/modules/*/kernel/block/*",
    "*lib/modules/*/kernel/crypto/*",
    "*lib/modules/*/kernel/fs/*",
    "*lib/modules/*/kernel/lib/*",
    "*lib/modules/*/kernel/drivers/block/*",
    "*lib/modules/*/kernel/drivers/md/*",
    "*lib/modules/*/kernel/drivers/nvme/*",
    "*lib/modules/*/kernel/drivers/scsi/*",
    "*lib/modules/*/kernel/drivers/virtio/*",
];

/// A kernel on this disk.
pub(super) struct Kernel {
    /// Its release, as `uname -r` prints it.
    pub(super) version: String,
    /// The bootable image.
    pub(super) image: PathBuf,
    modules: HashMap<String, PathBuf>,
    built_in: Vec<String>,
}

/// A module file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// Its name, with underscores as the kernel prints it.
    pub(super) name: String,
    /// Where it lies.
    pub(super) path: PathBuf,
}

/// The kernel kept below `directory`, fetched when there is none.
pub(super) fn fetch(directory: &Path) -> Result<Kernel> {
    let root = directory.join("kernel");
    if !root.is_dir() {
        // Unpacked beside and then renamed, so that an interrupted fetch is not taken for a kernel.
        let partial = directory.join("kernel.partial");
        let _ = std::fs::remove_dir_all(&partial);
        std::fs::create_dir_all(&partial)?;
        unpack(&download(&partial)?, &partial)?;
        std::fs::rename(&partial, &root)?;
    }
    Kernel::open(&root)
}

fn download(directory: &Path) -> Result<PathBuf> {
    let package = match newest_package() {
        Ok(package) => package,
        Err(_) => packages::refresh_lists().and_then(|()| newest_package())?,
    };
    println!("fetching {package}");
    process::run(command("apt-get", &["download", "--quiet", &package]).current_dir(directory))?;
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    entries(directory)?.into_iter().find(is_package).with_context(|| format!("apt-get brought no {package}"))
}

fn newest_package() -> Result<String> {
    let depends = process::output(&mut command("apt-cache", &["depends", META_PACKAGE]))?;
    let names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let mut images = names.filter(|name| name.starts_with("linux-image-"));
    images.next().map(str::to_owned).with_context(|| format!("{META_PACKAGE} depends on no kernel"))
}

fn unpack(package: &Path, directory: &Path) -> Result<()> {
    let mut unpacker = command("dpkg-deb", &["--fsys-tarfile"])
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb")?;
    let archive = unpacker.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = command("tar", &["--extract", "--wildcards", "--file", "-"]);
    let status =
        tar.args(WANTED).current_dir(directory).stdin(archive).status().context("cannot start tar")?;
    if !status.success() || !unpacker.wait()?.success() {
        bail!("cannot unpack {}", package.display());
    }
    std::fs::remove_file(package).with_context(|| format!("cannot remove {}", package.display()))
}

impl Kernel {
    fn open(root: &Path) -> Result<Self> {
        let image =
            entries(&root.join("boot"))?.into_iter().next().context("the kernel package holds no image")?;
        let name = image.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let version = name.trim_start_matches("vmlinuz-").to_owned();
        let tree = root.join("lib/modules").join(&version);
        let mut modules = HashMap::new();
        collect_modules(&tree.join("kernel"), &mut modules)?;
        let list = std::fs::read_to_string(tree.join("modules.builtin"))?;
        let built_in = list.lines().map(|line| module_name(Path::new(line))).collect();
        Ok(Self { version, image, modules, built_in })
    }

    /// The named modules and all they need, in an order in which they can be loaded.
    pub(super) fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        let mut ordered = Vec::new();
        for name in names {
            self.add_module(name, &mut ordered, 0)?;
        }
        Ok(ordered)
    }

    fn add_module(&self, name: &str, ordered: &mut Vec<Module>, depth: usize) -> Result<()> {
        let name = name.replace('-', "_");
        if ordered.iter().any(|module| module.name == name) || self.built_in.contains(&name) {
            return Ok(());
        }
        // The kernel's graph has no cycles and is some ten levels deep; a broken package must not hang us.
        if depth > 64 {
            bail!("modules depend on each other in a circle, at {name}");
        }
        let path = self
            .modules
            .get(&name)
            .with_context(|| format!("kernel {} has no module {name}", self.version))?;
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        for needed in dependencies(&bytes) {
            self.add_module(&needed, ordered, depth + 1)?;
        }
        ordered.push(Module { name, path: path.clone() });
        Ok(())
    }
}

/// What a module file says it needs. The package has no `modules.dep`, which is made at installation; but each file
/// holds `depends=a,b` in a section of strings that end with a zero byte.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = module[start + KEY.len()..].split(|&byte| byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn collect_modules(directory: &Path, modules: &mut HashMap<String, PathBuf>) -> Result<()> {
    for path in entries(directory)? {
        if path.is_dir() {
            collect_modules(&path, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            modules.insert(module_name(&path), path);
        }
    }
    Ok(())
}

fn module_name(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().replace('-', "_")
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let reader =
        std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(reader.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_module_itself() {
        assert_eq!(
            dependencies(b"\x7fELF..\0license=GPL\0depends=jbd2,mbcache\0name=ext4\0"),
            ["jbd2", "mbcache"]
        );
        assert!(dependencies(b"\0depends=\0name=jbd2\0").is_empty());
        assert!(dependencies(b"no such key").is_empty());
    }

    #[test]
    fn modules_are_ordered_after_what_they_need() {
        let directory = std::env::temp_dir().join(format!("rio-xtask-modules-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut modules = HashMap::new();
        for (name, needs) in [("dm_flakey", "dm-mod"), ("dm_mod", "builtin_one"), ("ext4", "dm_mod")] {
            let path = directory.join(name);
            std::fs::write(&path, format!("\0depends={needs}\0")).unwrap();
            modules.insert(name.to_owned(), path);
        }
        let kernel = Kernel {
            version: "6.1".into(),
            image: PathBuf::new(),
            modules,
            built_in: vec!["builtin_one".into()],
        };
        let names = |wanted: &[&str]| {
            let found = kernel.modules(wanted).map_err(|error| error.to_string())?;
            Ok::<_, String>(found.into_iter().map(|module| module.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["ext4", "dm-flakey"]).unwrap(), ["dm_mod", "ext4", "dm_flakey"]);
        assert!(names(&["absent"]).unwrap_err().contains("no module absent"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
