//! Who the server is: `server/discover`, and `initialize` if it does not know that.
//!
//! A server may answer the first with an error of any kind, with what is no result, or with silence. All of them mean
//! that it is of the other era; silence may also mean that it has not started yet, so that both questions are open from
//! then on.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::timeout;
use toolpost_json::Node;
use toolpost_protocol::model::{DiscoverResult, ServerCapabilities};
use toolpost_protocol::{Code, Version};

use super::Found;
use crate::core::Kind;
use crate::params::{Params, json};
use crate::shared::{Shared, Wire};
use crate::{ClientError, RawResult, ServerProfile};

/// How many revisions are tried before a server that refuses each of them is given up on.
const TRIES: usize = 3;
/// How many revisions that a server offers are looked at.
const OFFERED: usize = 32;

/// Finds out who the server is, within the time for it.
pub(super) async fn shake_hands(shared: &Arc<Shared>) -> Result<ServerProfile, ClientError> {
    let time = shared.options.handshake_time;
    match timeout(time, negotiate(shared)).await {
        Ok(found) => found,
        Err(_) => {
            let why = format!("the server did not say within {time:?} who it is");
            Err(ClientError::ConnectionLost(why.into()))
        }
    }
}

async fn negotiate(shared: &Arc<Shared>) -> Result<ServerProfile, ClientError> {
    let ours = &shared.options.versions;
    let modern = ours.iter().copied().filter(|version| version.is_modern()).max();
    let legacy = ours.iter().copied().filter(|version| !version.is_modern()).max();
    match (modern, legacy) {
        (Some(modern), None) => discover(shared, modern).await?.ok_or_else(|| nothing_common(&[])),
        (None, Some(legacy)) => initialize(shared, legacy).await,
        (None, None) => Err(nothing_common(&[])),
        (Some(modern), Some(legacy)) => {
            let mut discovery = pin!(discover(shared, modern));
            if let Ok(found) = timeout(shared.options.discover_time, &mut discovery).await {
                return match found? {
                    Some(profile) => Ok(profile),
                    None => initialize(shared, legacy).await,
                };
            }
            // Silence: it may not know the method, or not have started.
            let mut initialization = pin!(initialize(shared, legacy));
            tokio::select! {
                biased;
                found = &mut discovery => match found? {
                    Some(profile) => Ok(profile),
                    None => initialization.await,
                },
                initialized = &mut initialization => match initialized {
                    Ok(profile) => Ok(profile),
                    Err(error) => discovery.await?.ok_or(error),
                },
            }
        }
    }
}

/// Asks in the modern way; nothing if the server is of the other era.
async fn discover(shared: &Arc<Shared>, newest: Version) -> Found {
    let mut version = newest;
    for _ in 0..TRIES {
        let fixed = shared.fixed(version, &*shared.options.respond, None);
        let wire =
            Wire { method: "server/discover", kind: Some(Kind::Own), fixed: Some(&fixed), ..Wire::default() };
        let offered = match shared.send(&Params::default(), &wire)?.await {
            Ok(result) => match result.decode::<DiscoverResult>() {
                Ok(found) if found.supported_versions.iter().any(|name| name == version.as_str()) => {
                    return Ok(Some(ServerProfile {
                        version,
                        capabilities: found.capabilities,
                        implementation: found.meta.and_then(|meta| meta.server_info),
                        instructions: found.instructions,
                    }));
                }
                Ok(found) => found.supported_versions,
                Err(_) => return Ok(None),
            },
            Err(ClientError::Refused(error)) if error.code() == Code::UNSUPPORTED_VERSION => {
                supported(&error)
            }
            // These say nothing of what the server knows.
            Err(
                error @ (ClientError::NotConnected(_)
                | ClientError::ConnectionLost(_)
                | ClientError::Unauthorized { .. }
                | ClientError::Unavailable { .. }
                | ClientError::BadStatus { status: 500.. }),
            ) => return Err(error),
            Err(_) => return Ok(None),
        };
        match best(&shared.options.versions, &offered) {
            Some(best) if best.is_modern() && best != version => version = best,
            // A server that refuses what it says it supports is asked in the other way.
            Some(_) => return Ok(None),
            None if offered.is_empty() => return Ok(None),
            None => return Err(nothing_common(&offered)),
        }
    }
    Ok(None)
}

/// Asks in the way of the sessions.
async fn initialize(shared: &Arc<Shared>, version: Version) -> Result<ServerProfile, ClientError> {
    let capabilities = shared.options.capabilities(&*shared.options.respond, false);
    let encoded = |json: Result<Vec<u8>, ()>| String::from_utf8(json.unwrap_or_default()).unwrap_or_default();
    let params = Params::default()
        .with_str("protocolVersion", version.as_str())
        .with("capabilities", &encoded(json(&capabilities)))
        .with("clientInfo", &encoded(json(&shared.options.implementation)));
    let wire =
        Wire { method: "initialize", kind: Some(Kind::Initialize), fixed: Some(""), ..Wire::default() };
    let result = match shared.send(&params, &wire)?.await {
        Ok(result) => result,
        Err(ClientError::Refused(error)) if error.code() == Code::UNSUPPORTED_VERSION => {
            return Err(nothing_common(&supported(&error)));
        }
        Err(error) => return Err(error),
    };
    let profile = initialized(&result)?;
    if !shared.options.versions.contains(&profile.version) {
        return Err(nothing_common(&[profile.version.to_string()]));
    }
    shared.notify("notifications/initialized", "{}");
    Ok(profile)
}

/// What a server says when it is initialized; only the revision cannot be missing.
fn initialized(result: &RawResult) -> Result<ServerProfile, ClientError> {
    let node = result.node();
    let Some(name) = node.member("protocolVersion").and_then(Node::as_str) else {
        return Err(ClientError::malformed("`initialize` was answered without `protocolVersion`"));
    };
    let version = Version::parse(&name).filter(|version| !version.is_modern());
    let version = version.ok_or_else(|| nothing_common(&[name.chars().take(64).collect()]))?;
    let capabilities = node.member("capabilities").and_then(|node| node.decode::<ServerCapabilities>().ok());
    Ok(ServerProfile {
        version,
        capabilities: capabilities.unwrap_or_default(),
        implementation: node.member("serverInfo").and_then(|node| node.decode().ok()),
        instructions: node.member("instructions").and_then(Node::as_str).map(Into::into),
    })
}

/// The revisions that a refusal says are supported.
fn supported(error: &toolpost_protocol::Error) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Data {
        supported: Vec<String>,
    }
    let data = error.data().and_then(|data| toolpost_protocol::model::RawJson::parse(data.get()).ok());
    data.and_then(|data| data.decode::<Data>().ok()).map(|data| data.supported).unwrap_or_default()
}

fn best(ours: &[Version], offered: &[String]) -> Option<Version> {
    offered.iter().filter_map(|name| Version::parse(name)).filter(|version| ours.contains(version)).max()
}

fn nothing_common(offered: &[String]) -> ClientError {
    let offered = offered.iter().take(OFFERED).map(|name| name.chars().take(64).collect());
    ClientError::NoCommonVersion { offered: offered.collect() }
}
