//! Ctrl-C and its like: the run is called off, and what it has made is removed on the way out.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustfs_rio_load::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Watches for signals that ask the program to end, from its making to the end of the program.
#[derive(Debug)]
pub(crate) struct Interrupt {
    cancel: Cancel,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// The first signal calls the run off; a second one ends the program at once, for when something hangs.
    pub(crate) fn watch() -> io::Result<Self> {
        let (cancel, signal) = (Cancel::new(), Arc::new(AtomicUsize::new(0)));
        let asked_before = Arc::new(AtomicBool::new(false));
        for number in [SIGHUP, SIGINT, SIGTERM] {
            // In this order: the first signal must find the flag down.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&asked_before))?;
            flag::register(number, Arc::clone(&asked_before))?;
            flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize)?;
            flag::register(number, cancel.flag())?;
        }
        Ok(Self { cancel, signal })
    }

    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// What a shell expects of a program that a signal has ended.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match u8::try_from(self.signal.load(Ordering::Relaxed)) {
            Ok(signal @ 1..=127) => ExitCode::from(128 + signal),
            _ => ExitCode::FAILURE,
        }
    }
}
