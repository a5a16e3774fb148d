//! What toolpost-server promises, seen from outside of it.

mod agreement;
mod bounds;
mod common;
mod connection;
mod connections;
mod fuzz_corpus;
mod heartbeat;
mod hostile;
mod http;
mod http2;
mod http_bounds;
mod lines;
mod listen;
mod lists;
mod principals;
mod process;
mod resume;
mod rmcp_client;
mod rounds;
mod rules;
mod sessions;
mod tasks;
mod tokens;
mod unproven;
