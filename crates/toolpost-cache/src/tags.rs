//! Names by which entries are invalidated together.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::generations::{Epoch, Generations, Tag};

/// A list of tags without repetition. Clones share it.
///
/// It is made once for all the answers that depend on the same: the first cache that meets it remembers in it where its
/// tags are, and does not look for them again.
#[derive(Clone, Default)]
pub(crate) struct Tags(Option<Arc<List>>);

struct List {
    names: Box<[Box<str>]>,
    found: OnceLock<Arc<Ties>>,
}

/// What entries of one cache are tied to by one list of tags: all that can make them dead before their time.
#[derive(Debug)]
pub(crate) struct Ties {
    generations: Arc<Generations>,
    tags: Box<[Arc<Tag>]>,
}

impl Tags {
    /// The names, in the order in which they were given.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names().iter().map(|name| &**name)
    }

    fn names(&self) -> &[Box<str>] {
        self.0.as_deref().map_or(&[], |list| &list.names)
    }

    /// The ties of an entry; `free` are those of an entry without tags.
    pub(crate) fn tie(&self, free: &Arc<Ties>) -> Tied {
        let Some(list) = self.0.as_deref() else { return Tied(Arc::clone(free)) };
        let generations = &free.generations;
        let find = || {
            let tags = list.names.iter().map(|name| generations.tag(name)).collect();
            Arc::new(Ties { generations: Arc::clone(generations), tags })
        };
        let found = list.found.get_or_init(find);
        let ties = if found.is_of(generations) { Arc::clone(found) } else { find() };
        ties.tags.iter().for_each(|tag| tag.gain());
        Tied(ties)
    }

    /// When one of the tags was last invalidated.
    pub(crate) fn last(&self, generations: &Arc<Generations>) -> Epoch {
        let Some(list) = self.0.as_deref() else { return Epoch(0) };
        match list.found.get() {
            Some(found) if found.is_of(generations) => found.tags.iter().map(|tag| tag.last()).max(),
            _ => list.names.iter().map(|name| generations.last(name)).max(),
        }
        .unwrap_or(Epoch(0))
    }
}

impl Ties {
    /// Those of an entry without tags.
    pub(crate) fn free(generations: Arc<Generations>) -> Arc<Self> {
        Arc::new(Self { generations, tags: Box::default() })
    }

    fn is_of(&self, generations: &Arc<Generations>) -> bool {
        Arc::ptr_eq(&self.generations, generations)
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut all: Vec<Box<str>> = Vec::new();
        for name in names.into_iter().map(Into::into) {
            // Twice is once: an invalidation counts who carries its tag.
            if !all.contains(&name) {
                all.push(name);
            }
        }
        let names = Some(all).filter(|all| !all.is_empty());
        Self(names.map(|names| Arc::new(List { names: names.into(), found: OnceLock::new() })))
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for Tags {}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The share that one entry has in its ties; each tag counts who carries it.
#[derive(Debug)]
pub(crate) struct Tied(Arc<Ties>);

impl Tied {
    pub(crate) fn generations(&self) -> &Generations {
        &self.0.generations
    }

    #[inline(always)]
    pub(crate) fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.0.tags.iter().map(|tag| &**tag)
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.tags().for_each(Tag::lose);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{Cache, CacheKey, Capacity, EntryOptions, Lookup, Memory, PutError};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start of time for one test")]
    fn one_list_serves_two_caches() {
        let cache = || Cache::new(Memory::new(Capacity::entries(100)));
        let (one, other, now) = (cache(), cache(), Instant::now());
        let (key, options) =
            (CacheKey::from("key"), EntryOptions::ttl(Duration::from_secs(1)).tagged(["a", "b", "a"]));
        let put = |cache: &Cache<()>, epoch| cache.put(&key, (), &options, epoch, now).map(drop);
        let is_kept = |cache: &Cache<()>| matches!(cache.get(&key, now), Lookup::Fresh(_));
        for cache in [&one, &other, &one] {
            assert_eq!(put(cache, cache.epoch()), Ok(()));
        }
        let began = other.epoch();
        assert_eq!(other.invalidate("b"), 1);
        assert_eq!((is_kept(&one), is_kept(&other)), (true, false));
        assert_eq!(put(&other, began), Err(PutError::Outdated));
        assert_eq!(one.valid_since(b"k".into(), Some(options.tags())), one.epoch());
        assert_eq!(other.valid_since(b"k".into(), Some(options.tags())), other.epoch());
        assert_eq!((one.invalidate("a"), other.invalidate("a")), (1, 0));
        assert_eq!(one.valid_since(b"k".into(), Some(options.tags())), one.epoch());
        assert_eq!((is_kept(&one), one.invalidate("a")), (false, 0));
    }

    #[test]
    fn a_list_is_its_names() {
        let tags = ["b", "a", "b"].into_iter().collect::<Tags>();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["b", "a"]);
        assert_ne!(tags, ["a", "b"].into_iter().collect());
        assert_eq!(Tags::default(), Tags::from_iter([""; 0]));
        assert_eq!(format!("{tags:?}"), r#"["b", "a"]"#);
    }
}
