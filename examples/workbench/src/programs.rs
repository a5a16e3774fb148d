//! Programs of a file, as tools beside the workbench's own.

use std::path::Path;
use std::time::Duration;

use toolpost::process::{Programs, Supervisor, Workers};
use toolpost::{Runtime, RuntimeBuilder};

use crate::serve::{Failure, say};

/// How long workers that cannot be kept running are left alone, at least.
const AGAIN: Duration = Duration::from_millis(100);

/// What a file declares, and who owns its processes.
#[derive(Debug, Default)]
pub struct Declared {
    programs: Programs,
    supervisor: Supervisor,
}

impl Declared {
    /// What `file` declares; nothing without one.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file.
    pub fn of(file: Option<&Path>) -> Result<Self, Failure> {
        let programs = file.map(Programs::from_file).transpose()?.unwrap_or_default();
        Ok(Self { programs, supervisor: Supervisor::new() })
    }

    /// Adds the programs that are started for each call; a drain waits for all processes.
    pub fn set_up(&mut self, builder: RuntimeBuilder) -> RuntimeBuilder {
        let builder = builder.background("processes", self.supervisor.clone());
        self.programs.take_commands(&self.supervisor).into_iter().fold(builder, RuntimeBuilder::any)
    }

    /// Starts the workers. Their tools are there when they have told them, however often that takes a start more: nobody
    /// waits for that.
    pub fn start(&mut self, runtime: &Runtime) {
        for (name, workers) in self.programs.start_workers(&self.supervisor) {
            let runtime = runtime.clone();
            #[expect(clippy::disallowed_methods, reason = "ends when the workers have told their tools")]
            drop(tokio::spawn(async move {
                if let Err(error) = told(&runtime, &name, &workers).await {
                    say(format!("workbench: workers.{name}: {error}"));
                }
            }));
        }
    }
}

async fn told(runtime: &Runtime, name: &str, workers: &Workers) -> Result<(), Failure> {
    let mut is_said = false;
    let tools = loop {
        match workers.tools().await {
            Ok(tools) => break tools,
            Err(error) => {
                if !is_said {
                    say(format!("workbench: workers.{name}: {error}; they are started again"));
                    is_said = true;
                }
                #[expect(clippy::disallowed_methods, reason = "the workbench is a host, which waits")]
                tokio::time::sleep(error.retry_after().unwrap_or_default().max(AGAIN)).await;
            }
        }
    };
    Ok(runtime.source(name).set(tools).await?)
}
