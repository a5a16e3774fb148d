//! The client over Streamable HTTP. The sockets are real, and so is the clock; nothing here waits for time to pass but for
//! what happens.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    reason = "helpers of tests, which spawn their servers"
)]

mod hostile;
mod relay;
mod served;
mod sessions;
mod tls;
mod web;
