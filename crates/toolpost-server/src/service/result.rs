//! Results and failures in the form of each era.

use toolpost_protocol::{Code, Error, Id};

use super::{Era, Service};
use crate::{Disposition, Reply};

impl Service {
    /// Answers that a request succeeded: `members` appends the result's members, at least one,
    /// separated by commas.
    pub(crate) fn complete(&self, era: Era, id: &Id, members: impl FnOnce(&mut Vec<u8>)) -> Reply {
        Reply::result(id, |out| match era {
            Era::Modern => {
                out.extend_from_slice(br#"{"resultType":"complete","#);
                members(out);
                out.push(b',');
                self.close(out, |_| false);
            }
            Era::Legacy => {
                out.push(b'{');
                members(out);
                out.push(b'}');
            }
        })
    }

    /// As [`complete`](Self::complete), for a result of unknown size; an error in its place if it is larger
    /// than a reply may be.
    pub(crate) fn within(&self, era: Era, id: &Id, members: impl FnOnce(&mut Vec<u8>)) -> Reply {
        let reply = self.complete(era, id, members);
        let (size, limit) = (reply.bytes.as_ref().map_or(0, Vec::len), self.response_limit);
        if size <= limit {
            return reply;
        }
        let text = format!("the result has {size} bytes, and the limit is {limit}; ask for less");
        let data = serde_json::json!({ "reason": "response_too_large", "size": size, "limit": limit });
        failed(era, id, &Error::new(Code::INTERNAL_ERROR, text).with_data(&data))
    }

    /// Ends a modern result object with its `_meta`: `members` appends those that are the result's own.
    pub(crate) fn close(&self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>) -> bool) {
        out.extend_from_slice(br#""_meta":{"#);
        if members(out) {
            out.push(b',');
        }
        out.extend_from_slice(&self.identity.member);
        out.extend_from_slice(b"}}");
    }
}

/// Answers that a request failed, with the disposition that its era and code call for.
pub(crate) fn failed(era: Era, id: &Id, error: &Error) -> Reply {
    let disposition = match error.code() {
        // Errors of the method ride on 200 in this era.
        _ if era == Era::Legacy => Disposition::Answered,
        Code::METHOD_NOT_FOUND => Disposition::Unknown,
        Code::PARSE_ERROR
        | Code::INVALID_REQUEST
        | Code::HEADER_MISMATCH
        | Code::MISSING_CLIENT_CAPABILITY
        | Code::UNSUPPORTED_VERSION => Disposition::Invalid,
        _ => Disposition::Answered,
    };
    Reply::error(disposition, id, error)
}
