//! The servers: bare hyper, toolpost, and its peers. Each is a binary of its own, built alone.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who serves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Peer {
    Hyper,
    Toolpost,
    Rmcp,
    TowerMcp,
    Pmcp,
    RustMcpSdk,
}

impl Peer {
    pub const ALL: [Self; 6] =
        [Self::Hyper, Self::Toolpost, Self::Rmcp, Self::TowerMcp, Self::Pmcp, Self::RustMcpSdk];

    /// The name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Toolpost => "toolpost",
            Self::Rmcp => "rmcp",
            Self::TowerMcp => "tower-mcp",
            Self::Pmcp => "pmcp",
            Self::RustMcpSdk => "rust-mcp-sdk",
        }
    }

    /// The peer called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Its binary, once it is [built](build).
    ///
    /// # Errors
    ///
    /// If nobody knows where this program is.
    pub fn binary(self) -> io::Result<PathBuf> {
        Ok(std::env::current_exe()?.with_file_name(format!("serve-{}", self.name())))
    }
}

/// Builds these servers, one after the other: at once, each would be built with the features that another one asks for.
/// Gives back those that compile: some peers ask for a newer compiler than toolpost does, and are left out with a line that
/// says so.
///
/// # Errors
///
/// If toolpost does not compile.
pub fn build(peers: &[Peer]) -> io::Result<Vec<Peer>> {
    let mut built = Vec::new();
    for peer in peers {
        let compiled = cargo_build(&format!("serve-{}", peer.name()))?;
        match (compiled, peer) {
            (true, _) => built.push(*peer),
            (false, Peer::Toolpost) => return Err(io::Error::other("toolpost does not compile")),
            (false, _) => println!("skipped: {} does not compile here", peer.name()),
        }
    }
    Ok(built)
}

/// Builds one package of this workspace, alone; says whether it compiles.
///
/// # Errors
///
/// If cargo cannot be started.
pub fn cargo_build(package: &str) -> io::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or_else(|| io::Error::other("no folder of builds"))?;
    let compiled = Command::new(&cargo)
        .args(["build", "--quiet", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target)
        .args(["--package", package])
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .status()?;
    Ok(compiled.success())
}
