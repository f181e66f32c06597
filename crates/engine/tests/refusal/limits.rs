//! Taking things away from the calling process.

use std::path::Path;

/// Makes system calls fail with an error number: on this thread and on those it starts, for ever.
pub(crate) fn filter(calls: &[i64], errno: i32) {
    /// Offset of the call's number in `seccomp_data`.
    const NUMBER: u32 = 0;
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER)];
    for (index, call) in calls.iter().enumerate() {
        // To the last statement if it is this call.
        let jump = (calls.len() - index) as u8;
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        program.push(libc::sock_filter { code, jt: jump, jf: 0, k: *call as u32 });
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: plain flags.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` points to its statements, which live until the end of this function; the kernel copies them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Sets the soft limit of a resource and returns what it was.
pub(crate) fn limit(resource: libc::__rlimit_resource_t, value: u64) -> u64 {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` outlives the call.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limits) }, 0);
    let before = std::mem::replace(&mut limits.rlim_cur, value);
    // SAFETY: as above.
    assert_eq!(
        // SAFETY: `limits` outlives the call.
        unsafe { libc::setrlimit(resource, &raw const limits) },
        0,
        "{}",
        std::io::Error::last_os_error()
    );
    before
}

/// The lowest limit that leaves the open descriptors valid and no room for another one.
pub(crate) fn open_descriptors() -> u64 {
    let numbers: Vec<u64> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    let highest = *numbers.iter().max().unwrap();
    // The listing itself took a number, and there may be holes: what is free below the highest is filled, for good.
    loop {
        // SAFETY: plain call on the standard input.
        let number = unsafe { libc::dup(0) };
        assert!(number >= 0);
        if number as u64 >= highest {
            break;
        }
    }
    highest + 1
}

/// Gives up root's privileges, which limits do not bind, and lets the new user use the directory.
pub(crate) fn become_nobody(directory: &Path) {
    const NOBODY: u32 = 65_534;
    // SAFETY: no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // SAFETY: plain numbers; the C library changes all threads.
    assert_eq!(unsafe { libc::setresgid(NOBODY, NOBODY, NOBODY) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }, 0);
}
