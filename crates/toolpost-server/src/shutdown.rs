//! When to stop.

/// Resolves when the process is asked to end: by SIGTERM, SIGHUP (the terminal is closed) or ctrl-c, by
/// ctrl-c alone where there are no signals. Never, if it cannot be told.
///
/// A process that was started to survive its terminal (`nohup`) survives SIGHUP on Linux, where it can be
/// told.
///
/// # Cancel safety
///
/// Dropping the future stops the listening; what came before it was polled is missed.
pub async fn terminated() {
    tokio::select! {
        () = interrupted() => {}
        () = told_to_end() => {}
    }
}

/// Resolves within a second of the end of the process that started this one. Never where there is no telling (Windows), nor if
/// that process is the first of its system or container.
///
/// # Cancel safety
///
/// Dropping the future stops the looking.
#[cfg(all(unix, feature = "stdio"))]
pub(crate) async fn orphaned() {
    use std::os::unix::process::parent_id;
    const EVERY: std::time::Duration = std::time::Duration::from_secs(1);
    let parent = parent_id();
    if parent <= 1 {
        std::future::pending::<()>().await;
    }
    while parent_id() == parent {
        crate::clock::sleep(EVERY).await;
    }
}

#[cfg(all(not(unix), feature = "stdio"))]
pub(crate) async fn orphaned() {
    std::future::pending().await
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::SignalKind;
    let hung_up = async {
        if ignores_hangup() {
            std::future::pending::<()>().await;
        }
        signalled(SignalKind::hangup()).await;
    };
    tokio::select! {
        () = signalled(SignalKind::terminate()) => {}
        () = hung_up => {}
    }
}

#[cfg(unix)]
async fn signalled(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Whether SIGHUP was ignored when this was first asked: to listen to a signal is to ignore it no longer.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    static IGNORED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IGNORED.get_or_init(|| {
        std::fs::read("/proc/self/status").ok().and_then(|status| hangup_in(&status)).unwrap_or(false)
    })
}

/// Whether `status`, as Linux tells it of a process, says that SIGHUP is ignored: the lowest bit of a mask.
#[cfg(unix)]
fn hangup_in(status: &[u8]) -> Option<bool> {
    const NAME: &[u8] = b"\nSigIgn:";
    let mask = status.get(memchr::memmem::find(status, NAME)? + NAME.len()..)?;
    let mask = &mask[..memchr::memchr(b'\n', mask)?];
    let last = char::from(*mask.trim_ascii().last()?);
    Some(last.to_digit(16)? & 1 == 1)
}

#[cfg(not(unix))]
async fn told_to_end() {
    std::future::pending().await
}

#[cfg(all(test, unix))]
mod tests {
    use super::hangup_in;

    #[test]
    fn an_ignored_hangup_is_the_lowest_bit_of_the_mask() {
        for (mask, expected) in [
            ("0000000000001000", Some(false)),
            ("0000000000001001", Some(true)),
            ("000000000000000a", Some(false)),
            ("000000000000000f", Some(true)),
            ("", None),
        ] {
            let status = format!("Name:\tserver\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t01\n");
            assert_eq!(hangup_in(status.as_bytes()), expected, "{mask}");
        }
        assert_eq!(hangup_in(b"Name:\tserver\n"), None);
    }
}
