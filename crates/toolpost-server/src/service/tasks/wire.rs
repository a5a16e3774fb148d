//! A task in the forms of both eras.

use std::time::Duration;

use toolpost_json::write;
use toolpost_protocol::model::{Object, RawJson, TaskStatus};
use toolpost_protocol::reply;

use crate::service::Outbox;
use crate::tasks::{StoredTask, TaskLimits};

/// The key of `_meta` under which a message of 2025-11-25 says which task it belongs to.
pub(in crate::service) const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// A task as the extension of 2026-07-28 has it.
pub(in crate::service) struct DetailedTask<'a> {
    pub(in crate::service) task: &'a StoredTask,
    pub(in crate::service) limits: &'a TaskLimits,
}

impl DetailedTask<'_> {
    /// Appends the members of a new task, without braces.
    pub(in crate::service) fn head(&self, out: &mut Vec<u8>) {
        members(out, self.task, self.task.status(), ("ttlMs", "pollIntervalMs"), self.limits);
    }

    /// Appends all members, without braces.
    pub(in crate::service) fn write(&self, out: &mut Vec<u8>) {
        self.head(out);
        let task = &self.task.0;
        match task.status {
            TaskStatus::InputRequired => {
                out.extend_from_slice(br#","inputRequests":{"#);
                for (n, question) in self.task.outstanding().enumerate() {
                    if 0 < n {
                        out.push(b',');
                    }
                    write::string(out, &question.key);
                    out.extend_from_slice(br#":{"method":"#);
                    write::string(out, &question.method);
                    if let Some(params) = &question.params {
                        out.extend_from_slice(br#","params":"#);
                        out.extend_from_slice(params.as_bytes());
                    }
                    out.push(b'}');
                }
                out.push(b'}');
            }
            TaskStatus::Completed => {
                out.extend_from_slice(br#","result":{"resultType":"complete""#);
                // The members of an object, after its first.
                if let Some(rest) = task.result.as_deref().and_then(|result| result.strip_prefix('{')) {
                    out.extend_from_slice(if rest == "}" { b"" } else { b"," });
                    out.extend_from_slice(rest.as_bytes());
                } else {
                    out.push(b'}');
                }
            }
            TaskStatus::Failed => {
                out.extend_from_slice(br#","error":"#);
                out.extend_from_slice(error(self.task).as_bytes());
            }
            _ => {}
        }
    }
}

/// A task as 2025-11-25 has it.
pub(in crate::service) struct LegacyTask<'a> {
    pub(in crate::service) task: &'a StoredTask,
    pub(in crate::service) limits: &'a TaskLimits,
}

impl LegacyTask<'_> {
    /// Appends the members, without braces.
    pub(in crate::service) fn write(&self, out: &mut Vec<u8>) {
        // There a tool that failed is a task that failed.
        let status = match self.task.status() {
            TaskStatus::Completed if self.task.0.is_error => &TaskStatus::Failed,
            status => status,
        };
        members(out, self.task, status, ("ttl", "pollInterval"), self.limits);
    }

    /// The result of a task that completed, with the task that it belongs to.
    pub(in crate::service) fn result(&self, out: &mut Vec<u8>) {
        let task = &self.task.0;
        let result = task.legacy_result.as_deref().or(task.result.as_deref()).unwrap_or("{}");
        let mut result: Object = serde_json::from_str(result).unwrap_or_default();
        let mut meta: Object = result.get("_meta").and_then(|meta| meta.decode().ok()).unwrap_or_default();
        meta.insert(RELATED_TASK.to_owned(), serde_json::json!({ "taskId": task.id }).into());
        if let Ok(meta) = RawJson::encode(&meta) {
            result.insert("_meta".to_owned(), meta);
        }
        // Made of JSON, so it encodes.
        let _encodes = write::value(out, &result);
    }

    /// Tells the session on that stream how the task stands.
    pub(super) fn notify(&self, outbox: &Outbox) {
        outbox.push(|out| {
            reply::notification(out, "notifications/tasks/status", |out| {
                out.push(b'{');
                self.write(out);
                out.push(b'}');
            });
        });
    }
}

/// The error of a task that failed, as JSON.
pub(in crate::service) fn error(task: &StoredTask) -> &str {
    task.0.error.as_deref().unwrap_or(r#"{"code":-32603,"message":"the task failed"}"#)
}

fn members(
    out: &mut Vec<u8>,
    task: &StoredTask,
    status: &TaskStatus,
    (ttl, poll_interval): (&str, &str),
    limits: &TaskLimits,
) {
    let stored = &task.0;
    out.extend_from_slice(br#""taskId":"#);
    write::string(out, &stored.id);
    out.extend_from_slice(br#","status":"#);
    write::string(out, status.as_str());
    if let Some(message) = &stored.message {
        out.extend_from_slice(br#","statusMessage":"#);
        write::string(out, message);
    }
    out.extend_from_slice(br#","createdAt":""#);
    out.extend_from_slice(iso8601(stored.created_at).as_bytes());
    out.extend_from_slice(br#"","lastUpdatedAt":""#);
    out.extend_from_slice(iso8601(stored.updated_at).as_bytes());
    let kept = stored.expires_at.saturating_sub(stored.created_at);
    let rest = format!(r#"","{ttl}":{kept},"{poll_interval}":{}"#, millis(limits.poll_interval));
    out.extend_from_slice(rest.as_bytes());
}

pub(in crate::service) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds of Unix time as ISO 8601 writes them, in UTC.
///
/// Source: [chrono-compatible low-level date algorithms](https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
fn iso8601(millis: u64) -> String {
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    // Days since 0000-03-01, in eras of 400 years.
    let since = days + 719_468;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso8601(millis), text);
        }
    }
}
