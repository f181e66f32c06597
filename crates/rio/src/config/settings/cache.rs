//! Settings of the block cache.

use super::super::setting::{Setting, bytes, number, optional, put, show_optional, switch};
use super::SWITCH;
use crate::cache::CacheConfig;

pub(super) static SETTINGS: [Setting; 3] = [
    Setting {
        name: "runtime.cache",
        allowed: "off, or bytes: at least 256 KiB and less than the memory of the machine",
        variables: &[],
        get: |config| show_optional(config.runtime_config.cache.as_ref().map(|cache| cache.bytes), "off"),
        set: |config, text| {
            let parsed = optional(text, "off", |text| bytes(text, 0, u64::MAX));
            let known = config.runtime_config.cache.take().unwrap_or_default();
            let sized = |size: Option<u64>| size.map(|bytes| CacheConfig { bytes, ..known });
            put(&mut config.runtime_config.cache, parsed.map(sized))
        },
    },
    Setting {
        name: "runtime.cache_prefetch",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.runtime_config.cache.as_ref().is_none_or(|cache| cache.prefetch).to_string(),
        set: |config, text| {
            let parsed = switch(text);
            if let (Some(cache), Some(prefetch)) = (&mut config.runtime_config.cache, parsed) {
                cache.prefetch = prefetch;
            }
            parsed.is_some()
        },
    },
    Setting {
        name: "runtime.cache_prefetch_use_min",
        allowed: "0 to 1",
        variables: &[],
        get: |config| {
            config.runtime_config.cache.as_ref().map_or(0.5, |cache| cache.prefetch_use_min).to_string()
        },
        set: |config, text| {
            let parsed = number(text, |share| (0.0..=1.0).contains(&share));
            if let (Some(cache), Some(share)) = (&mut config.runtime_config.cache, parsed) {
                cache.prefetch_use_min = share as f32;
            }
            parsed.is_some()
        },
    },
];
