//! The tools that both servers offer, each with types of its own, as in a real server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Searches the stock.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search<const N: usize> {
    /// What to look for.
    #[schemars(length(min = 1, max = 200))]
    pub text: String,
    /// How many items to return at most.
    #[schemars(range(min = 1, max = 100))]
    pub limit: u32,
    /// Only items of this kind.
    pub kind: Option<Kind>,
    /// Only items that lie within these bounds.
    pub within: Option<Bounds>,
    /// Words that an item must carry.
    pub tags: Vec<String>,
}

/// What kind of item.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Insert,
    Holder,
    Chuck,
}

/// Bounds in millimeters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub width: f64,
    pub height: f64,
}

/// What was found.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Found<const N: usize> {
    pub items: Vec<Item>,
    /// How many there are in all.
    pub total: u32,
}

/// One item.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Item {
    pub name: String,
    pub kind: Kind,
    pub pieces: u32,
}

/// What every tool does.
pub fn search<const N: usize>(asked: &Search<N>) -> Found<N> {
    let kind = asked.kind.unwrap_or(Kind::Insert);
    let items: Vec<Item> = asked.tags.iter().map(|tag| Item { name: tag.clone(), kind, pieces: 1 }).collect();
    Found { total: items.len().min(asked.limit as usize) as u32, items }
}

/// The name of tool number `n`.
pub fn name(n: usize) -> String {
    format!("search_{n:03}")
}

/// What every tool says of itself: where nothing else is said, toolpost takes it from the type of the arguments.
pub const ABOUT: &str = "Searches the stock.";

/// How many tools a server is asked for on its command line; at most 100.
pub fn wanted() -> usize {
    std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// `$tool!(n)` for the first `$count` of a hundred numbers, each with types of its own.
#[macro_export]
macro_rules! first {
    (@ $count:expr, $tool:ident, $tens:literal, $ones:literal) => {
        if $tens * 10 + $ones < $count {
            $tool!({ $tens * 10 + $ones });
        }
    };
    ($count:expr, $tool:ident) => {
        $crate::first!($count, $tool, 0 1 2 3 4 5 6 7 8 9)
    };
    ($count:expr, $tool:ident, $($tens:literal)*) => {
        $(
            $crate::first!(@ $count, $tool, $tens, 0); $crate::first!(@ $count, $tool, $tens, 1);
            $crate::first!(@ $count, $tool, $tens, 2); $crate::first!(@ $count, $tool, $tens, 3);
            $crate::first!(@ $count, $tool, $tens, 4); $crate::first!(@ $count, $tool, $tens, 5);
            $crate::first!(@ $count, $tool, $tens, 6); $crate::first!(@ $count, $tool, $tens, 7);
            $crate::first!(@ $count, $tool, $tens, 8); $crate::first!(@ $count, $tool, $tens, 9);
        )*
    };
}
