//! Templates of command lines: what a caller may say in them, and how that is written.
//!
//! A template is parsed once. Filling it puts each value into the one argument that the template gives it: a value is
//! never split, never read by a shell, and begins no option unless the template says so.

mod parse;
mod schema;

use serde_json::Value;
use toolpost_json::{Kind, Node};
use toolpost_tool::ToolError;

/// The longest argument of a program, in bytes: Linux takes no longer one, whatever its limits are.
pub(crate) const ARGUMENT_MAX: usize = 131_071;

/// The longest command line, in bytes, a zero for each argument included: half of what Linux takes by default.
pub(crate) const COMMAND_LINE_MAX: usize = 1 << 20;

/// The longest text for stdin, in bytes.
pub(crate) const STDIN_MAX: usize = 16 << 20;

/// The command line of a program and its stdin, with places for what a caller says.
#[derive(Debug)]
pub(crate) struct Template {
    program: String,
    groups: Vec<Group>,
    stdin: Option<Text>,
}

/// A template filled in.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CommandLine {
    /// What comes after the program.
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: Option<String>,
}

/// Arguments that are there together, or not at all; or once for each value.
#[derive(Debug)]
struct Group {
    arguments: Vec<Argument>,
    /// Whether a lone argument was written without brackets.
    bare: bool,
}

#[derive(Debug)]
struct Argument {
    text: Text,
    /// Whether a literal `--` stands before it wherever it stands, so that nothing in it is an option.
    after_dashes: bool,
}

#[derive(Debug)]
struct Text(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Literal(String),
    Place(Place),
    /// All arguments of the call, as one JSON object.
    All,
}

/// Where a value goes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    name: String,
    /// What the value must be; any string, number or boolean if the template does not say.
    kind: Option<ValueKind>,
    shape: Shape,
    optional: bool,
    /// Whether a value may begin an option.
    may_be_option: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ValueKind {
    Boolean,
    Integer,
    Json,
    Number,
    String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    One,
    /// A list: its argument, or group, once for each value.
    Repeated,
    /// A list: all values in one argument, with commas between them.
    Joined,
    /// A boolean: the argument, or group, is there if it is true.
    Flag,
}

impl Template {
    /// Reads a template: the program, its arguments (each on its own, or several in a group) and its stdin. What is
    /// wrong is added to `faults`, each with the place of its text.
    pub(crate) fn read(
        program: &str,
        arguments: &[Words],
        stdin: Option<&str>,
        faults: &mut Vec<String>,
    ) -> Self {
        parse::template(program, arguments, stdin, faults)
    }

    /// The program, as the template names it.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// The JSON Schema of what a caller says.
    pub(crate) fn schema(&self) -> Value {
        schema::derived(self)
    }

    /// Holds a schema that an author gives against the places: what one of them has and the other lacks is a fault.
    pub(crate) fn held_to(&self, given: &Value, faults: &mut Vec<String>) {
        schema::compare(self, given, faults);
    }

    /// The command line for these arguments of a call.
    ///
    /// # Errors
    ///
    /// [`InvalidArguments`](toolpost_tool::ErrorKind::InvalidArguments), naming the argument and what is wrong.
    pub(crate) fn fill(&self, given: Node<'_>) -> Result<CommandLine, ToolError> {
        let mut filled = Vec::new();
        let mut bytes = self.program.len() + 1;
        for group in &self.groups {
            group.fill(&self.program, given, &mut filled, &mut bytes)?;
        }
        let stdin = self.stdin.as_ref().map(|text| {
            let mut out = String::new();
            text.write(given, None, &mut out)?;
            match out.len() {
                0..=STDIN_MAX => Ok(out),
                long => Err(wrong(format_args!(
                    "they make {long} bytes of stdin, and {STDIN_MAX} at most are sent"
                ))),
            }
        });
        Ok(CommandLine { arguments: filled, stdin: stdin.transpose()? })
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        let in_arguments =
            self.groups.iter().flat_map(|group| &group.arguments).flat_map(|one| one.text.places());
        in_arguments.chain(self.stdin.iter().flat_map(Text::places))
    }

