//! Processes that are kept warm, and answer many calls each.

mod link;
mod message;
mod options;
mod pool;
mod slot;

use std::fmt;
use std::sync::{Arc, PoisonError};

use toolpost_tool::{AnyTool, Call, Output, Tool, ToolError, ToolSpec};

pub use options::WorkersOptions;
use pool::Pool;

use crate::{Program, Redactor, Supervisor};

/// Keeps processes of one program warm, each of which answers many calls: what a start costs is paid before the first call.
///
/// A worker reads requests from stdin and writes answers to stdout, JSON each on a line. It tells its tools when it has
/// started; [`tools`](Self::tools) waits for that, and nothing else does.
///
/// * A worker that ends, or says what is no answer, costs the calls that it had, and is replaced; what it had begun is not
///   begun again, for it may have been done.
/// * A worker is replaced after so many calls, after a time, or when it has grown; its successor is started first.
/// * Programs that end as soon as they start are started again ever more slowly, and calls fail at once meanwhile.
/// * A call whose future is dropped (at its time limit, say) is cancelled by a message; a worker that goes on all the same is
///   killed.
///
/// A worker serves whoever calls. Where callers have secrets or data that others must not see, the worker must keep them
/// apart; a program that cannot should be started for each call.
///
/// A clone is the same workers. They end when the last clone and the last of their tools are dropped.
///
#[doc = include_str!("../docs/workers.md")]
#[derive(Clone)]
pub struct Workers {
    pool: Arc<Pool>,
    owner: Arc<Owner>,
}

impl Workers {
    /// Starts workers, in tasks: nothing is waited for here.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(supervisor: &Supervisor, program: Program, options: WorkersOptions) -> Self {
        let redactor = Redactor::named(&program.secret_texts(), &mut Vec::new());
        let pool = Arc::new(Pool::new(supervisor.clone(), program, options));
        for _ in 0..pool.options.processes {
            let slot = slot::run(Arc::clone(&pool));
            #[expect(clippy::disallowed_methods, reason = "ends with its owner; its processes are counted")]
            drop(tokio::spawn(slot));
        }
        let owner = Arc::new(Owner(Arc::clone(&pool)));
        Self { pool, owner }.redacted_by(&redactor)
    }

    /// Takes values that the redactor knows out of all that the tools say from now on, in place of the program's
    /// [secrets](Program::secret), which go without that; so does what looks like a secret from errors, progress and log
    /// lines.
    #[must_use]
    pub fn redacted_by(self, redactor: &Redactor) -> Self {
        *self.pool.redactor.lock().unwrap_or_else(PoisonError::into_inner) = redactor.clone();
        self
    }

    /// The tools that the program says it has, as soon as its first worker has said so.
    ///
    /// # Errors
    ///
    /// If three starts in a row failed: why the last one did.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting, and nothing else.
    pub async fn tools(&self) -> Result<Vec<AnyTool>, ToolError> {
        let told = self.pool.told().await.map_err(|error| self.pool.redactor().redact_error(&error))?;
        told.specs()?.into_iter().map(|spec| Ok(self.tool(spec))).collect()
    }

    /// A tool that is known before a worker has told it: its calls wait for a worker.
    #[must_use]
    pub fn tool(&self, spec: ToolSpec) -> AnyTool {
        let spec = match spec.policy().concurrency {
            Some(_) => spec,
            None => spec.with_concurrency(self.pool.options.places()),
        };
        let tool = WorkerTool { spec, pool: Arc::clone(&self.pool), _owner: Arc::clone(&self.owner) };
        self.pool.redactor().layer()(AnyTool::new(tool))
    }

    /// How many workers are ready now.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.pool.ready()
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("program", &self.pool.program).finish_non_exhaustive()
    }
}

/// Ends the workers when it is dropped.
struct Owner(Arc<Pool>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stopped.send_replace(true);
    }
}

struct WorkerTool {
    spec: ToolSpec,
    pool: Arc<Pool>,
    _owner: Arc<Owner>,
}

impl Tool for WorkerTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        loop {
            let link = self.pool.take().await?;
            // One that ended just then was asked nothing.
            if let Some(asked) = link.ask(self.spec.name(), &call) {
                return asked.answer().await;
            }
        }
    }
}
