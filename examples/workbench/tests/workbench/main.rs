//! The workbench, from the outside.

#![expect(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot go on ends here")]

mod bounds;
mod commands;
mod escapes;
mod fixture;
#[cfg(feature = "git")]
mod fuzz_corpus;
#[cfg(feature = "git")]
mod git;
mod load;
mod programs;
mod replicas;
#[cfg(unix)]
mod runs;
#[cfg(unix)]
mod shutdown;
mod tools;
mod wire;
mod workflow;
mod workflows;
mod wrong_arguments;
