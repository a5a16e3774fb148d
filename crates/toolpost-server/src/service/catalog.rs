//! The list of tools: encoded once per generation of the registry, and spliced into replies.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use toolpost_dispatch::{Catalog, Dispatcher, Entry};
use toolpost_protocol::Era;

use super::page::END;
use super::reply::unbroken;

/// The encoded lists of the current generation.
#[derive(Debug)]
pub(crate) struct ToolList {
    ttl: Duration,
    modern: Mutex<Option<Arc<Encoded>>>,
    legacy: Mutex<Option<Arc<Encoded>>>,
}

/// All tools of one generation.
#[derive(Debug)]
pub(crate) struct Encoded {
    catalog: Arc<Catalog>,
    /// The tools, separated by commas, and the end of the reply.
    text: Bytes,
    /// Where each tool is in `text`, in the catalog's order.
    tools: Vec<Range<usize>>,
}

impl ToolList {
    pub(crate) const fn new(ttl: Duration) -> Self {
        Self { ttl, modern: Mutex::new(None), legacy: Mutex::new(None) }
    }

    /// For how long a client may keep a list, in milliseconds.
    pub(crate) fn ttl_ms(&self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// The tools as they are now.
    pub(crate) fn encoded(&self, dispatcher: &Dispatcher, era: Era) -> Arc<Encoded> {
        let catalog = dispatcher.catalog();
        let slot = match era {
            Era::Modern => &self.modern,
            Era::Legacy => &self.legacy,
        };
        // Held while encoding, so that a burst after a change encodes once. Nothing awaits here.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(known) if Arc::ptr_eq(&known.catalog, &catalog) => Arc::clone(known),
            _ => Arc::clone(slot.insert(Arc::new(Encoded::new(catalog, era)))),
        }
    }
}

impl Encoded {
    fn new(catalog: Arc<Catalog>, era: Era) -> Self {
        let mut text = Vec::new();
        let mut tools = Vec::with_capacity(catalog.len());
        for entry in catalog.iter() {
            if !text.is_empty() {
                text.push(b',');
            }
            let start = text.len();
            // A specification is data of plain types and a schema that is already JSON.
            let written = serde_json::to_writer(&mut text, &entry.spec().listed(era));
            debug_assert!(written.is_ok(), "a tool's specification encodes");
            tools.push(start..text.len());
        }
        text.extend_from_slice(END);
        unbroken(&mut text);
        Self { catalog, text: text.into(), tools }
    }

    pub(crate) const fn len(&self) -> usize {
        self.tools.len()
    }

    /// All of them, encoded and separated by commas, then the end of the reply; without a line end.
    pub(crate) fn text(&self) -> Bytes {
        self.text.clone()
    }

    /// The tools, each with its encoding, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<Entry>, &[u8])> {
        self.catalog.iter().zip(&self.tools).map(|(entry, at)| (entry, &self.text[at.clone()]))
    }
}
