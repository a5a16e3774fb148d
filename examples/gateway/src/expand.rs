//! `${NAME}` and `${NAME:-otherwise}` in texts of a configuration.

/// A lookup in the environment.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The gateway's own environment.
pub(crate) fn own(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `text` with the values of the variables that it names. (`${env:NAME}`, as some clients write it, is `${NAME}`.)
///
/// # Errors
///
/// What is wrong with it: every variable that is not set and has no default, or a `${` without its end.
pub(crate) fn expand(text: &str, env: Env<'_>) -> Result<String, Vec<String>> {
    let mut expanded = String::with_capacity(text.len());
    let mut faults = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let Some((named, after)) = after.split_once('}') else {
            faults.push("has a `${` that no `}` closes".to_owned());
            rest = "";
            break;
        };
        rest = after;
        let (name, default) = match named.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (named, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        match (env(name), default) {
            // As in a shell, an empty value is none where there is a default.
            (Some(value), default) if !value.is_empty() || default.is_none() => expanded.push_str(&value),
            (_, Some(default)) => expanded.push_str(default),
            _ => faults.push(format!(
                "the variable `{name}` is not set; set it, or give a default: `${{{name}:-..}}`"
            )),
        }
    }
    expanded.push_str(rest);
    if faults.is_empty() { Ok(expanded) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOME" => Some("/h".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_by_their_values_or_their_defaults() {
        for (text, expected) in [
            ("plain $HOME {HOME}", "plain $HOME {HOME}"),
            ("${HOME}/x/${HOME}", "/h/x//h"),
            ("${env:HOME}", "/h"),
            ("${NONE:-d:-e}", "d:-e"),
            ("${NONE:-}", ""),
            ("${EMPTY}|${EMPTY:-d}", "|d"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn every_variable_that_is_missing_is_named() {
        let faults = expand("${A}/${HOME}/${B}", &env).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("`A` is not set") && faults[1].contains("`B` is not set"), "{faults:?}");
        assert!(expand("a ${HOME", &env).unwrap_err()[0].contains("no `}` closes"));
    }
}
