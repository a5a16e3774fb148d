//! Reads the text of templates.

use toolpost_dispatch::nearest;

use super::{Argument, Group, Place, Segment, Shape, Template, Text, ValueKind, Words};

/// The most arguments of a template.
const ARGUMENTS_MAX: usize = 256;

/// The most places of one argument or text.
const PLACES_MAX: usize = 64;

pub(super) fn template(
    program: &str,
    arguments: &[Words],
    stdin: Option<&str>,
    faults: &mut Vec<String>,
) -> Template {
    if program.is_empty() {
        faults.push("argv: is empty; its first item names the program".into());
    } else if program.contains(['{', '}']) {
        faults.push(format!(
            "argv[0]: `{program}` has braces: a caller may not choose the program; name one, and take what it does as an argument"
        ));
    } else if program.contains('\0') {
        faults.push("argv[0]: has a NUL byte".into());
    }
    if ARGUMENTS_MAX < arguments.len() {
        faults.push(format!("argv: has {} items, and {ARGUMENTS_MAX} at most are read", arguments.len()));
    }
    let mut after_dashes = false;
    let mut groups = Vec::new();
    for (at, words) in arguments.iter().take(ARGUMENTS_MAX).enumerate() {
        let place = format!("argv[{}]", at + 1);
        let group = group(words, &place, after_dashes, faults);
        after_dashes |= group.bare && group.arguments.iter().any(Argument::is_dashes);
        groups.push(group);
    }
    let stdin = stdin.map(|stdin| {
        let text = text(stdin, "stdin", faults);
        for place in text.places().filter(|place| matches!(place.shape, Shape::Repeated | Shape::Flag)) {
            faults.push(format!(
                "stdin: `{{{}}}` takes an argument with it, and there is none in stdin; use `{{{0},}}`, `{{{0}:json}}` or `{{{0}}}`",
                place.name
            ));
        }
        text
    });
    let template = Template { program: program.to_owned(), groups, stdin };
    agree(&template, faults);
    template
}

impl Argument {
    fn is_dashes(&self) -> bool {
        matches!(&*self.text.0, [Segment::Literal(text)] if text == "--")
    }
}

fn group(words: &Words, at: &str, after_dashes: bool, faults: &mut Vec<String>) -> Group {
    let (texts, bare) = match words {
        Words::One(text) => (std::slice::from_ref(text), true),
        Words::Group(texts) => (&**texts, false),
    };
    if texts.is_empty() {
        faults.push(format!("{at}: is an empty group; take it away"));
    }
    let mut guarded = after_dashes;
    let mut arguments = Vec::new();
    for (n, words) in texts.iter().enumerate() {
        let at = if bare { at.to_owned() } else { format!("{at}[{n}]") };
        let argument = Argument { text: text(words, &at, faults), after_dashes: guarded };
        if words.contains('\0') {
            faults.push(format!("{at}: has a NUL byte, which no argument of a program can have"));
        }
        if let [Segment::Literal(dashes), Segment::Place(place), ..] = &*argument.text.0
            && dashes.bytes().all(|byte| byte == b'-')
            && !guarded
            && !place.may_be_option
        {
            faults.push(format!(
                "{at}: `{words}` lets a caller choose the option; name the option, or write `{{-{}}}` if that is meant",
                place.name
            ));
        }
        guarded |= argument.is_dashes();
        arguments.push(argument);
    }
    let group = Group { arguments, bare };
    let places = || group.arguments.iter().flat_map(|argument| argument.text.places());
    let mut repeated: Vec<&str> =
        places().filter(|place| place.shape == Shape::Repeated).map(|place| &*place.name).collect();
    repeated.dedup();
    if let [first, second, ..] = &*repeated {
        faults.push(format!(
            "{at}: repeats for `{first}` and for `{second}`; one list can be repeated at a time"
        ));
    }
    group
}