    fn takes_all(&self) -> bool {
        let texts = self.groups.iter().flat_map(|group| &group.arguments).map(|argument| &argument.text);
        texts.chain(&self.stdin).any(|text| text.0.iter().any(|segment| matches!(segment, Segment::All)))
    }
}

/// What a template is read from: one argument, or several that belong together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Words {
    One(String),
    Group(Vec<String>),
}

impl Group {
    fn fill(
        &self,
        program: &str,
        given: Node<'_>,
        filled: &mut Vec<String>,
        bytes: &mut usize,
    ) -> Result<(), ToolError> {
        let places = || self.arguments.iter().flat_map(|argument| argument.text.places());
        for place in places() {
            if place.is_left_out(given)? {
                return Ok(());
            }
        }
        let repeated = places().find(|place| place.shape == Shape::Repeated);
        match repeated {
            None => self.write(program, given, None, filled, bytes),
            Some(place) => {
                for (at, item) in place.list(given)?.enumerate() {
                    self.write(program, given, Some((at, item)), filled, bytes)?;
                }
                Ok(())
            }
        }
    }

    fn write(
        &self,
        program: &str,
        given: Node<'_>,
        item: Option<(usize, Node<'_>)>,
        filled: &mut Vec<String>,
        bytes: &mut usize,
    ) -> Result<(), ToolError> {
        for argument in self.arguments.iter().filter(|argument| !argument.is_flag()) {
            let mut out = String::new();
            argument.text.write(given, item, &mut out)?;
            argument.check(program, &out)?;
            *bytes += out.len() + 1;
            if COMMAND_LINE_MAX < *bytes {
                return Err(wrong(format_args!(
                    "they make a command line of more than {COMMAND_LINE_MAX} bytes; send fewer or shorter values"
                )));
            }
            filled.push(out);
        }
        Ok(())
    }
}

impl Argument {
    /// Whether it says only when its group is there, and is no argument itself.
    fn is_flag(&self) -> bool {
        self.text
            .0
            .iter()
            .all(|segment| matches!(segment, Segment::Place(place) if place.shape == Shape::Flag))
    }

    /// Refuses what the program would read as something else, or not at all.
    fn check(&self, program: &str, written: &str) -> Result<(), ToolError> {
        let first = self.text.0.first();
        let named = || self.text.places().next().map_or("", |place| &place.name);
        if written.contains('\0') {
            return Err(about(named(), "has a NUL byte, which no argument of a program can have"));
        }
        if ARGUMENT_MAX < written.len() {
            let long = written.len();
            return Err(about(
                named(),
                format_args!("makes {long} bytes, and an argument of a program has {ARGUMENT_MAX} at most"),
            ));
        }
        if let Some(Segment::Place(place)) = first
            && written.starts_with('-')
            && !self.after_dashes
            && !place.may_be_option
        {
            return Err(about(
                &place.name,
                format_args!(
                    "begins with `-`, and `{program}` would take it for an option; of a file, say `./-..`"
                ),
            ));
        }
        Ok(())
    }
}

impl Text {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Place(place) => Some(place),
            _ => None,
        })
    }

    /// Appends the text with its values; `item` is that of the repeated place.
    fn write(
        &self,
        given: Node<'_>,
        item: Option<(usize, Node<'_>)>,
        out: &mut String,
    ) -> Result<(), ToolError> {
        for segment in &self.0 {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::All => out.push_str(given.raw()),
                Segment::Place(place) => place.write(given, item, out)?,
            }
        }
        Ok(())
    }
}

impl Place {
    /// Whether its argument, or group, is left out.
    fn is_left_out(&self, given: Node<'_>) -> Result<bool, ToolError> {
        let value = self.value(given);
        Ok(match (self.shape, value) {
            (Shape::Flag, None) => true,
            (Shape::Flag, Some(value)) => {
                !value.as_bool().ok_or_else(|| self.expected("a boolean", value))?
            }
            (Shape::Repeated | Shape::Joined, Some(value)) if self.optional => {
                value.kind() == Kind::Array && value.is_empty()
            }
            (_, None) => self.optional,
            _ => false,
        })
    }

