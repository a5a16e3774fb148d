//! The cache keys of calls: written canonically, and as the bytes that were received.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use toolpost_cache::rt::RawKey;
use toolpost_cache::{CacheKey, KeyWriter};
use toolpost_tool::{CachePolicy, CacheSharing, Call, ToolSpec};

/// Makes the cache keys of the calls of one tool.
#[derive(Debug)]
pub(super) struct CacheKeys {
    /// Tells the raw keys of this tool from those of others.
    number: u64,
    /// Server, tool and version, as each key begins.
    tool: CacheKey,
    scope: CacheSharing,
    vary: Box<[String]>,
    /// Whether the tool is no more, and its name may be another's.
    retired: AtomicBool,
}

impl CacheKeys {
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
        let (vary, retired) = (policy.vary.as_slice().into(), AtomicBool::new(false));
        Self { number, tool, scope: policy.scope, vary, retired }
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// The key of `call`.
    pub(super) fn key(&self, call: &Call) -> CacheKey {
        KeyWriter::with(|writer| {
            self.write(writer, call);
            writer.key()
        })
    }

    /// Writes the key of `call`.
    pub(super) fn write(&self, writer: &mut KeyWriter, call: &Call) {
        self.write_scope(writer, call);
        writer.encoded(|bytes| call.arguments().write_canonical(bytes));
    }

    /// The call as it was received, unless its scope has to be written.
    #[inline(always)]
    pub(super) fn raw<'a>(&self, call: &'a Call) -> Option<RawKey<'a>> {
        let principal = call.principal();
        let scope = match self.scope {
            _ if !self.vary.is_empty() => return None,
            CacheSharing::Public => &b""[..],
            // No name holds this byte.
            _ if principal.is_anonymous() => b"\xff",
            _ => principal.as_str().as_bytes(),
        };
        Some(RawKey { function: self.number, scope, arguments: call.arguments().raw().as_bytes() })
    }

    /// Calls `look` with the call as it was received, its scope written.
    pub(super) fn with_written_scope<R>(&self, call: &Call, look: impl FnOnce(RawKey<'_>) -> R) -> R {
        KeyWriter::with(|writer| {
            self.write_scope(writer, call);
            let arguments = call.arguments().raw().as_bytes();
            look(RawKey { function: self.number, scope: writer.bytes(), arguments })
        })
    }

    /// Everything but the arguments.
    fn write_scope(&self, writer: &mut KeyWriter, call: &Call) {
        writer.append(&self.tool);
        match self.scope {
            CacheSharing::Public => writer.bool(true),
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
