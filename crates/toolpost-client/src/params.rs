//! The params of a request as they are written: the host's members, what the round adds, and `_meta`.

use bytestring::ByteString;
use toolpost_json::{Node, write};
use toolpost_protocol::model::{ClientCapabilities, Implementation, LoggingLevel, Object};
use toolpost_protocol::{Version, meta};

/// Keys of `_meta` that the client writes itself.
const OURS: [&str; 5] = [
    meta::PROTOCOL_VERSION,
    meta::CLIENT_INFO,
    meta::CLIENT_CAPABILITIES,
    meta::PROGRESS_TOKEN,
    meta::LOG_LEVEL,
];

/// The params of a request without what differs from round to round.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// Members, each followed by a comma.
    members: Vec<u8>,
    /// Members of `_meta`, each followed by a comma.
    meta: Vec<u8>,
    /// The tool, prompt, resource or task that is named.
    pub(crate) name: Option<ByteString>,
}

impl Params {
    pub(crate) fn new(meta: &Object) -> Self {
        let mut params = Self::default();
        for (key, value) in meta {
            params.add_meta(key, value.as_str());
        }
        params
    }

    /// The members of an object of the host's; those of its `_meta` that are not the client's to write stay.
    pub(crate) fn of(node: Node<'_>, meta: &Object) -> Self {
        let mut params = Self::new(meta);
        for (key, value) in node.members() {
            if key.is("_meta") {
                for (key, value) in value.members() {
                    let name = key.name();
                    if !meta.contains_key(&*name) {
                        params.add_meta(&name, value.raw());
                    }
                }
                continue;
            }
            if params.name.is_none() && (key.is("name") || key.is("uri") || key.is("taskId")) {
                params.name = value.to_byte_string();
            }
            member(&mut params.members, &key.name(), |out| spliced(out, value.raw()));
        }
        params
    }

    /// Adds a member that is JSON.
    pub(crate) fn with(mut self, name: &str, json: &str) -> Self {
        member(&mut self.members, name, |out| spliced(out, json));
        self
    }

    /// Adds a member that is a string.
    pub(crate) fn with_str(mut self, name: &str, text: &str) -> Self {
        member(&mut self.members, name, |out| write::string(out, text));
        self
    }

    /// Says what the request names.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Writes the object: `round` are members of this round alone and `fixed` those that the revision requires in `_meta`,
    /// each followed by a comma.
    pub(crate) fn write(&self, out: &mut Vec<u8>, round: &[u8], fixed: &str, token: Option<i64>) {
        out.push(b'{');
        out.extend_from_slice(&self.members);
        out.extend_from_slice(round);
        if !fixed.is_empty() || !self.meta.is_empty() || token.is_some() {
            out.extend_from_slice(b"\"_meta\":{");
            out.extend_from_slice(fixed.as_bytes());
            out.extend_from_slice(&self.meta);
            if let Some(token) = token {
                out.extend_from_slice(format!("\"progressToken\":{token},").as_bytes());
            }
            end(out);
            out.push(b',');
        }
        end(out);
    }

    fn add_meta(&mut self, key: &str, json: &str) {
        if !OURS.contains(&key) {
            member(&mut self.meta, key, |out| spliced(out, json));
        }
    }
}

/// What each request of a modern revision says in its `_meta`, each member followed by a comma.
pub(crate) fn fixed_meta(
    version: Version,
    implementation: &Implementation,
    capabilities: &ClientCapabilities,
    log_level: Option<&LoggingLevel>,
) -> String {
    let mut out = Vec::new();
    let mut encoded = |name, value: Result<Vec<u8>, _>| {
        let value: Result<Vec<u8>, ()> = value;
        if let Ok(value) = value {
            member(&mut out, name, |out| out.extend_from_slice(&value));
        }
    };
    encoded(meta::PROTOCOL_VERSION, json(version.as_str()));
    encoded(meta::CLIENT_INFO, json(implementation));
    encoded(meta::CLIENT_CAPABILITIES, json(capabilities));
    if let Some(level) = log_level {
        encoded(meta::LOG_LEVEL, json(level));
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Writes `name` and a value, followed by a comma.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    write::string(out, name);
    out.push(b':');
    value(out);
    out.push(b',');
}

/// Writes JSON on one line: line ends in it can only stand between its tokens.
pub(crate) fn spliced(out: &mut Vec<u8>, json: &str) {
    let mut rest = json.as_bytes();
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b' ');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

pub(crate) fn json(value: &(impl serde::Serialize + ?Sized)) -> Result<Vec<u8>, ()> {
    let mut out = Vec::new();
    write::value(&mut out, value).map_err(drop)?;
    Ok(out)
}

/// Ends an object whose members are each followed by a comma.
pub(crate) fn end(out: &mut Vec<u8>) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use toolpost_json::{Frame, Limits};

    use super::*;

    fn written(params: &str, meta: &Object, round: &[u8], fixed: &str, token: Option<i64>) -> String {
        let frame = Frame::parse(params.to_owned().into(), &Limits::new()).unwrap();
        let mut out = Vec::new();
        Params::of(frame.root(), meta).write(&mut out, round, fixed, token);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_host_says_stays_and_what_the_client_says_is_the_clients() {
        let none = Object::new();
        assert_eq!(written("{}", &none, b"", "", None), "{}");
        assert_eq!(
            written("{\"a\":[1,\r\n2],\"b\":{}}", &none, b"", "", None),
            "{\"a\":[1,  2],\"b\":{}}",
            "on one line"
        );
        let spoofed =
            r#"{"_meta":{"progressToken":1,"x/y":2,"io.modelcontextprotocol/protocolVersion":"1"},"n":1}"#;
        assert_eq!(
            written(spoofed, &none, b"\"r\":1,", "\"f\":1,", Some(7)),
            r#"{"n":1,"r":1,"_meta":{"f":1,"x/y":2,"progressToken":7}}"#
        );
        let mut own = Object::new();
        own.insert("x/y".into(), toolpost_protocol::model::RawJson::from(true));
        assert_eq!(written(spoofed, &own, b"", "", None), r#"{"n":1,"_meta":{"x/y":true}}"#);
    }
}
