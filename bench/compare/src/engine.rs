//! The engines of this program, by name.

use anyhow::bail;
use rustfs_rio_load::Target;
use rustfs_rio_load::target::{BareRing, Fio, Rio, SpawnBlocking, Threads, TokioFs};

use crate::rival::{Compio, DriverThread, Glommio, Monoio, TokioUring};

/// All engines, in the order of the tables.
pub fn all() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(Threads),
        Box::new(BareRing),
        Box::new(Fio),
        Box::new(Rio::auto()),
        Box::new(Rio::uring()),
        Box::new(Rio::blocking()),
        Box::new(Compio),
        Box::new(Monoio),
        Box::new(TokioUring),
        Box::new(Glommio),
        Box::new(DriverThread),
        Box::new(SpawnBlocking),
        Box::new(TokioFs),
    ]
}

/// The engine called `name`.
pub fn by_name(name: &str) -> anyhow::Result<Box<dyn Target>> {
    let mut engines = all();
    match engines.iter().position(|engine| engine.name() == name) {
        Some(index) => Ok(engines.swap_remove(index)),
        None => bail!(
            "unknown engine {name:?}; there are {}",
            engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(", ")
        ),
    }
}
