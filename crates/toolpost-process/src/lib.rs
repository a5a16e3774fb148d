//! Programs as MCP tools: child processes that are bounded, supervised, kept warm, and gone when they should be.
//!
//! A [`Program`] says how to start a program: arguments without a shell, an environment of what is named and nothing else, a
//! process group of its own, [`ProcessLimits`]. A [`Supervisor`] starts programs and owns what it started; a [`Process`] is one that
//! runs, and dropping it ends it. A [`CommandTool`] is a tool that runs one program for each call, with a command line made from
//! a template. [`Workers`] keeps processes warm that answer many calls, and offers what they can do as tools. A [`Redactor`]
//! takes secrets out of what all of these say. With the feature `toml`, `Programs` reads both kinds of tools from a file.
//!
//! ```
//! use tokio::io::AsyncReadExt as _;
//! use toolpost_process::{Program, Supervisor};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let supervisor = Supervisor::new();
//! let mut process = supervisor.spawn(&Program::new("echo").arg("$HOME; rm -rf /"), |_stderr| {})?;
//! let mut said = String::new();
//! process.take_stdout().unwrap().read_to_string(&mut said).await?;
//! assert!(process.wait().await?.success());
//! assert_eq!(said, "$HOME; rm -rf /\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is promised
//!
//! * **A process ends with what it was started for.** Dropping its handle (at a time limit, when a client cancels, when a
//!   drain gives up) asks its group to end by `TERM`, and kills it by `KILL` after the program's grace. It is reaped always.
//! * **It ends with the server**, however the server ends: a small guardian process kills what a killed server left behind,
//!   within two seconds.
//! * **What it says is bounded**: a line, the lines of stderr that are kept, how many processes run.
//!
//! # What is not
//!
//! A process that left its group (`setsid`) is found while the one that began it lives, when a call is ended by force; one that
//! lives on by itself, as daemons do on purpose, outlives its call. When the server ends it is found by a mark in its
//! environment. Both on Linux alone. Against a program that means harm there is a sandbox; this is none.
//!
//! The crate is for Unix, and empty elsewhere.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg(unix)]

mod command;
#[cfg(feature = "landlock")]
mod confine;
mod error;
mod exit;
mod guardian;
mod invalid;
mod keeper;
mod limits;
mod lines;
mod process;
mod program;
#[cfg(feature = "toml")]
mod programs;
mod redact;
mod stderr;
#[cfg(target_os = "linux")]
mod strays;
#[cfg(not(target_os = "linux"))]
#[path = "no_strays.rs"]
mod strays;
mod supervisor;
mod template;
mod workers;

pub use command::{CommandOutput, CommandTool, CommandToolBuilder};
pub use error::ProcessError;
pub use invalid::InvalidProgram;
pub use limits::ProcessLimits;
pub use lines::Lines;
pub use process::Process;
pub use program::Program;
#[cfg(feature = "toml")]
#[cfg_attr(docsrs, doc(cfg(feature = "toml")))]
pub use programs::Programs;
pub use redact::Redactor;
pub use supervisor::Supervisor;
pub use workers::{Workers, WorkersOptions};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
