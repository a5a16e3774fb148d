//! Files whose change may change the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64)>;

/// The files that a configuration was read from, each as it was when that began: what is written later is a change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watched(BTreeMap<PathBuf, Stamp>);

impl Watched {
    /// Adds a file that is about to be read.
    pub(crate) fn add(&mut self, file: &Path) {
        self.0.entry(file.to_owned()).or_insert_with(|| stamp(file));
    }

    /// The same files, as they are now.
    pub(crate) fn now(&self) -> Self {
        Self(self.0.keys().map(|file| (file.clone(), stamp(file))).collect())
    }
}

fn stamp(file: &Path) -> Stamp {
    let about = std::fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_while_a_file_is_read_is_a_change() {
        let place = tempfile::tempdir().unwrap();
        let (file, absent) = (place.path().join("tokens"), place.path().join("absent"));
        std::fs::write(&file, "one").unwrap();
        let mut watched = Watched::default();
        watched.add(&file);
        watched.add(&absent);
        assert_eq!(watched.now(), watched);
        std::fs::write(&file, "other").unwrap();
        watched.add(&file);
        assert_ne!(watched.now(), watched);
        let watched = watched.now();
        std::fs::write(absent, "").unwrap();
        assert_ne!(watched.now(), watched, "one that was not there");
    }
}