/// Reads one text; `at` is where it stands.
fn text(words: &str, at: &str, faults: &mut Vec<String>) -> Text {
    let mut segments = Vec::new();
    let mut literal = String::new();
    let mut rest = words;
    while let Some(brace) = rest.find(['{', '}']) {
        literal.push_str(&rest[..brace]);
        let doubled = &rest[brace..brace + 1] == rest.get(brace + 1..brace + 2).unwrap_or_default();
        let opens = rest.as_bytes()[brace] == b'{';
        if doubled {
            literal.push(if opens { '{' } else { '}' });
            rest = &rest[brace + 2..];
            continue;
        }
        if !opens {
            faults.push(format!(
                "{at}: `{words}` has a `}}` that closes nothing; write `}}}}` for the character"
            ));
            rest = &rest[brace + 1..];
            continue;
        }
        let Some(close) = rest[brace..].find('}') else {
            faults.push(format!(
                "{at}: `{words}` has a `{{` that nothing closes; write `{{{{` for the character"
            ));
            rest = "";
            break;
        };
        if !literal.is_empty() {
            segments.push(Segment::Literal(std::mem::take(&mut literal)));
        }
        match &rest[brace + 1..brace + close] {
            "" => segments.push(Segment::All),
            inner => match place(inner) {
                Ok(place) => segments.push(Segment::Place(place)),
                Err(fault) => faults.push(format!("{at}: `{{{inner}}}` {fault}")),
            },
        }
        rest = &rest[brace + close + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() || segments.is_empty() {
        segments.push(Segment::Literal(literal));
    }
    if PLACES_MAX < segments.len() {
        faults.push(format!("{at}: has more than {PLACES_MAX} parts"));
        segments.truncate(PLACES_MAX);
    }
    Text(segments)
}

/// `-`? name (`:` type)? (`...` | `,` | `!`)? `?`?
fn place(inner: &str) -> Result<Place, String> {
    let (may_be_option, rest) = inner.strip_prefix('-').map_or((false, inner), |rest| (true, rest));
    let (rest, optional) = rest.strip_suffix('?').map_or((rest, false), |rest| (rest, true));
    let (rest, shape) = [("...", Shape::Repeated), (",", Shape::Joined), ("!", Shape::Flag)]
        .into_iter()
        .find_map(|(mark, shape)| Some((rest.strip_suffix(mark)?, shape)))
        .unwrap_or((rest, Shape::One));
    let (name, kind) = match rest.split_once(':') {
        None => (rest, None),
        Some((name, kind)) => match ValueKind::ALL.iter().find(|(known, _)| *known == kind) {
            Some((_, known)) => (name, Some(*known)),
            None => {
                let near = nearest(kind, ValueKind::ALL.iter().map(|(known, _)| *known));
                let near = near.first().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                return Err(format!(
                    "has no type `{kind}`: there are boolean, integer, json, number and string{near}"
                ));
            }
        },
    };
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(valid) || name.starts_with('-') {
        return Err(
            "names no argument: a name has 1 to 64 of A-Z a-z 0-9 _ -, and after it may come a type (`:integer`), then \
             `...` (repeated), `,` (joined) or `!` (a flag), then `?` (optional); write `{{` for the character"
                .into(),
        );
    }
    match (shape, kind, optional) {
        (Shape::Flag, Some(ValueKind::Boolean) | None, false) => {}
        (Shape::Flag, None | Some(_), true) => {
            return Err("is a flag, which may be missing anyway; take the `?` away".into());
        }
        (Shape::Flag, Some(_), _) => return Err("is a flag, which is a boolean; take the type away".into()),
        _ => {}
    }
    if shape == Shape::Joined && kind == Some(ValueKind::Json) {
        return Err("joins JSON values by commas, which they have themselves; take the `,` away".into());
    }
    Ok(Place { name: name.to_owned(), kind, shape, optional, may_be_option })
}

/// One name is one argument: a list or none, of one type.
fn agree(template: &Template, faults: &mut Vec<String>) {
    let mut seen: Vec<&Place> = Vec::new();
    for place in template.places() {
        let Some(first) = seen.iter().find(|first| first.name == place.name) else {
            seen.push(place);
            continue;
        };
        let name = &place.name;
        let form = |place: &Place| match place.shape {
            Shape::One => "one value",
            Shape::Repeated | Shape::Joined => "a list",
            Shape::Flag => "a flag",
        };
        if form(first) != form(place) {
            faults.push(format!(
                "argv: `{name}` is {} in one place and {} in another",
                form(first),
                form(place)
            ));
        }
        if let (Some(one), Some(other)) = (first.kind, place.kind)
            && one != other
        {
            faults.push(format!(
                "argv: `{name}` is {} in one place and {} in another",
                one.named(),
                other.named()
            ));
        }
    }
}
