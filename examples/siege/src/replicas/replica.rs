//! A workbench that is killed, and comes back at the same address.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::life::Life;
use crate::Failure;
use crate::served::{Ended, Served, limited};

/// Descriptors of a replica: one for each connection, and some for files.
const DESCRIPTORS: u32 = 4_096;
/// Below the ports that connections are given, so that none takes a replica's while it is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A replica, killed when this is dropped.
pub(super) struct Replica {
    address: SocketAddr,
    workbench: PathBuf,
    root: PathBuf,
    key: PathBuf,
    now: Mutex<Now>,
}

struct Now {
    served: Served,
    life: Arc<Life>,
    /// The most memory of any of its lives, in KiB.
    peak: u64,
}

impl Replica {
    pub(super) fn start(workbench: &Path, root: &Path, key: &Path) -> Result<Self, Failure> {
        let address = free()?;
        let served = serve(workbench, root, key, address)?;
        let now = Mutex::new(Now { served, life: Arc::default(), peak: 0 });
        Ok(Self { address, workbench: workbench.into(), root: root.into(), key: key.into(), now })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The life that it is in; one that is over until the next has begun.
    pub(super) fn life(&self) -> Arc<Life> {
        Arc::clone(&self.lock().life)
    }

    /// Kills it; says how many calls were in flight on it.
    pub(super) fn kill(&self) -> usize {
        let mut now = self.lock();
        now.peak = now.peak.max(now.served.peak());
        let life = Arc::clone(&now.life);
        life.kill(|| now.served.kill())
    }

    /// Starts it again; says how long it took until it served.
    pub(super) fn restart(&self) -> Result<Duration, Failure> {
        let start = Instant::now();
        // Before anybody can connect to it.
        self.lock().life = Arc::default();
        let served = serve(&self.workbench, &self.root, &self.key, self.address)?;
        self.lock().served = served;
        Ok(start.elapsed())
    }

    /// Asks it to end.
    pub(super) fn end(&self) -> Ended {
        let mut now = self.lock();
        now.peak = now.peak.max(now.served.peak());
        now.served.end()
    }

    /// The most memory that it took, in KiB.
    pub(super) fn peak(&self) -> u64 {
        self.lock().peak
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(workbench: &Path, root: &Path, key: &Path, address: SocketAddr) -> Result<Served, Failure> {
    let mut command: Command = limited(workbench.as_os_str(), DESCRIPTORS);
    command.args(["serve", "--with-sleep", "--permits", "3000", "--connections", "3000", "--http"]);
    command.arg(address.to_string()).arg("--root").arg(root).arg("--state-key-file").arg(key);
    Served::listening(command)
}

/// An address whose port nobody has.
fn free() -> Result<SocketAddr, Failure> {
    let many = u32::from(PORTS.end - PORTS.start);
    let first = u16::try_from(std::process::id().wrapping_mul(7) % many)?;
    let ports = (PORTS.start + first..PORTS.end).chain(PORTS.start..PORTS.start + first);
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).ok_or_else(|| "no port is free".into())
}
