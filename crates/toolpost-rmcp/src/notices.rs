//! What a running call says, sent to the client through rmcp's peer.
//!
//! A tool speaks without waiting, and a peer takes its time; between the two is a short queue. What
//! does not fit is dropped. The queue is emptied before the answer goes out.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use tokio::sync::mpsc;
use toolpost_tool::{LogLevel, Sink};

/// How many notices may wait for the peer.
const WAITING: usize = 32;

/// The receiving end of a call's notices.
pub(crate) struct Notices {
    queue: mpsc::Receiver<Notice>,
    sink: Arc<Speaker>,
}

enum Notice {
    Progress(ProgressNotificationParam),
    Log(LogLevel, Option<String>, serde_json::Value),
}

struct Speaker {
    queue: mpsc::Sender<Notice>,
    token: Option<ProgressToken>,
    level: Option<LogLevel>,
    /// The last progress reported; what does not exceed it is not reported.
    done: Mutex<f64>,
}

impl Notices {
    /// `None` if the request asks for neither progress nor log lines.
    pub(crate) fn wanted(context: &RequestContext<RoleServer>) -> Option<Self> {
        let token = context.meta.get_progress_token();
        let level = level_asked(context);
        if token.is_none() && level.is_none() {
            return None;
        }
        let (sender, queue) = mpsc::channel(WAITING);
        let done = Mutex::new(f64::NEG_INFINITY);
        Some(Self { queue, sink: Arc::new(Speaker { queue: sender, token, level, done }) })
    }

    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as _
    }

    /// Runs `call` to its end, and sends what it says meanwhile.
    pub(crate) async fn during<T>(
        notices: Option<Self>,
        context: &RequestContext<RoleServer>,
        call: impl Future<Output = T>,
    ) -> T {
        let Some(Self { mut queue, sink: _held }) = notices else { return call.await };
        let mut call = std::pin::pin!(call);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut call => break result,
                Some(notice) = queue.recv() => notice.send(&context.peer).await,
            }
        };
        while let Ok(notice) = queue.try_recv() {
            notice.send(&context.peer).await;
        }
        result
    }
}

impl Notice {
    /// A peer that is gone hears nothing.
    async fn send(self, peer: &Peer<RoleServer>) {
        match self {
            Self::Progress(params) => drop(peer.notify_progress(params).await),
            Self::Log(level, logger, data) => log(peer, level, logger, data).await,
        }
    }
}

impl Sink for Speaker {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.token else { return };
        {
            let mut last = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            if done.is_nan() || done <= *last {
                return;
            }
            *last = done;
        }
        let mut params = ProgressNotificationParam::new(token.clone(), done);
        params.total = total;
        params.message = message.map(Into::into);
        let _full = self.queue.try_send(Notice::Progress(params));
    }

    fn log(&self, level: LogLevel, logger: Option<&str>, data: &str) {
        if let Ok(data) = serde_json::from_str(data) {
            let _full = self.queue.try_send(Notice::Log(level, logger.map(Into::into), data));
        }
    }

    fn log_level(&self) -> Option<LogLevel> {
        self.level
    }
}

#[expect(deprecated, reason = "the revisions that are served still have log lines")]
async fn log(peer: &Peer<RoleServer>, level: LogLevel, logger: Option<String>, data: serde_json::Value) {
    use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};

    let level = match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Notice => LoggingLevel::Notice,
        LogLevel::Warning => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
        LogLevel::Critical => LoggingLevel::Critical,
        LogLevel::Alert => LoggingLevel::Alert,
        LogLevel::Emergency => LoggingLevel::Emergency,
    };
    let mut params = LoggingMessageNotificationParam::new(level, data);
    params.logger = logger;
    drop(peer.notify_logging_message(params).await);
}

/// The least level the request itself asks for; what `logging/setLevel` said, the host keeps.
fn level_asked(context: &RequestContext<RoleServer>) -> Option<LogLevel> {
    LogLevel::parse(context.meta.get("io.modelcontextprotocol/logLevel")?.as_str()?)
}
