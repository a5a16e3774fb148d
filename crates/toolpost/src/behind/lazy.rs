//! A category whose tools come from a loader, on first use.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use toolpost_tool::{AnyTool, BoxFuture, ToolError};

/// Loads the tools of a category.
pub(crate) type Loader = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<AnyTool>, ToolError>> + Send + Sync>;

pub(crate) struct Lazy {
    loader: Loader,
    /// Written only while loading, so that a hundred first uses load once.
    loaded: AtomicBool,
    loading: Mutex<()>,
}

impl Lazy {
    pub(crate) const fn new(loader: Loader) -> Self {
        Self { loader, loaded: AtomicBool::new(false), loading: Mutex::const_new(()) }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Its tools are registered.
    pub(crate) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    /// Loads the tools once and hands them to `register`, which says so by [`set_loaded`](Self::set_loaded). Whoever
    /// comes while that runs waits for it; if it fails or is dropped, the next one loads.
    pub(crate) async fn load(
        &self,
        register: impl FnOnce(Vec<AnyTool>) -> Result<(), ToolError>,
    ) -> Result<(), ToolError> {
        if self.is_loaded() {
            return Ok(());
        }
        let _loading = self.loading.lock().await;
        if self.is_loaded() {
            return Ok(());
        }
        register((self.loader)().await?)
    }
}
