//! What the server says about itself, encoded once.

use serde::Serialize;
use toolpost_json::write;
use toolpost_protocol::{Version, meta};

/// What the server says about itself.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Implementation {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) website_url: Option<String>,
}

/// The same, as the fragments that replies are spliced from.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The `Implementation` object.
    pub(crate) implementation: Vec<u8>,
    /// `"io.modelcontextprotocol/serverInfo":{..}`: a member of every modern result's `_meta`.
    pub(crate) member: Vec<u8>,
    /// `,"instructions":".."`, or nothing.
    pub(crate) instructions: Vec<u8>,
}

impl Identity {
    pub(crate) fn new(implementation: &Implementation, instructions: Option<&str>) -> Self {
        let implementation = serde_json::to_vec(implementation).unwrap_or_else(|_| b"{}".to_vec());
        let mut member = Vec::new();
        write::string(&mut member, meta::SERVER_INFO);
        member.push(b':');
        member.extend_from_slice(&implementation);
        let mut written = Vec::new();
        if let Some(instructions) = instructions {
            written.extend_from_slice(br#","instructions":"#);
            write::string(&mut written, instructions);
        }
        Self { implementation, member, instructions: written }
    }
}

/// The revisions that the server speaks, newest first, as a JSON array.
pub(crate) fn supported_versions(out: &mut Vec<u8>) {
    for (n, version) in Version::ALL.iter().rev().enumerate() {
        out.push(if n == 0 { b'[' } else { b',' });
        write::string(out, version.as_str());
    }
    out.push(b']');
}
