//! Any text as the template of a command line, and any arguments for it. Texts are divided by NUL bytes: the arguments of
//! the template, the stdin, and the arguments of a call as JSON. The program is none, so nothing is started.

use serde_json::Value;
use toolpost_process::{CommandTool, Program, Supervisor};
use toolpost_tool::{Call, ErrorKind, Tool as _};

/// The longest command line, and more than what an error says of it.
const SAID_MAX: usize = 1 << 16;

pub(crate) fn run(bytes: &[u8]) {
    let parts: Vec<String> =
        bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let [arguments @ .., stdin, given] = &*parts else { return };
    let supervisor = Supervisor::new();
    let builder = CommandTool::builder("fuzzed", Program::new("/nowhere/at/all")).stdin(stdin);
    // One with a space is a group.
    let builder = arguments.iter().fold(builder, |builder, argument| match argument.contains(' ') {
        true => builder.group(argument.split(' ')),
        false => builder.arg(argument),
    });
    let tool = match builder.build(&supervisor) {
        Ok(tool) => tool,
        Err(faults) => {
            assert!(!faults.faults().is_empty());
            return;
        }
    };
    let schema = tool.spec().input_schema();
    assert!(schema["properties"].is_object(), "{schema}");
    let given: Value = serde_json::from_str(given).unwrap_or_default();
    let Ok(call) = Call::new(&given) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let error = runtime.block_on(tool.call(call)).expect_err("there is no such program");
    match error.kind() {
        // It was filled in, and was to be started.
        ErrorKind::Failed => assert!(error.to_string().contains("was not found"), "{error}"),
        ErrorKind::InvalidArguments => assert!(error.to_string().len() < SAID_MAX, "{error}"),
        kind => panic!("{kind:?}: {error}"),
    }
}
