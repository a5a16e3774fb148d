//! The two calls that are measured, and the types of their parts.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}"#;

/// A call with a message of 64 bytes: 390 bytes in all.
pub fn small() -> String {
    let message = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    format!(
        r#"{{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"{message}"}},{META}}}}}"#
    )
}

/// A call with 8 KB of records, every field of which the tool's type wants.
pub fn large() -> String {
    let mut records = String::new();
    for n in 0..36 {
        let comma = if n == 0 { "" } else { "," };
        write!(
            records,
            r#"{comma}{{"id":{},"name":"record number {n}","path":"crates/toolpost-protocol/src/part_{n}.rs","score":{}.{:02},"enabled":{},"parent":null,"tags":["alpha","beta-{n}","gamma"],"position":{{"line":{},"column":{}}},"note":"a sentence of some words, \"quoted\""}}"#,
            1_000_003 * n,
            n * 7,
            n,
            n % 3 == 0,
            n * 31,
            n % 80,
        )
        .unwrap();
    }
    format!(
        r#"{{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{{"name":"index","arguments":{{"records":[{records}]}},{META}}}}}"#
    )
}

#[derive(Deserialize)]
pub struct Envelope<'a, T> {
    pub jsonrpc: Cow<'a, str>,
    pub id: u64,
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    pub params: Params<'a, T>,
}

#[derive(Deserialize)]
pub struct Params<'a, T> {
    pub name: Cow<'a, str>,
    pub arguments: T,
    #[serde(borrow, rename = "_meta")]
    pub meta: Meta<'a>,
}

#[derive(Deserialize)]
pub struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    pub version: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub struct Echo {
    pub message: String,
}

#[derive(Serialize, Deserialize)]
pub struct Records {
    pub records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub path: String,
    pub score: f64,
    pub enabled: bool,
    pub parent: Option<u64>,
    pub tags: Vec<String>,
    pub position: Position,
    pub note: String,
}

#[derive(Serialize, Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}
