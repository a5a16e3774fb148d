//! When to stop.

/// Resolves when the process is asked to end: by SIGTERM or ctrl-c, by ctrl-c alone where there are
/// no signals. Never, if it cannot be told.
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
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    std::future::pending().await
}
