//! The table of the methods that this server knows: what each needs, and what answers it.
//!
//! Whoever asks anything about a method (routing, headers, capabilities, eras, sessions, streams) reads its row, so that
//! a new method is a new row and a handler.

use std::sync::Arc;

use super::{Era, Outbox, ReplyFuture, RequestEnvelope, Service, listen};
use crate::{Peer, Reply};

mod call_task;
pub(super) mod call_tool;
mod complete;
mod discover;
mod get_prompt;
mod initialize;
mod lists;
mod read_resource;
mod set_log_level;
mod subscribe;
mod tasks;

/// One method: a row of the [table](TABLE).
#[derive(Debug)]
pub(crate) struct Method {
    /// The name on the wire; empty for the [unknown](UNKNOWN).
    pub(crate) name: &'static str,
    /// The eras in which it exists.
    eras: &'static [Era],
    /// What the server must offer for it.
    needs: Capability,
    /// How it stands to the sessions of the legacy era.
    pub(crate) session: InSession,
    /// The member of its params that names what it is about, and that the header `Mcp-Name` repeats.
    pub(crate) subject: Option<&'static str>,
    /// The member of its result that has the items, if it is a list.
    pub(crate) items: &'static str,
    pub(crate) handler: Handler,
}

/// What a server has to offer, before a method is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Capability {
    /// Nothing in particular.
    Always,
    Resources,
    /// Resources whose changes are told.
    Subscriptions,
    Prompts,
    Completions,
    /// A store of tasks.
    Tasks,
    /// What no server has.
    Never,
}

/// How a legacy method stands to sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InSession {
    /// It opens one.
    Opens,
    /// It is answered within one and without.
    Anywhere,
    /// It is answered within one alone.
    Within,
    /// As `Within`, and the session has something to remember of it.
    Remembered,
}

/// What answers a method.
///
/// A request may be cancelled under its id unless it is answered at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// Answers before anything else is read.
    AtOnce(fn(&Service, &RequestEnvelope, &Peer) -> Reply),
    /// Runs a tool, in rounds as below: its future alone is not boxed, for most requests are calls.
    Tool,
    /// Runs the host's code, which may report progress, write log lines and ask for input, round by round.
    Rounds(Waits),
    /// Waits for the host's code, which says nothing before it answers.
    Silent(Waits),
    /// Tells until it is ended.
    Stream(Waits),
}

type Waits = fn(Arc<Service>, RequestEnvelope, Peer, Option<Arc<Outbox>>) -> ReplyFuture;

const BOTH: &[Era] = &[Era::Modern, Era::Legacy];
const MODERN: &[Era] = &[Era::Modern];
const LEGACY: &[Era] = &[Era::Legacy];

/// What most rows say.
const fn row(name: &'static str, eras: &'static [Era], needs: Capability, handler: Handler) -> Method {
    Method { name, eras, needs, session: InSession::Within, subject: None, items: "", handler }
}

/// The row of a list, whose result has its items in the member `items`.
const fn list(
    name: &'static str,
    needs: Capability,
    items: &'static str,
    answer: fn(&Service, &RequestEnvelope, &Peer) -> Reply,
) -> Method {
    Method { items, ..row(name, BOTH, needs, Handler::AtOnce(answer)) }
}

/// The row of what runs the host's code for what its params name in the member `subject`.
const fn run(name: &'static str, needs: Capability, subject: &'static str, handler: Handler) -> Method {
    Method { subject: Some(subject), ..row(name, BOTH, needs, handler) }
}

/// The row of what is asked of one task.
const fn task(name: &'static str, eras: &'static [Era], handler: Handler) -> Method {
    Method { subject: Some("taskId"), ..row(name, eras, Capability::Tasks, handler) }
}

/// Every method; `tools/call` first, for it is asked for most.
static TABLE: [Method; 20] = [
    run("tools/call", Capability::Always, "name", Handler::Tool),
    list("tools/list", Capability::Always, "tools", lists::tools),
    run(
        "resources/read",
        Capability::Resources,
        "uri",
        Handler::Rounds(|service, request, peer, outbox| {
            Box::pin(read_resource::answer(service, request, peer, outbox))
        }),
    ),
    list("resources/list", Capability::Resources, "resources", lists::resources),
    list("resources/templates/list", Capability::Resources, "resourceTemplates", lists::templates),
    run(
        "prompts/get",
        Capability::Prompts,
        "name",
        Handler::Rounds(|service, request, peer, outbox| {
            Box::pin(get_prompt::answer(service, request, peer, outbox))
        }),
    ),
    list("prompts/list", Capability::Prompts, "prompts", lists::prompts),
    row(
        "completion/complete",
        BOTH,
        Capability::Completions,
        Handler::Silent(|service, request, peer, _| {
            Box::pin(async move { complete::answer(&service, &request, &peer).await })
        }),
    ),
    row("server/discover", MODERN, Capability::Always, Handler::AtOnce(discover::answer)),
    row(
        "subscriptions/listen",
        MODERN,
        Capability::Always,
        Handler::Stream(|service, request, peer, outbox| {
            Box::pin(async move { listen::answer(&service, &request, &peer, outbox).await })
        }),
    ),
    Method {
        session: InSession::Opens,
        ..row("initialize", LEGACY, Capability::Always, Handler::AtOnce(initialize::answer))
    },
    Method {
        session: InSession::Anywhere,
        ..row("ping", LEGACY, Capability::Always, Handler::AtOnce(|_, request, _| Reply::done(&request.id)))
    },
    Method {
        session: InSession::Remembered,
        ..row("logging/setLevel", LEGACY, Capability::Always, Handler::AtOnce(set_log_level::answer))
    },
    Method {
        session: InSession::Remembered,
        ..row("resources/subscribe", LEGACY, Capability::Subscriptions, Handler::AtOnce(subscribe::subscribe))
    },
    row("resources/unsubscribe", LEGACY, Capability::Subscriptions, Handler::AtOnce(subscribe::unsubscribe)),
    task(
        "tasks/get",
        BOTH,
        Handler::Silent(|service, request, peer, _| Box::pin(tasks::get(service, request, peer))),
    ),
    task(
        "tasks/cancel",
        BOTH,
        Handler::Silent(|service, request, peer, _| Box::pin(tasks::cancel(service, request, peer))),
    ),
    task(
        "tasks/update",
        MODERN,
        Handler::Silent(|service, request, peer, _| Box::pin(tasks::update(service, request, peer))),
    ),
    // No subject: no header repeats it, in the one era that has it.
    row(
        "tasks/result",
        LEGACY,
        Capability::Tasks,
        Handler::Rounds(|service, request, peer, outbox| {
            Box::pin(tasks::result(service, request, peer, outbox))
        }),
    ),
    row(
        "tasks/list",
        LEGACY,
        Capability::Tasks,
        Handler::Silent(|service, request, peer, _| Box::pin(tasks::list(service, request, peer))),
    ),
];

