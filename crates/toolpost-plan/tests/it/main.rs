//! What a stranger's document may do, and what it may not.

mod compiling;
mod running;
mod support;
mod templates;
