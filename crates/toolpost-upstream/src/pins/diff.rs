//! The difference between two texts, line by line.

/// How many lines are shown.
const LINES_MAX: usize = 400;
/// How much of a line is shown, in bytes.
const LINE_MAX: usize = 400;
/// How many lines stay the same around what differs.
const AROUND: usize = 3;
/// How many pairs of lines are compared at most; beyond that what differs is shown as gone and new.
const PAIRS_MAX: usize = 1 << 20;

/// The lines of both, each with ` ` if it stays, `-` if it goes and `+` if it comes.
pub(super) fn lines(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = before.iter().zip(&after).take_while(same).count();
    let rest = before.len().min(after.len()) - head;
    let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(same).count();
    let (gone, new) = (&before[head..before.len() - tail], &after[head..after.len() - tail]);
    if gone.is_empty() && new.is_empty() {
        return String::new();
    }
    let mut shown = Vec::new();
    shown.extend(before[head.saturating_sub(AROUND)..head].iter().map(|line| (' ', *line)));
    middle(gone, new, &mut shown);
    shown.extend(before[before.len() - tail..].iter().take(AROUND).map(|line| (' ', *line)));
    let more = shown.len().saturating_sub(LINES_MAX);
    let mut out = String::new();
    for (mark, line) in shown.into_iter().take(LINES_MAX) {
        out.push(mark);
        out.push_str(cut(line));
        out.push('\n');
    }
    if 0 < more {
        out.push_str(&format!("({more} lines more)\n"));
    }
    out
}

/// The longest common subsequence of two texts that begin and end differently.
fn middle<'a>(gone: &[&'a str], new: &[&'a str], shown: &mut Vec<(char, &'a str)>) {
    let width = new.len() + 1;
    if PAIRS_MAX < (gone.len() + 1).saturating_mul(width) {
        shown.extend(gone.iter().map(|line| ('-', *line)));
        shown.extend(new.iter().map(|line| ('+', *line)));
        return;
    }
    // Of the lines from `g` and from `n` on, so many are common.
    let mut common = vec![0_u32; (gone.len() + 1) * width];
    for g in (0..gone.len()).rev() {
        for n in (0..new.len()).rev() {
            common[g * width + n] = match gone[g] == new[n] {
                true => common[(g + 1) * width + n + 1] + 1,
                false => common[(g + 1) * width + n].max(common[g * width + n + 1]),
            };
        }
    }
    let (mut g, mut n) = (0, 0);
    while g < gone.len() || n < new.len() {
        let (left_gone, left_new) = (g < gone.len(), n < new.len());
        if left_gone && left_new && gone[g] == new[n] {
            shown.push((' ', gone[g]));
            (g, n) = (g + 1, n + 1);
        } else if left_gone && (!left_new || common[g * width + n + 1] <= common[(g + 1) * width + n]) {
            shown.push(('-', gone[g]));
            g += 1;
        } else {
            shown.push(('+', new[n]));
            n += 1;
        }
    }
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(LINE_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh";
        assert_eq!(lines(before, &before.replace('e', "E\nE")), " b\n c\n d\n-e\n+E\n+E\n f\n g\n h\n");
        assert_eq!(lines(before, before), "");
        assert_eq!(lines("", "x\ny"), "+x\n+y\n");
        assert_eq!(lines("x\ny", ""), "-x\n-y\n");
    }

    #[test]
    fn a_difference_is_bounded_however_large_it_is() {
        let of = |c: char| (0..5_000).map(|n| format!("{c}{n}{}\n", "x".repeat(1_000))).collect::<String>();
        let shown = lines(&of('a'), &of('b'));
        assert_eq!(shown.lines().count(), LINES_MAX + 1);
        assert!(shown.lines().all(|line| line.len() <= LINE_MAX + 1));
        assert!(shown.ends_with("(9600 lines more)\n"), "{}", shown.lines().last().unwrap());
    }

    proptest! {
        #[test]
        fn either_text_can_be_read_out_of_the_difference(
            before in proptest::collection::vec("[ab]", 0..12), after in proptest::collection::vec("[ab]", 0..12),
        ) {
            let mut shown = Vec::new();
            let (old, new): (Vec<&str>, Vec<&str>) =
                (before.iter().map(|s| &**s).collect(), after.iter().map(|s| &**s).collect());
            middle(&old, &new, &mut shown);
            let without = |mark: char| shown.iter().filter(|(m, _)| *m != mark).map(|(_, l)| *l).collect::<Vec<_>>();
            prop_assert_eq!(without('+'), old);
            prop_assert_eq!(without('-'), new);
        }
    }
}