/// The row of every name that is not in the table.
static UNKNOWN: Method =
    row("", BOTH, Capability::Never, Handler::AtOnce(|_, request, _| request.unknown_method()));

impl Method {
    /// The method called `name`; the unknown one if there is none.
    pub(crate) fn find(name: &str) -> &'static Self {
        TABLE.iter().find(|method| method.name == name).unwrap_or(&UNKNOWN)
    }

    /// Whether `service` answers it in `era`.
    pub(crate) fn is_served(&self, era: Era, service: &Service) -> bool {
        self.eras.contains(&era) && self.needs.is_offered(service)
    }

    /// Whether it runs a tool.
    pub(crate) const fn is_tool_call(&self) -> bool {
        matches!(self.handler, Handler::Tool)
    }

    /// Whether it runs code of the host that may report progress and ask for input.
    pub(crate) const fn has_rounds(&self) -> bool {
        matches!(self.handler, Handler::Tool | Handler::Rounds(_))
    }

    /// Whether it is answered by a stream.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.handler, Handler::Stream(_))
    }

    /// Whether it is a list.
    pub(crate) const fn is_list(&self) -> bool {
        !self.items.is_empty()
    }
}

impl Capability {
    /// Whether `service` has what this names.
    pub(crate) fn is_offered(self, service: &Service) -> bool {
        let dispatcher = &service.dispatcher;
        match self {
            Self::Always => true,
            Self::Resources => dispatcher.has_resources(),
            Self::Subscriptions => dispatcher.has_resources() && dispatcher.changes().is_some(),
            Self::Prompts => dispatcher.has_prompts(),
            Self::Completions => dispatcher.has_completions(),
            Self::Tasks => service.tasks.is_some(),
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The requests that clients make by the schemas of 2024-11-05, 2025-03-26 and 2025-06-18: all the same.
    const OF_SESSIONS: [&str; 13] = [
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "tools/call",
        "tools/list",
    ];
    /// What 2025-11-25 has besides.
    const TASKS_OF_SESSIONS: [&str; 4] = ["tasks/cancel", "tasks/get", "tasks/list", "tasks/result"];
    /// Those of the extension that 2026-07-28 has in its place.
    const TASKS_OF_2026_07_28: [&str; 3] = ["tasks/cancel", "tasks/get", "tasks/update"];
    /// The requests that clients make by the schema of 2026-07-28.
    const OF_2026_07_28: [&str; 10] = [
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "subscriptions/listen",
        "tools/call",
        "tools/list",
    ];

    fn of(era: Era) -> BTreeSet<&'static str> {
        TABLE.iter().filter(|row| row.eras.contains(&era)).map(|row| row.name).collect()
    }

    #[test]
    fn each_era_has_the_methods_of_its_schemas() {
        assert_eq!(of(Era::Modern), OF_2026_07_28.into_iter().chain(TASKS_OF_2026_07_28).collect());
        assert_eq!(of(Era::Legacy), OF_SESSIONS.into_iter().chain(TASKS_OF_SESSIONS).collect());
        for name in ["", "tools/call ", "Tools/Call", "notifications/cancelled"] {
            assert_eq!(Method::find(name).name, "", "{name}");
        }
    }

    #[test]
    fn each_row_is_found_by_its_name_and_agrees_with_itself() {
        for row in &TABLE {
            let name = row.name;
            assert!(std::ptr::eq(Method::find(name), row), "{name} has two rows");
            assert!(!row.eras.is_empty() && row.needs != Capability::Never, "{name} is never served");
            let of_tasks = row.needs == Capability::Tasks;
            assert_eq!(row.is_list(), name.ends_with("/list") && !of_tasks, "{name}");
            assert!(
                !row.has_rounds() || row.subject.is_some() || of_tasks,
                "{name}: who asks again says for what"
            );
            // A client may not cancel it, so nothing of it may wait.
            let at_once = matches!(row.handler, Handler::AtOnce(_));
            assert!(at_once || row.session != InSession::Opens, "{name}");
            assert!(row.session == InSession::Within || row.eras == LEGACY, "{name}: sessions are legacy");
            assert!(!row.is_stream() || row.eras == MODERN, "{name}: a session has its streams otherwise");
        }
    }
}
