//! A directory with something of everything in it, and a way to call tools over it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use toolpost_tool::{AnyTool, Call, ErrorKind, Tool, ToolError};

/// What must never be seen: it stands in a file outside of the root.
pub(crate) const SECRET: &str = "the secret outside";

/// A directory with a root in it, and secrets beside the root.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    tools: Vec<AnyTool>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("root");
        for (path, text) in [
            ("root/README.md", "# Title\n\nOne two three.\n"),
            ("root/src/main.rs", "fn main() {\n    println!(\"Grüße\");\n}\n"),
            ("root/src/deep/lib.rs", "// no end of line"),
            ("root/.gitignore", "/target\n*.log\n!keep.log\n"),
            ("root/.ci/run", "cargo test\n"),
            ("root/src/.gitignore", "generated.rs\n"),
            ("root/src/generated.rs", "fn main() {}\n"),
            ("root/target/out.rs", "fn main() {}\n"),
            ("root/noise.log", "fn main() {}\n"),
            ("root/keep.log", "kept\n"),
            ("root/.git-not", "x\n"),
            ("outside/secret.txt", SECRET),
            ("secret.txt", SECRET),
        ] {
            write(&dir.path().join(path), text);
        }
        fs::write(root.join("image.bin"), b"\x89PNG\0\0\0fn main\n").unwrap();
        fs::write(root.join("latin.txt"), b"Gr\xFC\xDFe\n").unwrap();
        let tools = workbench::tools::all(&root).unwrap();
        Self { dir, tools }
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn call(&self, tool: &str, args: Value) -> Result<Value, ToolError> {
        call(&self.tools, tool, &args)
    }

    /// The answer's structured content; the call must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, tool: &str, args: Value) -> Value {
        self.call(tool, args.clone()).unwrap_or_else(|error| panic!("{tool} {args}: {error}"))
    }

    /// The text of the refusal; the call must fail by the caller's mistake, and tell no secret.
    #[track_caller]
    pub(crate) fn refused(&self, tool: &str, args: Value) -> String {
        let error = match self.call(tool, args.clone()) {
            Ok(output) => panic!("{tool} {args} succeeded: {output}"),
            Err(error) => error,
        };
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments, "{tool} {args}: {text}");
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains(&*self.dir.path().to_string_lossy()), "{text} tells where the root is");
        text
    }
}

pub(crate) fn call(tools: &[AnyTool], name: &str, args: &Value) -> Result<Value, ToolError> {
    let tool = tools.iter().find(|tool| tool.spec().name() == name).expect("a tool of that name");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(tool.call(Call::new(args)?))?;
    Ok(serde_json::from_str(output.structured().unwrap()).unwrap())
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The `path` of every member of `list`.
pub(crate) fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}