    /// What the caller said; a null is nothing, where something may be missing.
    fn value<'a>(&self, given: Node<'a>) -> Option<Node<'a>> {
        let may_lack = self.optional || self.shape == Shape::Flag;
        given
            .member(&self.name)
            .filter(|value| !(may_lack && value.is_null() && self.kind != Some(ValueKind::Json)))
    }

    /// The values of a list; at least one, or it would have been left out.
    fn list<'a>(&self, given: Node<'a>) -> Result<impl Iterator<Item = Node<'a>>, ToolError> {
        let value = self.value(given).ok_or_else(|| self.missing())?;
        match value.kind() {
            Kind::Array if value.is_empty() => {
                Err(about(&self.name, "is an empty list, and takes one value at least"))
            }
            Kind::Array => Ok(value.items()),
            _ => Err(self.expected("a list", value)),
        }
    }

    fn write(
        &self,
        given: Node<'_>,
        item: Option<(usize, Node<'_>)>,
        out: &mut String,
    ) -> Result<(), ToolError> {
        match self.shape {
            Shape::Flag => Ok(()),
            Shape::Repeated => match item {
                Some((at, value)) => self.write_one(value, Some(at), out),
                None => Err(self.missing()),
            },
            // In a text for stdin: an argument would have been left out.
            Shape::Joined | Shape::One if self.is_left_out(given)? => Ok(()),
            Shape::Joined => {
                for (at, value) in self.list(given)?.enumerate() {
                    if 0 < at {
                        out.push(',');
                    }
                    let start = out.len();
                    self.write_one(value, Some(at), out)?;
                    if out[start..].contains(',') {
                        return Err(about(
                            &self.name,
                            format_args!("item {at} has a comma, which would make it two"),
                        ));
                    }
                }
                Ok(())
            }
            Shape::One => match self.value(given) {
                Some(value) => self.write_one(value, None, out),
                None => Err(self.missing()),
            },
        }
    }

    fn write_one(&self, value: Node<'_>, at: Option<usize>, out: &mut String) -> Result<(), ToolError> {
        let fits = match self.kind {
            Some(ValueKind::Json) => {
                out.push_str(value.raw());
                return Ok(());
            }
            Some(ValueKind::String) => value.kind() == Kind::String,
            Some(ValueKind::Boolean) => value.kind() == Kind::Bool,
            Some(ValueKind::Number) => value.kind() == Kind::Number,
            Some(ValueKind::Integer) => value.as_number().is_some_and(|number| number.is_integer()),
            None => matches!(value.kind(), Kind::String | Kind::Number | Kind::Bool),
        };
        match (fits, value.as_str()) {
            (true, Some(text)) => out.push_str(&text),
            // Digits, or a boolean: their own text is how a program takes them.
            (true, None) => out.push_str(value.raw()),
            (false, _) => {
                let expected = self.kind.map_or("a string, a number or a boolean", ValueKind::named);
                return Err(match at {
                    None => self.expected(expected, value),
                    Some(at) => about(
                        &self.name,
                        format_args!("item {at}: expected {expected}, got {}", named(value)),
                    ),
                });
            }
        }
        Ok(())
    }

    fn expected(&self, what: &str, got: Node<'_>) -> ToolError {
        about(&self.name, format_args!("expected {what}, got {}", named(got)))
    }

    fn missing(&self) -> ToolError {
        about(&self.name, "is missing")
    }
}

impl ValueKind {
    const ALL: [(&'static str, Self); 5] = [
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("json", Self::Json),
        ("number", Self::Number),
        ("string", Self::String),
    ];

    const fn named(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Json => "a JSON value",
            Self::Number => "a number",
            Self::String => "a string",
        }
    }
}

fn named(value: Node<'_>) -> &'static str {
    match value.kind() {
        Kind::Array => "a list",
        Kind::Bool => "a boolean",
        Kind::Null => "null",
        Kind::Number => "a number",
        Kind::Object => "an object",
        Kind::String => "a string",
    }
}

/// A fault of one argument of a call. Values are not shown: they may be secrets.
fn about(argument: &str, fault: impl std::fmt::Display) -> ToolError {
    ToolError::invalid_arguments(format!("argument `{argument}`: {fault}"))
}

fn wrong(fault: std::fmt::Arguments<'_>) -> ToolError {
    ToolError::invalid_arguments(format!("the arguments are too much: {fault}"))
}

#[cfg(test)]
mod tests;
