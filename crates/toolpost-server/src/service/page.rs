//! One page of a list: which items, and what the client may do with them.

use bytes::Bytes;
use toolpost_json::write;
use toolpost_protocol::{Code, Error};
use toolpost_tool::Principal;

use super::seal::Binding;
use super::{Era, RequestEnvelope, Service};
use crate::{Disposition, Reply, clock};

/// The end of a list that is the last member of its result: of the list, the result and the reply.
pub(crate) const END: &[u8] = b"]}}";

/// A cursor of more bytes is none of ours.
const LONGEST_CURSOR: usize = 64 << 10;

/// A list that is about to be sent.
pub(crate) struct Page<'a> {
    service: &'a Service,
    request: &'a RequestEnvelope,
    principal: &'a Principal,
    /// Whether everyone is shown the same list.
    shared: bool,
}

impl<'a> Page<'a> {
    pub(crate) const fn of(
        service: &'a Service,
        request: &'a RequestEnvelope,
        principal: &'a Principal,
        shared: bool,
    ) -> Self {
        Self { service, request, principal, shared }
    }

    /// Answers with the page that the request asks for, of `items` in a stable order: `name` is what
    /// an item is known by, and `write` appends it as JSON.
    pub(crate) fn answer<T>(
        &self,
        items: &[T],
        name: impl Fn(&T) -> &str,
        write: impl Fn(&mut Vec<u8>, &T),
    ) -> Reply {
        let Some(start) = self.start(items, &name) else { return self.refuse() };
        let end = items.len().min(start.saturating_add(self.service.page_size));
        let next = match &items[..end] {
            [.., last] if end < items.len() => self.service.sealer.seal(self.binding(), u64::MAX, name(last)),
            _ => None,
        };
        self.service.complete(self.request.era, &self.request.id, |out| {
            self.begin(out);
            for (n, item) in items[start..end].iter().enumerate() {
                if 0 < n {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
            if let Some(next) = next {
                out.extend_from_slice(br#","nextCursor":"#);
                write::string(out, &next);
            }
            self.hints(out);
        })
    }

    /// Answers with the whole list: `items` are all of them, encoded, separated by commas and followed by
    /// [`END`], so that nothing is left to send after what is shared.
    pub(crate) fn whole(&self, items: Bytes) -> Reply {
        let RequestEnvelope { era, id, .. } = self.request;
        let mut reply = Reply::result(id, |out| {
            out.push(b'{');
            if *era == Era::Modern {
                out.extend_from_slice(br#""resultType":"complete","#);
                self.service.close(out, |_| false);
                // The result goes on.
                out.pop();
                self.hints(out);
                out.push(b',');
            }
            self.begin(out);
        });
        // The end of the reply is a part of what is shared.
        if let Some(bytes) = &mut reply.bytes {
            bytes.pop();
            reply.shared = items;
        }
        reply
    }

    /// Whether the request asks for the first page of a list that has no second one.
    pub(crate) fn is_whole(&self, items: usize) -> bool {
        items <= self.service.page_size && self.cursor().is_none()
    }

    /// Where the page starts; `None` if the cursor is none of ours, or its place is gone.
    fn start<T>(&self, items: &[T], name: impl Fn(&T) -> &str) -> Option<usize> {
        let Some(cursor) = self.cursor() else { return Some(0) };
        let last = self.service.sealer.open(self.binding(), clock::unix(), &cursor?)?;
        if let Some(at) = items.iter().position(|item| name(item) == last) {
            return Some(at + 1);
        }
        // The item is gone; where the list is sorted, its place is not.
        items.is_sorted_by_key(&name).then(|| items.partition_point(|item| name(item) < last.as_str()))
    }

    /// A cursor is the name of the last item that was sent, sealed for this list of this principal.
    fn binding(&self) -> Binding {
        Binding::list(self.principal, self.request.method.name)
    }

    /// The cursor, if there is one: `Some(None)` is one that is no string.
    fn cursor(&self) -> Option<Option<String>> {
        let params = self.request.frame.node(self.request.params?);
        let cursor = params.member("cursor").filter(|node| !node.is_null())?;
        Some(cursor.as_str().filter(|text| text.len() <= LONGEST_CURSOR).map(|text| text.into_owned()))
    }

    fn refuse(&self) -> Reply {
        let error =
            Error::new(Code::INVALID_PARAMS, "params.cursor is not one of this list; start again without");
        Reply::error(Disposition::Answered, &self.request.id, &error)
    }

    fn begin(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.request.method.items.as_bytes());
        out.extend_from_slice(br#"":["#);
    }

    fn hints(&self, out: &mut Vec<u8>) {
        if self.request.era == Era::Modern {
            caching(out, self.service.tools.ttl_ms(), self.shared);
        }
    }
}

/// A list of nothing, where nothing of the kind is offered.
pub(crate) fn empty(service: &Service, request: &RequestEnvelope) -> Reply {
    Page::of(service, request, &Principal::anonymous(), true).answer(&[(); 0], |()| "", |_, ()| ())
}

/// Appends for how long a client may keep a result, and whether for everyone.
pub(crate) fn caching(out: &mut Vec<u8>, ttl_ms: u64, shared: bool) {
    out.extend_from_slice(br#","ttlMs":"#);
    out.extend_from_slice(ttl_ms.to_string().as_bytes());
    out.extend_from_slice(if shared { br#","cacheScope":"public""# } else { br#","cacheScope":"private""# });
}
