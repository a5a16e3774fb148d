//! Texts of other servers, before a model or a person sees them: bounded, and without what nobody sees.

use std::borrow::Cow;

/// The text without hidden characters, and of at most `longest` bytes; what is cut ends in an ellipsis.
///
/// Hidden is what a terminal or a page does not show and a model reads all the same, or what turns a text around: controls
/// but for line breaks and tabs, marks of direction, characters without a width, tags and selectors of variants.
pub(crate) fn clean(text: &str, longest: usize) -> Cow<'_, str> {
    let cleaned = match text.chars().any(is_hidden) {
        true => Cow::Owned(text.chars().filter(|c| !is_hidden(*c)).collect()),
        false => Cow::Borrowed(text),
    };
    if cleaned.len() <= longest {
        return cleaned;
    }
    const ELLIPSIS: &str = "…";
    let mut end = longest.saturating_sub(ELLIPSIS.len());
    while !cleaned.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}{ELLIPSIS}", &cleaned[..end]))
}

/// A text in one line, for an error or a state.
pub(crate) fn line(text: &str, longest: usize) -> String {
    clean(text, longest).replace(['\n', '\t'], " ").trim().to_owned()
}

/// Whether nobody sees the character, though it is there.
pub(crate) const fn is_hidden(c: char) -> bool {
    if matches!(c, '\n' | '\t') {
        return false;
    }
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_sees_is_taken_out_and_the_rest_stays() {
        assert_eq!(clean("one\r\n\ttwo", 100), "one\n\ttwo");
        for hidden in
            ['\u{202e}', '\u{200b}', '\u{feff}', '\u{e0041}', '\u{fe0f}', '\u{7}', '\u{2066}', '\u{2028}']
        {
            assert_eq!(clean(&format!("re{hidden}ad"), 100), "read", "{hidden:?}");
        }
        assert!(matches!(clean("Größe 寸法 ↔ 😀", 100), Cow::Borrowed(_)), "what is seen is not copied");
        assert_eq!(line("a\nb\u{1b}[31m ", 100), "a b[31m");
    }

    proptest! {
        #[test]
        fn a_clean_text_is_short_and_stays_what_it_is(text in any::<String>(), longest in 3_usize..40) {
            let cleaned = clean(&text, longest).into_owned();
            prop_assert!(cleaned.len() <= longest && !cleaned.contains(is_hidden));
            prop_assert_eq!(clean(&cleaned, longest), &*cleaned);
        }
    }
}
