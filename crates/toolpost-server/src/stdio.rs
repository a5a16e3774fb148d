//! Streams of lines: stdin and stdout, a pipe, a socket. One message per line.

#[cfg_attr(not(unix), path = "stdio/no_print_guard.rs")]
mod print_guard;
mod standard;
mod stream;
mod threaded;

pub(crate) use standard::{stdin, stdout};
pub(crate) use stream::LineStream;
