//! Compiles the programs of the pages in `docs/`, under `cargo test`. Pages of one crate are compiled by that crate.

/// `docs/getting-started.md`, which `cargo xtask first-page` runs as well.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/getting-started.md")]
struct GettingStarted;

/// `docs/cookbook.md`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/cookbook.md")]
struct Cookbook;
