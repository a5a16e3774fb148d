//! Approvals of one process.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use toolpost_tool::{BoxFuture, Refusal, ToolError};

use super::{ApprovalRequest, ApprovalState, ApprovalStore};

/// The most requests that wait or are decided, and those of one principal.
const REQUESTS_MAX: usize = 1_000;
pub(super) const OWN_MAX: usize = 100;

/// The most bytes of arguments of one request.
const ARGUMENTS_MAX: usize = 64 << 10;

/// The most approvals that are known to be used.
const SPENT_MAX: usize = 100_000;

#[derive(Default)]
pub(super) struct MemoryApprovals(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    requests: HashMap<String, Row>,
    /// By name, until when it is of use to know.
    spent: HashMap<String, u64>,
    /// Of the requests, in order.
    asked: u64,
}

struct Row {
    request: ApprovalRequest,
    state: ApprovalState,
    /// When it was asked, in the order of all.
    at: u64,
}

impl MemoryApprovals {
    fn tables(&self, now: u64) -> MutexGuard<'_, Tables> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.requests.retain(|_, row| now < row.request.expires);
        tables
    }
}

/// The error of a store that is full.
pub(super) fn full() -> ToolError {
    let text = "too many calls wait for the approval of a person: wait until some of them are decided";
    ToolError::refused(Refusal::TooManyAtOnce, text, None)
}

/// Whether a request may be kept; its arguments have to be shown.
pub(super) fn fits(request: &ApprovalRequest) -> Result<(), ToolError> {
    match request.arguments.len() {
        ..=ARGUMENTS_MAX => Ok(()),
        long => Err(ToolError::invalid_arguments(format!(
            "the arguments are {long} bytes, and a person can be asked about no more than {ARGUMENTS_MAX}"
        ))),
    }
}

impl ApprovalStore for MemoryApprovals {
    fn ask<'a>(&'a self, request: &'a ApprovalRequest) -> BoxFuture<'a, Result<(), ToolError>> {
        let ask = || {
            fits(request)?;
            // The time of asking is not told: what has expired is left for whoever tells it.
            let mut tables = self.tables(0);
            if tables.requests.contains_key(&request.id) {
                return Ok(());
            }
            let own = tables.requests.values().filter(|row| row.request.principal == request.principal);
            if REQUESTS_MAX <= tables.requests.len() || OWN_MAX <= own.count() {
                return Err(full());
            }
            tables.asked += 1;
            let row = Row { request: request.clone(), state: ApprovalState::Waiting, at: tables.asked };
            tables.requests.insert(request.id.clone(), row);
            Ok(())
        };
        Box::pin(ready(ask()))
    }

    fn take<'a>(&'a self, id: &'a str, now: u64) -> BoxFuture<'a, Result<ApprovalState, ToolError>> {
        let mut tables = self.tables(now);
        let state = tables.requests.get(id).map_or(ApprovalState::Unknown, |row| row.state);
        if matches!(state, ApprovalState::Approved | ApprovalState::Declined) {
            tables.requests.remove(id);
        }
        Box::pin(ready(Ok(state)))
    }

    fn decide<'a>(
        &'a self,
        id: &'a str,
        is_approved: bool,
        now: u64,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        let mut tables = self.tables(now);
        let waits = tables.requests.get_mut(id).filter(|row| row.state == ApprovalState::Waiting);
        let is_decided = waits.map(|row| {
            row.state = if is_approved { ApprovalState::Approved } else { ApprovalState::Declined };
        });
        Box::pin(ready(Ok(is_decided.is_some())))
    }

    fn waiting(&self, now: u64) -> BoxFuture<'_, Result<Vec<ApprovalRequest>, ToolError>> {
        let tables = self.tables(now);
        let mut waiting: Vec<&Row> =
            tables.requests.values().filter(|row| row.state == ApprovalState::Waiting).collect();
        waiting.sort_by_key(|row| row.at);
        Box::pin(ready(Ok(waiting.into_iter().map(|row| row.request.clone()).collect())))
    }

    fn spend<'a>(&'a self, once: &'a str, expires: u64, now: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        let mut tables = self.tables(now);
        if SPENT_MAX <= tables.spent.len() {
            tables.spent.retain(|_, until| now < *until);
        }
        let spent = match tables.spent.len() {
            ..SPENT_MAX => Ok(tables.spent.insert(once.to_owned(), expires).is_none()),
            _ => Err(full()),
        };
        Box::pin(ready(spent))
    }
}
