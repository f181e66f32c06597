//! Settings of the engine and of files.

use super::super::setting::{
    Setting, bytes, optional, period, put, show_duration, show_optional, switch, whole,
};
use super::SWITCH;
use crate::environment;
use crate::runtime::{BUFFER_MEMORY_MIN, RuntimeType, default_buffer_memory};
use rustfs_rio_engine::Backend;

const COUNT: &str = "1 to 65536";
const AUTOMATIC: &str = "automatic";

pub(super) static SETTINGS: [Setting; 20] = [
    Setting {
        name: "runtime.runtime_type",
        allowed: "tokio, io_uring",
        variables: &[environment::FORCE_RUNTIME, environment::ENABLE_IO_URING],
        get: |config| config.runtime_config.runtime_type.name().to_owned(),
        set: |config, text| put(&mut config.runtime_config.runtime_type, RuntimeType::from_name(text)),
    },
    Setting {
        name: "runtime.worker_threads",
        allowed: "1 to 65536, or automatic",
        variables: &[],
        get: |config| show_optional(config.runtime_config.worker_threads, AUTOMATIC),
        set: |config, text| {
            let parsed = optional(text, AUTOMATIC, |text| whole(text, 1, 65536));
            put(&mut config.runtime_config.worker_threads, parsed)
        },
    },
    Setting {
        name: "runtime.max_blocking_threads",
        allowed: "1 to 1024, or automatic",
        variables: &[],
        get: |config| show_optional(config.runtime_config.max_blocking_threads, AUTOMATIC),
        set: |config, text| {
            let parsed = optional(text, AUTOMATIC, |text| whole(text, 1, 1024));
            put(&mut config.runtime_config.max_blocking_threads, parsed)
        },
    },
    Setting {
        name: "runtime.thread_local",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.thread_local.to_string(),
        set: |config, text| put(&mut config.runtime_config.thread_local, switch(text)),
    },
    Setting {
        name: "runtime.io_timeout",
        allowed: "a duration above 0",
        variables: &[],
        get: |config| show_duration(config.runtime_config.io_timeout),
        set: |config, text| put(&mut config.runtime_config.io_timeout, period(text)),
    },
    Setting {
        name: "runtime.buffer_size",
        allowed: "4096 to 16777216 bytes",
        variables: &[],
        get: |config| config.runtime_config.buffer_size.to_string(),
        set: |config, text| {
            let parsed = bytes(text, 4096, 16 << 20).and_then(|size| usize::try_from(size).ok());
            put(&mut config.runtime_config.buffer_size, parsed)
        },
    },
    Setting {
        name: "runtime.buffer_memory",
        allowed: "at least 1048576 bytes, or automatic",
        variables: &[],
        get: |config| match config.runtime_config.buffer_memory {
            bytes if bytes == default_buffer_memory() => AUTOMATIC.to_owned(),
            bytes => bytes.to_string(),
        },
        set: |config, text| {
            let parsed = optional(text, AUTOMATIC, |text| bytes(text, BUFFER_MEMORY_MIN, u64::MAX));
            let parsed = parsed.map(|bytes| bytes.unwrap_or_else(default_buffer_memory));
            put(&mut config.runtime_config.buffer_memory, parsed)
        },
    },
    Setting {
        name: "runtime.trace_buffers",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.trace_buffers.to_string(),
        set: |config, text| put(&mut config.runtime_config.trace_buffers, switch(text)),
    },
    Setting {
        name: "runtime.wipe_buffers",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.wipe_buffers.to_string(),
        set: |config, text| put(&mut config.runtime_config.wipe_buffers, switch(text)),
    },
    Setting {
        name: "runtime.keep_buffers",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.keep_buffers.to_string(),
        set: |config, text| put(&mut config.runtime_config.keep_buffers, switch(text)),
    },
    Setting {
        name: "runtime.max_waiting_ops",
        allowed: "0 to 1048576",
        variables: &[],
        get: |config| config.runtime_config.max_waiting_ops.to_string(),
        set: |config, text| put(&mut config.runtime_config.max_waiting_ops, whole(text, 0, 1 << 20)),
    },
    Setting {
        name: "runtime.high_priority",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.high_priority.to_string(),
        set: |config, text| put(&mut config.runtime_config.high_priority, switch(text)),
    },
    Setting {
        name: "runtime.backend",
        allowed: "auto, uring, blocking",
        variables: &[],
        get: |config| backend_name(config.runtime_config.backend).to_owned(),
        set: |config, text| {
            let all = [Backend::Auto, Backend::Uring, Backend::Blocking];
            let text = text.trim();
            let found = all.into_iter().find(|backend| backend_name(*backend).eq_ignore_ascii_case(text));
            put(&mut config.runtime_config.backend, found)
        },
    },
    Setting {
        name: "runtime.max_concurrent_file_ops",
        allowed: COUNT,
        variables: &[environment::MAX_CONCURRENT_FILE_OPS],
        get: |config| config.runtime_config.max_concurrent_file_ops.to_string(),
        set: |config, text| put(&mut config.runtime_config.max_concurrent_file_ops, whole(text, 1, 65536)),
    },
    Setting {
        name: "runtime.io_engine_concurrency",
        allowed: COUNT,
        variables: &[environment::IO_ENGINE_CONCURRENCY],
        get: |config| config.runtime_config.io_engine_concurrency.to_string(),
        set: |config, text| put(&mut config.runtime_config.io_engine_concurrency, whole(text, 1, 65536)),
    },
    Setting {
        name: "runtime.queue_depth",
        allowed: "1 to 4096",
        variables: &[],
        get: |config| config.runtime_config.queue_depth.to_string(),
        set: |config, text| {
            let parsed = whole(text, 1, 4096).and_then(|depth| u32::try_from(depth).ok());
            put(&mut config.runtime_config.queue_depth, parsed)
        },
    },
    Setting {
        name: "runtime.gather",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.gather.to_string(),
        set: |config, text| put(&mut config.runtime_config.gather, switch(text)),
    },
    Setting {
        name: "runtime.sqpoll_idle",
        allowed: "off, or a duration above 0",
        variables: &[],
        get: |config| show_optional(config.runtime_config.sqpoll_idle.map(show_duration), "off"),
        set: |config, text| put(&mut config.runtime_config.sqpoll_idle, optional(text, "off", period)),
    },
    Setting {
        name: "runtime.iopoll",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.iopoll.to_string(),
        set: |config, text| put(&mut config.runtime_config.iopoll, switch(text)),
    },
    Setting {
        name: "runtime.require_io_uring",
        allowed: SWITCH,
        variables: &[environment::FORCE_RUNTIME],
        get: |config| config.runtime_config.require_io_uring.to_string(),
        set: |config, text| put(&mut config.runtime_config.require_io_uring, switch(text)),
    },
];

fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Auto => "auto",
        Backend::Uring => "uring",
        Backend::Blocking => "blocking",
    }
}
