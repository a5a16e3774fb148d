//! What a cached result is the answer to: a call as a key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use toolpost_cache::{Bounds, Cache, Key, KeyWriter, Look, Memory, Terms};
use toolpost_protocol::{Kind, Node};
use toolpost_tool::{CachePolicy, CacheScope, Call, ToolSpec};

use crate::clock;

/// The questions asked of one tool.
#[derive(Debug)]
pub(super) struct Questions {
    seen: Arc<Seen>,
    /// Server, tool and version, as each key begins.
    tool: Key,
    scope: CacheScope,
    vary: Box<[String]>,
}

/// Arguments seen before, as they were received, and the key they came to.
///
/// Who asks is a part of what is looked up here, as it is of the key itself.
#[derive(Debug)]
pub(super) struct Seen {
    keys: Cache<Key>,
    /// These entries do not age, so any moment serves to look them up.
    always: Instant,
}

impl Seen {
    pub(super) fn new() -> Self {
        let bounds = Bounds::entries(10_000).bytes(8 << 20);
        Self { keys: Cache::new(Memory::new(bounds)), always: clock::now() }
    }
}

impl Questions {
    pub(super) fn new(seen: &Arc<Seen>, server: &str, policy: &CachePolicy, spec: &ToolSpec) -> Self {
        let tool = KeyWriter::with(|writer| {
            writer.text(server).text(spec.name());
            match spec.version() {
                Some(version) => writer.text(version),
                None => writer.null(),
            };
            writer.key()
        });
        Self { seen: Arc::clone(seen), tool, scope: policy.scope, vary: policy.vary.as_slice().into() }
    }

    /// Lends the key of `call`.
    pub(super) fn with_key<R>(&self, call: &Call, use_it: impl FnOnce(&[u8]) -> R) -> R {
        KeyWriter::with(|writer| {
            self.write_asker(writer, call);
            writer.text(call.arguments().raw());
            if let Look::Fresh(seen) = self.seen.keys.peek(writer.bytes(), self.seen.always) {
                return use_it(seen.value().as_bytes());
            }
            self.write(writer, call);
            use_it(writer.bytes())
        })
    }

    /// Spares the next call with these very arguments from walking them.
    pub(super) fn remember(&self, call: &Call) {
        KeyWriter::with(|writer| {
            self.write_asker(writer, call);
            let as_received = writer.text(call.arguments().raw()).key();
            self.write(writer, call);
            let terms = Terms::ttl(Duration::MAX).weighing(writer.bytes().len());
            let seen = &self.seen;
            // What is too long is walked each time.
            let _kept = seen.keys.put(&as_received, writer.key(), &terms, seen.keys.epoch(), seen.always);
        });
    }

    fn write(&self, writer: &mut KeyWriter, call: &Call) {
        writer.clear();
        self.write_asker(writer, call);
        write_value(writer, call.arguments());
    }

    /// Everything but the arguments.
    fn write_asker(&self, writer: &mut KeyWriter, call: &Call) {
        writer.append(&self.tool);
        match self.scope {
            CacheScope::Public => writer.bool(true),
            _ if call.principal().is_anonymous() => writer.null(),
            _ => writer.text(call.principal().as_str()),
        };
        if !self.vary.is_empty() {
            writer.open_object();
            for name in &self.vary {
                if let Some(value) = call.meta().and_then(|meta| meta.member(name)) {
                    write_value(writer.name(name), value);
                }
            }
            writer.close();
        }
    }
}

/// Writes a JSON value from the index that its check left behind.
fn write_value(writer: &mut KeyWriter, value: Node<'_>) {
    match value.kind() {
        Kind::Null => {
            writer.null();
        }
        Kind::Bool => {
            writer.bool(value.as_bool() == Some(true));
        }
        Kind::Number => {
            writer.number(value.raw());
        }
        Kind::String => {
            writer.text(&value.as_str().unwrap_or_default());
        }
        Kind::Array => {
            writer.open_array();
            value.items().for_each(|item| write_value(writer, item));
            writer.close();
        }
        Kind::Object => {
            writer.open_object();
            for (name, value) in value.members() {
                writer.name(&name.name());
                write_value(writer, value);
            }
            writer.close();
        }
    }
}
