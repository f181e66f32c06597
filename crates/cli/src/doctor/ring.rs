//! Whether io_uring works here, found out by using it.

use rustfs_rio::{Backend, RingRefusal, RuntimeConfig, RuntimeHandle, RuntimeType};

use super::SHUTDOWN;
use super::finding::{Finding, ask};

/// What the machine answers when a ring is asked for, whatever the settings say.
pub(super) type Offered = Result<(), RingRefusal>;

/// Asks for a ring, reads through it, and gives it back.
pub(super) async fn offered(config: &RuntimeConfig) -> Offered {
    let probe = RuntimeConfig {
        runtime_type: RuntimeType::IoUring,
        require_io_uring: false,
        backend: Backend::Auto,
        ..config.clone()
    };
    // Settings out of range are reported where they are used.
    let Ok(handle) = RuntimeHandle::new(probe) else { return Ok(()) };
    let refusal = handle.capabilities().ring_refusal;
    handle.shutdown(SHUTDOWN).await;
    refusal.map_or(Ok(()), Err)
}

/// Everything about io_uring.
pub(super) fn look(offered: &Offered) -> Vec<Finding> {
    let setting = match ask("/proc/sys/kernel/io_uring_disabled") {
        Ok(value) => kernel_setting(value.as_deref(), offered.is_ok()),
        Err(why) => Finding::unknown(SETTING, &why),
    };
    vec![works(offered), setting]
}

fn works(offered: &Offered) -> Finding {
    const NAME: &str = "io_uring";
    match offered {
        Ok(()) => Finding::ok(NAME, "works: a ring was made and a read went through it").with(true),
        Err(refusal) => {
            let number = refusal.errno.map(|errno| std::io::Error::from_raw_os_error(errno).to_string());
            let number = number.map_or_else(String::new, |text| format!(" ({text})"));
            let text = format!("refused at {}: {}{number}", refusal.step, refusal.reason);
            let remedy = format!("{}; until then blocking threads take its place", refusal.remedy);
            Finding::problem(NAME, text, remedy).with(false)
        }
    }
}

const SETTING: &str = "kernel setting";

/// `kernel.io_uring_disabled` of Linux 6.6.
fn kernel_setting(value: Option<&str>, is_allowed: bool) -> Finding {
    match value {
        Some("0") => Finding::ok(SETTING, "io_uring_disabled is 0: allowed for everyone"),
        Some("1") if is_allowed => {
            let why = "set kernel.io_uring_disabled to 0 if other users are to run Rio";
            Finding::note(SETTING, "io_uring_disabled is 1: allowed for this process, not for everyone", why)
        }
        Some("1") => {
            let why =
                "set kernel.io_uring_disabled to 0, or add the user to the group in kernel.io_uring_group";
            Finding::problem(SETTING, "io_uring_disabled is 1: refused to unprivileged processes", why)
        }
        Some("2") => {
            Finding::problem(SETTING, "io_uring_disabled is 2: off", "set kernel.io_uring_disabled to 0")
        }
        Some(other) => Finding::ok(SETTING, format!("io_uring_disabled is {other}")),
        None => Finding::ok(SETTING, "io_uring_disabled does not exist before Linux 6.6"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Rating;
    use super::*;

    #[test]
    fn the_kernel_setting_is_explained() {
        assert_eq!(kernel_setting(Some("0"), true).rating, Rating::Ok);
        assert_eq!(kernel_setting(Some("1"), true).rating, Rating::Note);
        assert_eq!(kernel_setting(Some("1"), false).rating, Rating::Problem);
        assert_eq!(kernel_setting(Some("2"), false).rating, Rating::Problem);
        assert_eq!(kernel_setting(None, true).rating, Rating::Ok);
    }
}
