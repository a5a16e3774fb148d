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
    let ignored = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & 1 == 1)
    };
    *IGNORED.get_or_init(|| ignored().unwrap_or(false))
}

#[cfg(not(unix))]
async fn told_to_end() {
    std::future::pending().await
}
