//! Reads a value, and goes on after a fault: the part at fault is taken away, and the rest is read again.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use toolpost::dispatch::nearest;

use crate::faults::Faults;

/// What `value` says as a `T`, without the parts that are at fault; each of these is a fault with its path below `at`.
pub(crate) fn read<T: DeserializeOwned + Default>(
    mut value: Value,
    file: &Path,
    at: &str,
    faults: &mut Faults,
) -> T {
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let mut path: Vec<Segment> =
            error.path().iter().filter(|segment| !matches!(segment, Segment::Unknown)).cloned().collect();
        let said = error.inner().to_string();
        let unknown = unknown_key(&said);
        if let Some((key, _)) = unknown {
            let is_named = matches!(path.last(), Some(Segment::Map { key: last }) if last == key);
            if !is_named {
                path.push(Segment::Map { key: key.to_owned() });
            }
        }
        let fault = match unknown {
            Some((key, known)) => no_such_key(key, &known),
            None => said,
        };
        let steps = path.iter().map(ToString::to_string);
        let whole: Vec<String> =
            [at.to_owned()].into_iter().filter(|at| !at.is_empty()).chain(steps).collect();
        faults.add(file, &whole.join("."), fault);
        if !take_away(&mut value, &path) {
            return T::default();
        }
    }
}

/// Says that there is no such key, and which may be meant.
pub(crate) fn no_such_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()).first() {
        Some(near) => format!("there is no such key; did you mean `{near}`?"),
        None => format!("there is no such key; there are {}", known.join(", ")),
    }
}

/// The key that serde says is unknown, and those that it knows.
fn unknown_key(said: &str) -> Option<(&str, Vec<&str>)> {
    let rest = said.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// Takes what is at `path` out of `value`; false if there is nothing.
fn take_away(value: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut parent = value;
    for segment in parents {
        let next = match segment {
            Segment::Map { key } => parent.get_mut(key),
            Segment::Seq { index } => parent.get_mut(index),
            _ => None,
        };
        match next {
            Some(next) => parent = next,
            None => return false,
        }
    }
    match (last, parent) {
        (Segment::Map { key }, Value::Object(members)) => members.remove(key).is_some(),
        (Segment::Seq { index }, Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Eq, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
    struct Table {
        name: String,
        at_once: u32,
        hosts: Vec<String>,
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_the_rest_is_read() {
        let value = json!({
            "a": { "nmae": "x", "at-once": "many", "hosts": ["one", 2, "three"], "zzz": 1 },
            "b": { "name": "b", "at-once": -1 },
        });
        let mut faults = Faults::default();
        let read: BTreeMap<String, Table> = read(value, Path::new("f.toml"), "upstreams", &mut faults);
        let all: Vec<&str> = faults.iter().collect();
        for expected in [
            "f.toml: upstreams.a.nmae: there is no such key; did you mean `name`?",
            "f.toml: upstreams.a.zzz: there is no such key; there are name, at-once, hosts",
            "f.toml: upstreams.a.at-once: invalid type: string \"many\", expected u32",
            "f.toml: upstreams.a.hosts.[1]: invalid type: integer `2`, expected a string",
            "f.toml: upstreams.b.at-once: invalid value: integer `-1`, expected u32",
        ] {
            assert!(all.contains(&expected), "{expected}\nis not in\n{faults}");
        }
        assert_eq!(all.len(), 5, "{faults}");
        assert_eq!(read["a"].hosts, ["one", "three"]);
        assert_eq!(read["b"].name, "b");
    }
}
