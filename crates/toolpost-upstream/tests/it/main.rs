//! What toolpost-upstream promises, seen from outside of it.

#[cfg(target_os = "linux")]
mod children;
mod common;
mod lost;
mod questions;
mod served;
