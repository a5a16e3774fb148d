//! What a cached result is the answer to: a call as a key, and as the words it came in.

use std::sync::atomic::{AtomicU64, Ordering};

use toolpost_cache::{Alias, Key, KeyWriter};
use toolpost_tool::{CachePolicy, CacheScope, Call, ToolSpec};

/// The questions asked of one tool.
#[derive(Debug)]
pub(super) struct Questions {
    /// Tells the aliases of these questions from those of others.
    number: u64,
    /// Server, tool and version, as each key begins.
    tool: Key,
    scope: CacheScope,
    vary: Box<[String]>,
}

impl Questions {
    pub(super) fn new(server: &str, policy: &CachePolicy, spec: &ToolSpec) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let tool = KeyWriter::with(|writer| {
            writer.text(server).text(spec.name());
            match spec.version() {
                Some(version) => writer.text(version),
                None => writer.null(),
            };
            writer.key()
        });
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Self { number, tool, scope: policy.scope, vary: policy.vary.as_slice().into() }
    }

    /// Lends the key of `call`.
    pub(super) fn with_key<R>(&self, call: &Call, use_it: impl FnOnce(&[u8]) -> R) -> R {
        KeyWriter::with(|writer| {
            self.write(writer, call);
            use_it(writer.bytes())
        })
    }

    /// Lends `call` in the words it was received in, and by whom.
    pub(super) fn with_alias<R>(&self, call: &Call, use_it: impl FnOnce(Alias<'_>) -> R) -> R {
        match self.alias(call) {
            Some(alias) => use_it(alias),
            None => KeyWriter::with(|writer| {
                self.write_asker(writer, call);
                let words = call.arguments().raw().as_bytes();
                use_it(Alias { of: self.number, asker: writer.bytes(), words })
            }),
        }
    }

    /// As [`with_alias`](Self::with_alias), if nothing of the alias has to be written.
    #[inline(always)]
    pub(super) fn alias<'a>(&self, call: &'a Call) -> Option<Alias<'a>> {
        let principal = call.principal();
        let asker = match self.scope {
            _ if !self.vary.is_empty() => return None,
            CacheScope::Public => &b""[..],
            // No name holds this byte.
            _ if principal.is_anonymous() => b"\xff",
            _ => principal.as_str().as_bytes(),
        };
        Some(Alias { of: self.number, asker, words: call.arguments().raw().as_bytes() })
    }

    fn write(&self, writer: &mut KeyWriter, call: &Call) {
        self.write_asker(writer, call);
        writer.encoded(|bytes| call.arguments().write_canonical(bytes));
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
                    writer.name(name).encoded(|bytes| value.write_canonical(bytes));
                }
            }
            writer.close();
        }
    }
}
