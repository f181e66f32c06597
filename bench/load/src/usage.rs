//! What this process has used so far: processor time and bytes read from devices.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A reading of the process's counters; two of them give what a run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    cpu: Duration,
    device_read_bytes: Option<u64>,
}

impl Usage {
    /// Reads the counters. Processor time is user and system time of all threads, those of the kernel that work for
    /// this process's rings included: they belong to the process. The clock has nanoseconds, which getrusage has not.
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu =
            Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0));
        Self {
            cpu,
            device_read_bytes: std::fs::read_to_string("/proc/self/io").ok().and_then(|io| read_bytes(&io)),
        }
    }

    /// Processor time since `earlier`.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        self.cpu.saturating_sub(earlier.cpu)
    }

    /// Bytes that this process caused to be fetched from storage since `earlier`, read-ahead included (see proc(5),
    /// `read_bytes`); `None` where the kernel does not count them.
    pub(crate) fn device_read_since(&self, earlier: &Self) -> Option<u64> {
        Some(self.device_read_bytes?.saturating_sub(earlier.device_read_bytes?))
    }
}

/// The `read_bytes` line of a `/proc/PID/io` file.
pub(crate) fn read_bytes(io: &str) -> Option<u64> {
    io.lines().find_map(|line| line.strip_prefix("read_bytes:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_line_is_read() {
        let io = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 6\n";
        assert_eq!(read_bytes(io), Some(4096));
        assert_eq!(read_bytes("rchar: 1\n"), None);
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = Usage::now();
        let mut value = 1_u64;
        while Usage::now().cpu_since(&before) < Duration::from_millis(2) {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
    }
}
