//! The stores that come with the server are what their traits say.
#![cfg(feature = "stores")]

use toolpost_server::MemoryEventStore;
use toolpost_test::{check_event_store, run};

#[test]
fn the_store_in_memory_is_an_event_store() {
    run(async {
        let store = MemoryEventStore::default();
        check_event_store(&store).await;
        // It leaves nothing behind, so that it can be checked again.
        check_event_store(&store).await;
    });
}
