//! `SIGBUS` in mapped windows.
//!
//! The kernel raises it when a page of a mapping cannot be provided: the file was truncated, or the device failed. One
//! handler for the process looks the address up in a table of the windows that exist. In a window, it puts zero pages in
//! the place of the whole window and marks it; the copy that faulted goes on, over zeros, and its result is thrown away.
//! Elsewhere, it does what would have happened without it.
//!
//! The handler runs at any point of the faulting thread, so it uses atomics and plain system calls only, never a lock or
//! memory from the heap. The table is an array of fixed size. An entry is one word, address and length together, so that
//! the handler never sees half of a change. A window is entered after it was mapped and removed before it is unmapped, and
//! only [`Mapping`](super::mapping::Mapping), which owns it, touches its memory; so a fault inside an entry is a copy of
//! ours, and the memory that is replaced is ours.

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::OnceLock;

/// Entries of the table; 4 KiB of memory. A node streams from a few hundred objects at a time at most, and the handler looks
/// at each entry.
pub(super) const REGIONS_MAX: usize = 256;

/// Addresses and lengths are multiples of this, whatever the size of a page.
const UNIT: u64 = 4096;
/// Bits of an entry for the length in units; the other 44 hold the address in units, enough for 56-bit addresses.
const LENGTH_BITS: u32 = 20;

struct Slot {
    taken: AtomicBool,
    /// The window; 0 if none.
    window: AtomicU64,
    poisoned: AtomicBool,
}

static TABLE: [Slot; REGIONS_MAX] = [const {
    Slot { taken: AtomicBool::new(false), window: AtomicU64::new(0), poisoned: AtomicBool::new(false) }
}; REGIONS_MAX];
/// What handled the signal before; set before the handler is installed.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
/// Address of the handler once it is installed.
static INSTALLED: AtomicUsize = AtomicUsize::new(0);

/// An entry of the table, for one window at a time.
#[derive(Debug)]
pub(super) struct Region {
    index: usize,
}

impl Region {
    /// Takes a free entry, or `None` if all are taken.
    pub(super) fn reserve() -> Option<Self> {
        let take = |slot: &Slot| {
            slot.taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        TABLE.iter().position(take).map(|index| Self { index })
    }

    /// Puts a window that was just mapped under the handler's care.
    pub(super) fn enter(&self, address: usize, len: usize) {
        let slot = &TABLE[self.index];
        slot.poisoned.store(false, Ordering::Relaxed);
        slot.window.store(pack(address, len), Ordering::Release);
    }

    /// Takes the window out of the handler's care. To be called before unmapping it.
    pub(super) fn leave(&self) {
        TABLE[self.index].window.store(0, Ordering::Release);
    }

    /// Whether the window was replaced by zeros since it was entered.
    pub(super) fn is_poisoned(&self) -> bool {
        TABLE[self.index].poisoned.load(Ordering::Acquire)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.leave();
        TABLE[self.index].taken.store(false, Ordering::Release);
    }
}

fn pack(address: usize, len: usize) -> u64 {
    let (address, len) = (address as u64 / UNIT, len as u64 / UNIT);
    debug_assert!(len < 1 << LENGTH_BITS && address < 1 << (u64::BITS - LENGTH_BITS));
    address << LENGTH_BITS | len
}

/// Address and length of an entry.
fn unpack(entry: u64) -> (usize, usize) {
    let len = entry & ((1 << LENGTH_BITS) - 1);
    (((entry >> LENGTH_BITS) * UNIT) as usize, (len * UNIT) as usize)
}

/// Installs the handler, once per process. `false` if that is not possible; then nothing may be mapped.
pub(super) fn install() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        let Some(previous) = current() else { return false };
        if PREVIOUS.set(previous).is_err() {
            return false;
        }
        let address = on_fault as extern "C" fn(_, _, _) as usize;
        // SAFETY: all-zero bytes are a valid `sigaction`: integers, and an optional function pointer.
        let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = address;
        // On the alternate stack where a thread has one, as the standard library's own handler does.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // SAFETY: as above.
        let mut replaced: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: both structs outlive the call, and the handler has the signature that SA_SIGINFO asks for.
        if unsafe { libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut replaced) } != 0 {
            return false;
        }
        if replaced.sa_sigaction != previous.sa_sigaction {
            // Somebody else installed a handler in this very moment; theirs stays, and nothing is mapped.
            // SAFETY: puts back what the kernel just gave.
            unsafe { libc::sigaction(libc::SIGBUS, &raw const replaced, std::ptr::null_mut()) };
            return false;
        }
        INSTALLED.store(address, Ordering::Release);
        true
    })
}

