//! Orders that are placed once, however often they are sent: `cargo run -p repeated_calls`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use repeated_calls::shop;
use serde_json::json;
use toolpost::layers::MemoryIdempotencyStore;
use toolpost::tool::ResultFlag;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let placed = Arc::default();
    let store = MemoryIdempotencyStore::new();
    // Two of a shop's servers, over one store.
    let servers = [shop(store.clone(), &placed)?, shop(store, &placed)?];

    let order = json!({ "sku": "chuck", "pieces": 2, "order_id": "4711" });
    for server in &servers {
        let output = server.call("order", &order).await?;
        let repeated = output.has_flag(ResultFlag::Repeated);
        println!("{} (repeated: {repeated})", output.structured().unwrap_or_default());
    }
    let another = json!({ "sku": "chuck", "pieces": 3, "order_id": "4711" });
    if let Err(error) = servers[0].call("order", &another).await {
        println!("another order under the same number: {error}");
    }
    println!("orders placed: {}", placed.load(Ordering::SeqCst));
    Ok(())
}
