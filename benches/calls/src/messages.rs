//! The two messages, and the types of their arguments and results.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Echoes a message.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// What to echo.
    pub message: String,
}

/// What was echoed.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Echoed {
    pub message: String,
}

/// Prices an order.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub customer: String,
    pub currency: String,
    pub express: bool,
    /// At least one.
    #[schemars(length(min = 1))]
    pub items: Vec<Item>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub sku: String,
    pub title: String,
    #[schemars(range(min = 1, max = 10_000))]
    pub quantity: u32,
    pub unit_price: f64,
    pub tags: Vec<String>,
    pub size: Size,
    pub note: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub width: f64,
    pub height: f64,
    pub unit: Unit,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Mm,
    Cm,
}

/// Waits for so many milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    pub ms: u64,
}

/// No arguments.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Nothing {}

/// The price of an order.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
pub struct Priced {
    pub customer: String,
    pub total: f64,
    pub pieces: u32,
    pub area: f64,
}

/// The work of both tools, the same for everyone.
pub fn price(order: &Order) -> Priced {
    let sum = |of: fn(&Item) -> f64| order.items.iter().map(of).sum();
    Priced {
        customer: order.customer.clone(),
        total: sum(|item| item.unit_price * f64::from(item.quantity)),
        pieces: order.items.iter().map(|item| item.quantity).sum(),
        area: sum(|item| item.size.width * item.size.height),
    }
}

/// A call of `echo` with a message of 100 bytes and the `_meta` of 2026-07-28: about 390 bytes.
pub fn small() -> Vec<u8> {
    let message = "a".repeat(100);
    call("echo", &serde_json::json!({ "message": message }))
}

/// A call of `price` with about 8 KB of structured arguments.
pub fn structured() -> Vec<u8> {
    let items: Vec<Item> = (0..44).map(item).collect();
    let order = Order { customer: "C-20931".into(), currency: "EUR".into(), express: false, items };
    call("price", &order)
}

fn item(n: u32) -> Item {
    Item {
        sku: format!("SKU-{n:05}"),
        title: format!("Turning insert, grade {n}, coated"),
        quantity: n % 7 + 1,
        unit_price: f64::from(n) * 1.25 + 0.5,
        tags: vec!["turning".into(), "carbide".into(), format!("bin-{n}")],
        size: Size {
            width: 12.5,
            height: f64::from(n) + 0.25,
            unit: if n % 2 == 0 { Unit::Mm } else { Unit::Cm },
        },
        note: (n % 3 == 0).then(|| "keep dry".into()),
    }
}

fn call(name: &str, arguments: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a, A> {
        jsonrpc: &'a str,
        id: u32,
        method: &'a str,
        params: Params<'a, A>,
    }
    #[derive(Serialize)]
    struct Params<'a, A> {
        name: &'a str,
        arguments: &'a A,
        _meta: serde_json::Value,
    }
    let meta = serde_json::json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = Params { name, arguments, _meta: meta };
    serde_json::to_vec(&Request { jsonrpc: "2.0", id: 1, method: "tools/call", params }).expect("encodes")
}
