//! Streams of lines: stdin and stdout, a pipe, a socket. One message per line.

mod lines;
mod standard;
mod stream;
mod threaded;

pub(crate) use standard::{stdin, stdout};
pub(crate) use stream::LineStream;
