//! Streams of lines: stdin and stdout, a pipe, a socket. One message per line.

mod connection;
mod limits;
mod lines;
mod standard;
mod threaded;

pub(crate) use connection::Connection;
pub use limits::StdioLimits;
pub(crate) use standard::{stdin, stdout};
