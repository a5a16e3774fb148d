//! Lists that come in pages.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::result::milliseconds;
use super::wire::{self, Key};
use super::{
    CacheScope, Meta, Object, Prompt, RawNumber, Resource, ResourceTemplate, ResultType, Root, Task, Tool,
};

/// A page of a list: the result of `tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`,
/// `roots/list` and `tasks/list`, by what it lists.
///
/// ```
/// use toolpost_protocol::model::{ListResult, Tool};
///
/// let page: ListResult<Tool> =
///     serde_json::from_str(r#"{"tools":[{"name":"echo","inputSchema":{}}],"nextCursor":"2"}"#)?;
/// assert_eq!((page.items[0].name.as_str(), page.next_cursor.as_deref()), ("echo", Some("2")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListResult<T> {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// Required in 2026-07-28, absent before.
    pub result_type: Option<ResultType>,
    /// What is listed on this page.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last.
    pub next_cursor: Option<String>,
    /// For how many milliseconds the page may be reused. Required in 2026-07-28, absent before and for roots.
    pub ttl_ms: Option<RawNumber>,
    /// Who may reuse it. Required in 2026-07-28, absent before and for roots.
    pub cache_scope: Option<CacheScope>,
    /// Fields that no revision names.
    pub extra: Object,
}

/// What MCP lists. Nobody else can implement it.
pub trait Listed: sealed::Sealed + Serialize + DeserializeOwned {
    /// The member of the result that holds the items, such as `tools`.
    const MEMBER: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

impl<T> ListResult<T> {
    /// Lists these items, on the only page.
    #[must_use]
    pub const fn new(items: Vec<T>) -> Self {
        Self {
            meta: None,
            result_type: None,
            items,
            next_cursor: None,
            ttl_ms: None,
            cache_scope: None,
            extra: Object::new(),
        }
    }

    /// Adds what 2026-07-28 requires: the result is complete, and may be reused by `scope` for `ttl`.
    #[must_use]
    pub fn reusable(mut self, ttl: Duration, scope: CacheScope) -> Self {
        self.result_type = Some(ResultType::Complete);
        self.ttl_ms = Some(milliseconds(ttl));
        self.cache_scope = Some(scope);
        self
    }
}

/// The keys beside that of the items.
const KEYS: [&str; 5] = ["_meta", "resultType", "nextCursor", "ttlMs", "cacheScope"];

impl<T: Listed> Serialize for ListResult<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [meta, result_type, next_cursor, ttl_ms, cache_scope] = KEYS;
        let mut map = serializer.serialize_map(None)?;
        wire::optional::write(&mut map, meta, &self.meta)?;
        wire::optional::write(&mut map, result_type, &self.result_type)?;
        wire::required::write(&mut map, T::MEMBER, &self.items)?;
        wire::optional::write(&mut map, next_cursor, &self.next_cursor)?;
        wire::optional::write(&mut map, ttl_ms, &self.ttl_ms)?;
        wire::optional::write(&mut map, cache_scope, &self.cache_scope)?;
        wire::write_extra(
            &mut map,
            &self.extra,
            &[meta, result_type, next_cursor, ttl_ms, cache_scope, T::MEMBER],
        )?;
        serde::ser::SerializeMap::end(map)
    }
}

impl<'de, T: Listed> Deserialize<'de> for ListResult<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Page(PhantomData))
    }
}

struct Page<T>(PhantomData<T>);

impl<'de, T: Listed> Visitor<'de> for Page<T> {
    type Value = ListResult<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object with a list of {}", T::MEMBER)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListResult<T>, A::Error> {
        let (mut meta, mut result_type, mut items) = (None, None, None);
        let (mut next_cursor, mut ttl_ms, mut cache_scope) = (None, None, None);
        let mut extra = Object::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.as_str() {
                "_meta" => wire::optional::read(&mut meta, "_meta", &mut map)?,
                "resultType" => wire::optional::read(&mut result_type, "resultType", &mut map)?,
                "nextCursor" => wire::optional::read(&mut next_cursor, "nextCursor", &mut map)?,
                "ttlMs" => wire::optional::read(&mut ttl_ms, "ttlMs", &mut map)?,
                "cacheScope" => wire::optional::read(&mut cache_scope, "cacheScope", &mut map)?,
                member if member == T::MEMBER => wire::required::read(&mut items, T::MEMBER, &mut map)?,
                _ => wire::read_extra(&mut extra, key, &mut map)?,
            }
        }
        Ok(ListResult {
            meta: meta.flatten(),
            result_type: result_type.flatten(),
            items: wire::required::take(items, T::MEMBER)?,
            next_cursor: next_cursor.flatten(),
            ttl_ms: ttl_ms.flatten(),
            cache_scope: cache_scope.flatten(),
            extra,
        })
    }
}

macro_rules! listed {
    ($($type:ident in $member:literal),* $(,)?) => {$(
        impl sealed::Sealed for $type {}

        impl Listed for $type {
            const MEMBER: &'static str = $member;
        }
    )*};
}

listed! {
    Tool in "tools",
    Prompt in "prompts",
    Resource in "resources",
    ResourceTemplate in "resourceTemplates",
    Root in "roots",
    Task in "tasks",
}
