//! A tool with something to fall back on.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use toolpost_tool::{
    BoxFuture, Call, ErrorKind, Output, Principal, Refusal, ResultFlag, Tool, ToolError, ToolSpec,
};

use super::{Layer, Verdict};

/// What to answer when a tool cannot.
///
/// It stands in when the tool fails, takes too long, or is refused a run because its breaker is open, its queue full
/// or its deadline near. It never hides the caller's faults, a denial, a suspended call, or a result that reports an
/// error. What it gives is marked [`Degraded`](ResultFlag::Degraded).
///
/// Clones share the room for what they remember; each tool that one is put around has its own answers, for two tools may
/// have one name.
///
/// The last good answer stands in, marked as such, when the tool fails:
///
/// ```
/// use toolpost::ToolExt;
/// use toolpost::layers::Fallback;
/// use toolpost::tool::{ResultFlag, NoArgs, Tool, ToolError};
/// use toolpost_test::{Script, call, run};
///
/// run(async {
///     let weather = Script::new("weather").answers("sunny").fails(ToolError::unavailable("no answer"));
///     let weather = weather.with_fallback(Fallback::last_good(1_000));
///     weather.call(call(NoArgs {}).build()).await.unwrap();
///
///     let output = weather.call(call(NoArgs {}).build()).await.unwrap();
///     assert_eq!(output.as_text(), Some("sunny"));
///     assert!(output.has_flag(ResultFlag::Degraded));
/// });
/// ```
#[derive(Clone)]
pub struct Fallback {
    source: Arc<Source>,
    /// Whose answers are meant.
    tool: u64,
}

enum Source {
    LastGood(Memory),
    Function(Box<Function>),
}

type Function = dyn Fn(Call, ToolError) -> BoxFuture<'static, Result<Output, ToolError>> + Send + Sync;

/// Nothing awaits while this is held.
type Memory = Mutex<LruCache<Key, Output>>;

/// A result belongs to its principal, tool and arguments alone.
#[derive(Eq, Hash, PartialEq)]
struct Key {
    principal: Principal,
    tool: u64,
    arguments: String,
}

impl Key {
    fn of(tool: u64, call: &Call) -> Self {
        Self { principal: call.principal().clone(), tool, arguments: call.arguments().raw().to_owned() }
    }
}

impl Fallback {
    /// The last good answer to the same principal for the same arguments, byte for byte; of the last `most` such calls.
    ///
    /// # Panics
    ///
    /// If `most` is zero.
    #[must_use]
    pub fn last_good(most: usize) -> Self {
        let Some(most) = NonZeroUsize::new(most) else { panic!("room for at least one answer") };
        Self::of(Source::LastGood(Mutex::new(LruCache::new(most))))
    }

    /// Whatever this function makes of the call and its error.
    ///
    /// ```
    /// use toolpost::layers::Fallback;
    /// use toolpost::tool::Output;
    ///
    /// let fallback = Fallback::new(|_call, _error| async { Ok(Output::text("no forecast today")) });
    /// ```
    pub fn new<F>(function: impl Fn(Call, ToolError) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Output, ToolError>> + Send + 'static,
    {
        Self::of(Source::Function(Box::new(move |call, error| Box::pin(function(call, error)))))
    }

    fn of(source: Source) -> Self {
        Self { source: Arc::new(source), tool: 0 }
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.source {
            Source::LastGood(_) => "Fallback(last good)",
            Source::Function(_) => "Fallback(function)",
        })
    }
}

fn is_worth_it(error: &ToolError) -> bool {
    match error.kind() {
        ErrorKind::Refused(refusal) => {
            matches!(refusal, Refusal::BreakerOpen | Refusal::QueueFull | Refusal::DeadlineUnmet)
        }
        _ => matches!(Verdict::of(&Err(error.clone())), Verdict::Fails | Verdict::TimesOut),
    }
}

impl Layer for Fallback {
    /// Runs the tool, and falls back if it cannot answer.
    ///
    /// # Errors
    ///
    /// That of the tool if there is nothing to fall back on; if falling back fails too, the same with both messages.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops that of the tool, or of the function.
    async fn call<T: Tool>(&self, tool: &Arc<T>, call: Call) -> Result<Output, ToolError> {
        match &*self.source {
            Source::LastGood(memory) => {
                let key = Key::of(self.tool, &call);
                let result = tool.call(call).await;
                // No panic can leave the memory half changed.
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    Ok(output) => {
                        if !output.is_error() {
                            memory.put(key, output.clone());
                        }
                        Ok(output)
                    }
                    Err(error) if !is_worth_it(&error) => Err(error),
                    Err(error) => match memory.get(&key) {
                        Some(output) => Ok(output.clone().flagged(ResultFlag::Degraded)),
                        None => Err(error),
                    },
                }
            }
            Source::Function(function) => match tool.call(call.clone()).await {
                Err(error) if is_worth_it(&error) => match function(call, error.clone()).await {
                    Ok(output) => Ok(output.flagged(ResultFlag::Degraded)),
                    Err(second) => {
                        let message = format!("{error}; the fallback failed too: {second}");
                        Err(error.with_message(message))
                    }
                },
                result => result,
            },
        }
    }

    fn for_tool(mut self, _: &ToolSpec) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        self.tool = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self
    }
}
