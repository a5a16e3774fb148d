//! An rmcp server before and after the five lines, and what they change under load.
#![expect(clippy::disallowed_methods, reason = "an example serves in a task, and measures time")]

pub mod load;
mod shop;

use std::sync::Arc;

use rmcp::service::{RoleClient, RunningService};
use rmcp::{ServerHandler, ServiceExt as _};
use toolpost::{Runtime, RuntimeBuilder, Settings};
use toolpost_rmcp::Tools;

pub use shop::{Shop, Store};

/// Whatever stopped an example.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the host decides about the tools, which say nothing themselves.
const SETTINGS: &str = include_str!("../tools.toml");

/// The server as it was.
#[must_use]
pub fn before(store: &Arc<Store>) -> Shop {
    Shop::new(Arc::clone(store))
}

/// The server with its tools called through a runtime.
///
/// # Errors
///
/// If the settings or the tools are not in order.
pub fn after(store: &Arc<Store>) -> Result<Shop, Failure> {
    let mut shop = before(store);
    // The five lines.
    let settings = Settings::from_toml(SETTINGS)?;
    let tools = toolpost_rmcp::tools(shop.tool_router.clone(), shop.clone())?;
    let runtime = tools.into_iter().fold(Runtime::builder().settings(settings), RuntimeBuilder::any);
    let runtime = runtime.build()?;
    shop.tool_router = Tools::new(runtime).router();

    Ok(shop)
}

/// rmcp's client, connected to `server` in this process.
///
/// # Errors
///
/// If the two do not come to terms.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn connect(server: impl ServerHandler) -> Result<RunningService<RoleClient, ()>, Failure> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { server.serve(ours).await.map(|running| tokio::spawn(running.waiting())) });
    Ok(().serve(theirs).await?)
}