/// What handles the signal now.
fn current() -> Option<libc::sigaction> {
    // SAFETY: all-zero bytes are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; the struct outlives the call.
    let result = unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut action) };
    (result == 0).then_some(action)
}

/// Whether a fault on this thread would reach the handler: it may have been replaced, and a blocked `SIGBUS` kills the
/// process. Two system calls of some 100 ns; asked before each copy, because any library may change either.
pub(super) fn is_handled() -> bool {
    let installed = INSTALLED.load(Ordering::Acquire);
    if installed == 0 || current().is_none_or(|action| action.sa_sigaction != installed) {
        return false;
    }
    // SAFETY: all-zero bytes are a valid `sigset_t`; only asks, and the struct outlives the calls.
    unsafe {
        let mut mask: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask) == 0
            && libc::sigismember(&raw const mask, libc::SIGBUS) == 0
    }
}

/// `si_code` of an alignment error, a missing page, a failed object, and a memory error met by this thread: the signal
/// belongs to an instruction, which runs again when the handler returns.
const SYNCHRONOUS: std::ops::RangeInclusive<i32> = 1..=4;
const MISSING_PAGE: i32 = 2;
const MEMORY_ERROR: i32 = 4;

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the location of this thread's errno is valid for the thread's life.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // SAFETY: the kernel passes a valid `info`; for these codes it holds an address.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if !(matches!(code, MISSING_PAGE | MEMORY_ERROR) && replace_window(address)) {
        // SAFETY: the kernel's own arguments, passed on.
        unsafe { pass_on(signal, code, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Replaces the window around an address by zeros. `false` if there is none, or if it cannot be done.
fn replace_window(address: usize) -> bool {
    for slot in &TABLE {
        let (start, len) = unpack(slot.window.load(Ordering::Acquire));
        if !(start..start + len).contains(&address) {
            continue;
        }
        // Before the memory changes: whoever sees the zeros must see the mark.
        slot.poisoned.store(true, Ordering::SeqCst);
        // The whole window, so that the number of mappings stays and the limit on it does not matter.
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: the entry is of a window that is mapped and stays so while it is entered. Its owner is this very thread,
        // inside a copy from it, and no reference to its memory exists. The call is a plain system call in the C library.
        let new = unsafe { libc::mmap(start as *mut _, len, libc::PROT_READ, flags, -1, 0) };
        return new != libc::MAP_FAILED;
    }
    false
}

/// Does what would have happened without this handler.
///
/// # Safety
///
/// To be called from the handler, with its arguments.
unsafe fn pass_on(signal: libc::c_int, code: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get();
    let handler = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
    match handler {
        // The kernel does not let a fault be ignored.
        libc::SIG_IGN if !SYNCHRONOUS.contains(&code) => {}
        libc::SIG_IGN | libc::SIG_DFL => {
            // SAFETY: all-zero bytes are a valid `sigaction`, which means the default action.
            unsafe {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            }
            if !SYNCHRONOUS.contains(&code) {
                // No instruction will raise it again. It is blocked until the handler returns, and takes effect then.
                // SAFETY: a system call with an integer argument.
                unsafe { libc::raise(signal) };
            }
        }
        _ if previous.is_some_and(|previous| previous.sa_flags & libc::SA_SIGINFO != 0) => {
            // SAFETY: it was registered as a handler of three arguments.
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        _ => {
            // SAFETY: it was registered as a handler of one argument.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_address_and_length() {
        for (address, len) in [(0x7f12_3456_7000, 4096), (0xff_ffff_ffff_f000, 64 << 20), (4096, 1 << 20)] {
            assert_eq!(unpack(pack(address, len)), (address, len));
        }
        assert_eq!(unpack(0), (0, 0));
    }

    #[test]
    fn an_address_outside_every_window_is_not_ours() {
        let region = Region::reserve().unwrap();
        let address = 0x1000_0000;
        region.enter(address, 8192);
        assert!(!replace_window(address - 1));
        assert!(!replace_window(address + 8192));
        assert!(!region.is_poisoned());
        region.leave();
        assert!(!replace_window(address));
    }
}
