//! Real tools over a real directory: what toolpost looks like in a server.
//!
//! Four tools read what lies below one directory and nothing else: `list_files`, `read_file`, `search_text` and
//! `count_lines`; the feature `git` adds a fifth, `git_log`. `survey` is a workflow of these, and
//! `run_workflow` runs any other. None writes, and none
//! touches a network. `serve` offers them on stdio and HTTP, `demo` and `selftest` drive them with a client that
//! is not ours, and `load` with as many calls as there is room for, `soak` for a long time: the feature `commands`.

#[cfg(feature = "commands")]
pub mod approve;
#[cfg(feature = "git")]
pub mod checkout;
#[cfg(feature = "commands")]
pub mod client;
mod clock;
#[cfg(feature = "commands")]
pub mod demo;
pub mod glob;
pub mod language;
#[cfg(feature = "commands")]
pub mod load;
pub mod meter;
#[cfg(feature = "commands")]
pub mod plan;
#[cfg(feature = "commands")]
pub mod programs;
#[cfg(feature = "commands")]
pub mod report;
pub mod root;
mod rules;
#[cfg(feature = "commands")]
pub mod runs;
#[cfg(feature = "commands")]
pub mod secrets;
#[cfg(feature = "commands")]
pub mod selftest;
#[cfg(feature = "commands")]
pub mod serve;
#[cfg(feature = "commands")]
pub mod soak;
pub mod tools;
pub mod walk;
#[cfg(feature = "commands")]
pub mod workflow;
#[cfg(feature = "commands")]
pub mod workflows;
