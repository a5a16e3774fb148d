//! A disk in memory that can be cut off from power, and told to fail.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::files::{Blob, Files};

/// One directory; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    /// As of the last sync of the directory.
    durable_names: BTreeMap<String, usize>,
    nodes: Vec<Node>,
    /// Writes, syncs, creations, renames and removals so far.
    operations: u64,
    syncs: u64,
    /// What goes wrong, and at which operation.
    fault: Option<(u64, Fault)>,
    /// Whether everything fails from now on: the process is dead.
    dead: bool,
}

#[derive(Clone, Debug, Default)]
struct Node {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// What a sync has to write: offset and length.
    dirty: Vec<(usize, usize)>,
    /// The least size since the last sync.
    least: usize,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The operation fails; of a write, so many bytes are written. A sync that fails has lost what it was to write.
    Fails(usize),
    /// A write writes half, and no error.
    Short,
    /// It is interrupted and has to be tried again.
    Interrupted,
    /// The process is killed; of a write, so many bytes are written.
    Killed(usize),
}

impl Disk {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The operation after so many more goes wrong.
    pub(super) fn fail(&self, after: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + after, fault));
    }

    /// What is there after the process was killed.
    pub(super) fn after_kill(&self) -> Self {
        let state = self.state();
        let mut new = State { names: state.names.clone(), nodes: state.nodes.clone(), ..State::default() };
        new.durable_names.clone_from(&state.durable_names);
        Self(Arc::new(Mutex::new(new)))
    }

    /// What is there after the power was lost: what was synced, and of what was not the first `kept` bytes of each file.
    pub(super) fn after_power_loss(&self, kept: usize) -> Self {
        let state = self.state();
        let mut nodes = state.nodes.clone();
        for node in &mut nodes {
            let mut bytes = node.durable.clone();
            let more = bytes.len()..node.bytes.len().min(bytes.len().saturating_add(kept));
            let is_clean =
                |at: usize| !node.dirty.iter().any(|(from, length)| (*from..from + length).contains(&at));
            if !more.is_empty() && !more.clone().any(is_clean) {
                bytes.extend_from_slice(&node.bytes[more]);
            }
            *node = Node { bytes: bytes.clone(), least: bytes.len(), durable: bytes, dirty: Vec::new() };
        }
        let names = state.durable_names.clone();
        Self(Arc::new(Mutex::new(State { durable_names: names.clone(), names, nodes, ..State::default() })))
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.nodes[state.names[name]].bytes.clone()
    }

    /// Puts a file there, durable.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let node = Node { least: bytes.len(), durable: bytes.clone(), bytes, dirty: Vec::new() };
        state.nodes.push(node);
        let at = state.nodes.len() - 1;
        state.names.insert(name.into(), at);
        state.durable_names.insert(name.into(), at);
    }

    pub(super) fn take(&self, name: &str) -> Vec<u8> {
        let bytes = self.bytes(name);
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
        bytes
    }

    /// Every file, by name.
    pub(super) fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(name, at)| (name.clone(), state.nodes[*at].bytes.clone())).collect()
    }

    pub(super) fn of(image: &BTreeMap<String, Vec<u8>>) -> Self {
        let disk = Self::new();
        for (name, bytes) in image {
            disk.put(name, bytes.clone());
        }
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Counts an operation; how much of it happens, and with which end.
    fn begin(&mut self) -> (Option<usize>, io::Result<()>) {
        if self.dead {
            return (Some(0), Err(io::Error::other("the process is dead")));
        }
        let at = self.operations;
        self.operations += 1;
        match self.fault {
            Some((when, fault)) if when == at => match fault {
                Fault::Fails(bytes) => (Some(bytes), Err(io::ErrorKind::StorageFull.into())),
                Fault::Short => (None, Ok(())),
                Fault::Interrupted => (Some(0), Err(io::ErrorKind::Interrupted.into())),
                Fault::Killed(bytes) => {
                    self.dead = true;
                    (Some(bytes), Err(io::Error::other("the process is dead")))
                }
            },
            _ => (Some(usize::MAX), Ok(())),
        }
    }
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Blob>> {
        let mut state = self.state();
        state.begin().1?;
        state.nodes.push(Node::default());
        let node = state.nodes.len() - 1;
        state.names.insert(name.into(), node);
        Ok(Box::new(DiskFile { disk: self.clone(), node }))
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Box<dyn Blob>> {
        let node = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(DiskFile { disk: self.clone(), node }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin().1?;
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.into(), node);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin().1?;
        state.names.remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin().1?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("log").join(name)
    }
}

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    node: usize,
}

impl Blob for DiskFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.state().nodes[self.node].bytes.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let from = state.nodes[self.node].bytes.get(at as usize..).unwrap_or_default();
        let length = from.len().min(bytes.len());
        bytes[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let (most, end) = state.begin();
        let length = bytes.len().min(most.unwrap_or(bytes.len().div_ceil(2)));
        if 0 < length {
            let node = &mut state.nodes[self.node];
            let at = at as usize;
            if node.bytes.len() < at + length {
                node.bytes.resize(at + length, 0);
            }
            node.bytes[at..at + length].copy_from_slice(&bytes[..length]);
            node.dirty.push((at, length));
        }
        end.map(|()| length)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin().1?;
        let node = &mut state.nodes[self.node];
        node.bytes.resize(size as usize, 0);
        node.least = node.least.min(size as usize);
        node.dirty.retain_mut(|(at, length)| {
            *length = (*length).min((size as usize).saturating_sub(*at));
            0 < *length
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let failed = state.begin().1;
        state.syncs += u64::from(failed.is_ok());
        let node = &mut state.nodes[self.node];
        let dirty = std::mem::take(&mut node.dirty);
        if failed.is_ok() {
            node.durable.truncate(node.least);
            for (at, length) in dirty {
                let end = at + length;
                if node.durable.len() < end {
                    node.durable.resize(end, 0);
                }
                node.durable[at..end].copy_from_slice(&node.bytes[at..end]);
            }
            node.least = node.durable.len();
        }
        failed
    }
}
