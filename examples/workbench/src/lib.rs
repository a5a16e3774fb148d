//! Real tools over a real directory: what toolpost looks like in a server.
//!
//! Five tools read what lies below one directory and nothing else: `list_files`, `read_file`,
//! `search_text`, `count_lines` and `git_log`. A sixth, `survey`, is a workflow of these. None writes, and none
//! touches a network. [`serve`] offers them on stdio and HTTP, [`demo`] and [`selftest`] drive them with a client that
//! is not ours, and [`load`] with as many calls as there is room for, [`soak`] for a long time.

pub mod checkout;
pub mod client;
mod clock;
pub mod demo;
pub mod glob;
pub mod language;
pub mod load;
pub mod meter;
pub mod plan;
pub mod report;
pub mod root;
mod rules;
pub mod selftest;
pub mod serve;
pub mod soak;
pub mod tools;
pub mod walk;
pub mod workflow;
