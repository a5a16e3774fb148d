//! Runs a test on a paused clock.

/// Runs `test` to its end on a runtime of one thread whose clock is paused: it moves only when
/// nothing else can run, straight to the next timer.
///
/// # Panics
///
/// If the operating system gives no runtime, and whenever `test` panics.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    #[expect(clippy::expect_used, reason = "documented; a test cannot go on without")]
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(test)
}
