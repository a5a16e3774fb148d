//! The rmcp server that exists: twenty tools over one slow store. Nothing here knows toolpost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rmcp::handler::server::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use tokio::sync::Semaphore;

/// A store that answers four questions at a time, each in 20 ms.
#[derive(Debug)]
pub struct Store {
    permits: Semaphore,
    asked: AtomicU64,
    down: AtomicBool,
}

impl Default for Store {
    fn default() -> Self {
        Self { permits: Semaphore::new(4), asked: AtomicU64::new(0), down: AtomicBool::new(false) }
    }
}

impl Store {
    /// How many questions have reached it.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// Takes the store down: it still takes its time, and then fails.
    pub fn take_down(&self) {
        self.down.store(true, Relaxed);
    }

    async fn find(&self, what: &str, size: u32) -> Result<String, ErrorData> {
        self.asked.fetch_add(1, Relaxed);
        let _seat = self.permits.acquire().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        match self.down.load(Relaxed) {
            true => Err(ErrorData::internal_error("the store is down", None)),
            false => Ok(format!("{what} {size}: shelf {}", size % 100)),
        }
    }
}

/// What is looked for.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    /// In millimeters.
    size: u32,
}

/// The server.
#[derive(Clone, Debug)]
pub struct Shop {
    store: Arc<Store>,
    pub(crate) tool_router: ToolRouter<Self>,
}

impl Shop {
    /// As it was before.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, tool_router: Self::tool_router() }
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Shop {}

#[tool_router]
impl Shop {
    #[tool(description = "Finds a lathe.", annotations(read_only_hint = true))]
    async fn lathe(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("lathe", size).await
    }

    #[tool(description = "Finds a drill.", annotations(read_only_hint = true))]
    async fn drill(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("drill", size).await
    }

    #[tool(description = "Finds a mill.", annotations(read_only_hint = true))]
    async fn mill(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("mill", size).await
    }

    #[tool(description = "Finds a saw.", annotations(read_only_hint = true))]
    async fn saw(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("saw", size).await
    }

    #[tool(description = "Finds a grinder.", annotations(read_only_hint = true))]
    async fn grinder(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("grinder", size).await
    }

    #[tool(description = "Finds a planer.", annotations(read_only_hint = true))]
    async fn planer(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("planer", size).await
    }

    #[tool(description = "Finds a shaper.", annotations(read_only_hint = true))]
    async fn shaper(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("shaper", size).await
    }

    #[tool(description = "Finds a press.", annotations(read_only_hint = true))]
    async fn press(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("press", size).await
    }

    #[tool(description = "Finds a shear.", annotations(read_only_hint = true))]
    async fn shear(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("shear", size).await
    }

    #[tool(description = "Finds a press brake.", annotations(read_only_hint = true))]
    async fn brake(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("brake", size).await
    }

    #[tool(description = "Finds a hone.", annotations(read_only_hint = true))]
    async fn hone(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("hone", size).await
    }

    #[tool(description = "Finds a reamer.", annotations(read_only_hint = true))]
    async fn reamer(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("reamer", size).await
    }

    #[tool(description = "Finds a tap.", annotations(read_only_hint = true))]
    async fn tap(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("tap", size).await
    }

    #[tool(description = "Finds a die.", annotations(read_only_hint = true))]
    async fn die(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("die", size).await
    }

    #[tool(description = "Finds a chuck.", annotations(read_only_hint = true))]
    async fn chuck(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("chuck", size).await
    }

    #[tool(description = "Finds a collet.", annotations(read_only_hint = true))]
    async fn collet(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("collet", size).await
    }

    #[tool(description = "Finds a vise.", annotations(read_only_hint = true))]
    async fn vise(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("vise", size).await
    }

    #[tool(description = "Finds a gauge.", annotations(read_only_hint = true))]
    async fn gauge(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("gauge", size).await
    }

    #[tool(description = "Finds steel.", annotations(read_only_hint = true))]
    async fn steel(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("steel", size).await
    }

    #[tool(description = "Finds brass.", annotations(read_only_hint = true))]
    async fn brass(&self, Parameters(Size { size }): Parameters<Size>) -> Result<String, ErrorData> {
        self.store.find("brass", size).await
    }
}
