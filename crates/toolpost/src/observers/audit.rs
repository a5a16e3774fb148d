//! Calls as records of an audit trail.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use toolpost_dispatch::{Event, Observe, Outcome};
use toolpost_journal::NewRecord;
use toolpost_journal::rt::Log;
use toolpost_json::write;
use toolpost_tool::{Call, ErrorKind};

/// The longest name of an unknown tool that is written, in bytes.
const SHOWN: usize = 128;

/// Writes each call to an audit trail, as started and as ended: who called which tool, with which arguments by their digest, and
/// how that ended.
///
/// | kind | when | payload, a JSON object |
/// |---|---|---|
/// | `call.started` | its tool is about to run | `tool`, `principal`, `arguments` (the first 16 bytes of the BLAKE3 hash of their canonical JSON, in hexadecimal) |
/// | `call.ended` | once for each call of a tool that exists, those included that never started | the same, `outcome` ([`Outcome::as_str`]: a refusal says why), `reason` (the kind of the error) if it has no result, `took_us` if its arrival was recorded |
/// | `call.unknown_tool` | it named a tool that does not exist | `tool` (at most 128 bytes), `principal` |
///
/// The correlation of each record is that of the [call](Call::correlation), so that one look-up tells a call's whole story. No value
/// of an argument or a result is written, nor the text of an error; a digest of arguments of which there are few can be guessed.
///
/// ```
/// use toolpost::observers::Audit;
/// use toolpost::tool::{Call, NoArgs, tool_fn};
/// use toolpost::{Runtime, journal::LogOptions, journal::rt::Log};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let log = Log::open(&path, LogOptions::new())?;
/// let audit = Audit::in_log(log.clone());
/// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
/// let runtime = Runtime::builder().tool(ping).observe(audit.clone()).build()?;
/// # drop(runtime);
/// log.flush().await?;
/// assert_eq!(audit.dropped(), 0);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A call never waits for its record: where there is no room for one (see [`LogOptions::pending_bytes`], and a log that has
/// failed), it is [dropped](Self::dropped) and counted. A clone writes to the same trail.
///
/// [`LogOptions::pending_bytes`]: toolpost_journal::LogOptions::pending_bytes
#[derive(Clone)]
pub struct Audit {
    trail: Arc<Trail>,
}

struct Trail {
    place: Place,
    dropped: AtomicU64,
}

enum Place {
    Log(Log),
    /// Kind, correlation and payload, and how many at most.
    Memory(Mutex<VecDeque<[String; 3]>>, usize),
}

impl Audit {
    /// Writes to a log.
    #[must_use]
    pub fn in_log(log: Log) -> Self {
        Self::to(Place::Log(log))
    }

    /// Keeps the newest `most` records in memory, for tests and for a look at what happened last; an older one is dropped for
    /// each that has no room.
    #[must_use]
    pub fn in_memory(most: usize) -> Self {
        Self::to(Place::Memory(Mutex::default(), most))
    }

    fn to(place: Place) -> Self {
        Self { trail: Arc::new(Trail { place, dropped: AtomicU64::new(0) }) }
    }

    /// How many records were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.trail.dropped.load(Ordering::Relaxed)
    }

    /// The records in memory, oldest first, as kind, correlation and payload; none of a trail in a log, which
    /// [`LogReader`](toolpost_journal::LogReader) reads.
    #[must_use]
    pub fn recent(&self) -> Vec<[String; 3]> {
        match &self.trail.place {
            Place::Memory(records, _) => {
                records.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
            }
            Place::Log(_) => Vec::new(),
        }
    }
}

impl Trail {
    fn write(&self, kind: &'static str, call: &Call, payload: &[u8]) {
        let correlation = call.correlation().to_string();
        let kept = match &self.place {
            Place::Log(log) => log.offer(NewRecord::new(kind, payload).correlation(&correlation)).is_ok(),
            Place::Memory(records, most) => {
                let record = [kind.to_owned(), correlation, String::from_utf8_lossy(payload).into_owned()];
                let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
                records.push_back(record);
                records.len() <= *most || records.pop_front().is_none()
            }
        };
        if !kept {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observe for Audit {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Started { tool, call } => {
                let mut payload = begin(tool.name(), call);
                arguments(&mut payload, call);
                payload.push(b'}');
                self.trail.write("call.started", call, &payload);
            }
            Event::Finished { tool, call, outcome, took, error, .. } => {
                let mut payload = begin(tool.name(), call);
                arguments(&mut payload, call);
                let reason = error.map(|error| error.kind());
                ended(&mut payload, *outcome, reason);
                if let Some(took) = took {
                    let _infallible = write!(payload, ",\"took_us\":{}", took.as_micros());
                }
                payload.push(b'}');
                self.trail.write("call.ended", call, &payload);
            }
            Event::UnknownTool { call } => {
                let name = call.tool();
                let shown = (0..=SHOWN.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
                let mut payload = begin(&name[..shown.unwrap_or(0)], call);
                payload.push(b'}');
                self.trail.write("call.unknown_tool", call, &payload);
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

fn begin(tool: &str, call: &Call) -> Vec<u8> {
    let mut payload = Vec::with_capacity(160);
    payload.extend_from_slice(b"{\"tool\":");
    write::string(&mut payload, tool);
    payload.extend_from_slice(b",\"principal\":");
    write::string(&mut payload, call.principal().as_str());
    payload
}

fn arguments(payload: &mut Vec<u8>, call: &Call) {
    let mut canonical = Vec::new();
    call.arguments().write_canonical(&mut canonical);
    payload.extend_from_slice(b",\"arguments\":\"");
    for byte in &blake3::hash(&canonical).as_bytes()[..16] {
        let _infallible = write!(payload, "{byte:02x}");
    }
    payload.push(b'"');
}

fn ended(payload: &mut Vec<u8>, outcome: Outcome, reason: Option<ErrorKind>) {
    payload.extend_from_slice(b",\"outcome\":");
    write::string(payload, outcome.as_str());
    if let Some(reason) = reason {
        payload.extend_from_slice(b",\"reason\":");
        write::string(payload, reason.as_str());
    }
}
