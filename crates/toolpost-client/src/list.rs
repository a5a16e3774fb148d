//! Lists, through all their pages.

use std::collections::HashSet;
use std::sync::Arc;

use bytestring::ByteString;
use toolpost_json::{Kind, Node};
use toolpost_protocol::Code;

use crate::params::Params;
use crate::rounds::{request, within};
use crate::shared::Shared;
use crate::{ClientError, RequestOptions};

/// The most pages of a list.
const PAGES: usize = 1_000;

/// Every item of the member `member` of the results of `method`.
pub(crate) async fn list(
    shared: &Arc<Shared>,
    method: &str,
    member: &str,
    options: &RequestOptions,
) -> Result<Vec<ByteString>, ClientError> {
    let limit = options.time_limit.unwrap_or(shared.options.time_limit);
    within(shared, limit, pages(shared, method, member, options)).await
}

async fn pages(
    shared: &Arc<Shared>,
    method: &str,
    member: &str,
    options: &RequestOptions,
) -> Result<Vec<ByteString>, ClientError> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    let mut cursors: HashSet<String> = HashSet::new();
    let mut params = Params::new(&options.meta);
    let bounds = &shared.options;
    for _ in 0..PAGES {
        let page = match request(shared, method, &params, options).await {
            Err(ClientError::Refused(error)) if error.code() == Code::METHOD_NOT_FOUND => {
                return nothing(shared, method, error).await;
            }
            page => page?,
        };
        let listed = page.node().member(member).filter(|node| node.kind() == Kind::Array);
        let Some(listed) = listed else {
            return Err(ClientError::malformed(format!("`{method}` was answered without `{member}`")));
        };
        for item in listed.items() {
            bytes += item.raw().len();
            if bounds.list_bytes < bytes {
                return Err(ClientError::TooMany { what: "bytes of a list", limit: bounds.list_bytes });
            }
            if bounds.list_items <= items.len() {
                return Err(ClientError::TooMany { what: "items of a list", limit: bounds.list_items });
            }
            items.push(page.text().slice_ref(item.raw()));
        }
        let next = page.node().member("nextCursor").and_then(Node::as_str);
        let Some(next) = next else { return Ok(items) };
        bytes += next.len();
        params = Params::new(&options.meta).with_str("cursor", &next);
        if !cursors.insert(next.into_owned()) {
            return Err(ClientError::malformed(format!("`{method}` gave the same cursor twice")));
        }
    }
    Err(ClientError::TooMany { what: "pages of a list", limit: PAGES })
}

/// A server that never said that it has such a list has none.
async fn nothing(
    shared: &Shared,
    method: &str,
    error: toolpost_protocol::Error,
) -> Result<Vec<ByteString>, ClientError> {
    let capabilities = &shared.ready().await?.profile.capabilities;
    let offered = match method {
        "tools/list" => &capabilities.tools,
        "prompts/list" => &capabilities.prompts,
        // Templates may be missing where resources are not.
        "resources/list" => &capabilities.resources,
        _ => &None,
    };
    if offered.is_none() { Ok(Vec::new()) } else { Err(ClientError::Refused(error)) }
}
