//! Streamable HTTP: each message is a request of its own.
//!
//! Whoever waits for a request of MCP drives the HTTP request that carries it, and what comes on its stream: there is no task
//! in between, and to drop the future is to close the stream, which cancels the request where the era says so. What nobody
//! waits for (notifications, cancellations, answers to questions, the stream of a session) is the client's own task's.

mod answer;
mod carrier;
mod connect;
mod connections;
mod credentials;
mod driver;
mod events;
mod exchange;
mod header_value;
mod mirrored;
mod redirect;
mod sessions;
mod target;
mod wire;

pub use credentials::Credentials;
pub(crate) use driver::connect;
pub use target::HttpTarget;
