//! A shop whose orders are placed once, however often they are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use toolpost::tool::{Call, IdempotencyPolicy, IdempotencyStore, Json, tool_fn};
use toolpost::{BuildError, Runtime};

/// Orders a part.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Order {
    /// Which part.
    sku: String,
    /// How many of it.
    pieces: u32,
    /// The number of the order at the customer's: an order that is sent twice under it is one.
    order_id: Option<String>,
}

/// What was ordered.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Receipt {
    /// The number of the order here.
    number: u32,
    text: String,
}

/// The tool `order`, whose keys are kept in `store`, which other runtimes may share; `placed` counts the orders.
///
/// A client names an order by `_meta["dev.toolpost/idempotencyKey"]`, and a model, which cannot, by `order_id`.
///
/// # Errors
///
/// Never: its one tool has a name of its own.
pub fn shop(store: impl IdempotencyStore, placed: &Arc<AtomicU32>) -> Result<Runtime, BuildError> {
    let placed = Arc::clone(placed);
    let order = tool_fn("order", move |order: Order, _: Call| {
        let number = placed.fetch_add(1, Ordering::SeqCst) + 1;
        let Order { sku, pieces, order_id } = order;
        let yours = order_id.map_or_else(String::new, |id| format!(", your number {id}"));
        async move { Ok(Json(Receipt { number, text: format!("{pieces} of {sku}{yours}") })) }
    });
    let policy = IdempotencyPolicy::new().over(["/order_id"]);
    Runtime::builder().tool(order.with_spec(|spec| spec.with_idempotency(policy))).idempotency(store).build()
}
