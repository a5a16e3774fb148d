//! The known name nearest to an unknown one.

/// The names within reach of `wanted`, nearest first, at most three: for "did you mean".
///
/// Near means: few edits (Damerau-Levenshtein in its restricted form, at most a third of the name),
/// or the same but for case and punctuation.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if LONGEST < wanted.len() {
        return Vec::new();
    }
    let bare = bare(wanted);
    let mut near: Vec<(usize, &str)> = known
        .filter_map(|name| {
            let edits =
                if self::bare(name) == bare { 0 } else { distance(wanted.as_bytes(), name.as_bytes()) };
            (edits <= 1.max(wanted.len().max(name.len()) / 3)).then_some((edits, name))
        })
        .collect();
    near.sort_unstable();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

/// A name longer than this is not a slip of the finger, and comparing it costs its length.
const LONGEST: usize = 96;

fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Edits (insert, remove, replace, swap neighbors) between two names, by the three-row algorithm.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (vec![0; b.len() + 1], (0..=b.len()).collect());
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if 0 < i && 0 < j && x == b[j - 1] && a[i - 1] == y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_other_spellings() {
        let known = ["list_files", "read_file", "search_text", "ping"];
        let near = |wanted| nearest(wanted, known.into_iter());
        assert_eq!(near("read_fiel"), ["read_file"]);
        assert_eq!(near("readFile"), ["read_file"]);
        assert_eq!(near("pong"), ["ping"]);
        assert_eq!(near("weather"), Vec::<&str>::new());
        assert_eq!(near(&"x".repeat(10_000)), Vec::<&str>::new());
    }

    #[test]
    fn distance_counts_a_swap_once() {
        assert_eq!(distance(b"abc", b"acb"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b"abc"), 0);
    }
}
