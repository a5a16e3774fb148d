//! Another server's tools behind this one's policies: cached by settings, pinned, and served again after the server has died.
//! Run it with `cargo run -p upstream`; it starts itself as the other server.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, time::Duration};

use toolpost::process::{Program, Supervisor};
use toolpost::tool::{Call, NoArgs, ToolError, tool_fn};
use toolpost::upstream::{Endpoint, Pins, Upstream, UpstreamOptions};
use toolpost::{Runtime, Settings, Upstreams};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return other_server().await;
    }
    let settings = r#"{ "tools": { "shop_stock": { "cache": { "ttl-ms": 60000 } } } }"#;
    let (supervisor, upstreams, pins) = (Supervisor::new(), Upstreams::new(), Pins::new());
    let program = Program::new(std::env::current_exe()?).arg("serve");
    let options = UpstreamOptions::new().prefix("shop_").pins(&pins);
    let shop = Upstream::start("shop", Endpoint::program(&supervisor, program), options);
    upstreams.add(shop.clone())?;
    let builder = Runtime::builder().settings(Settings::from_json(settings)?);
    let runtime = builder.upstreams(&upstreams).background("processes", supervisor).build()?;
    // Nobody has to wait for a server but this example.
    until(&shop, || shop.status().pin_changes.len() == 2).await?;
    for change in shop.status().pin_changes {
        println!("{change}");
        pins.accept(&change);
    }
    until(&shop, || runtime.dispatcher().catalog().len() == 2).await?;
    for _ in 0..2 {
        println!("stock: {}", runtime.call("shop_stock", &NoArgs {}).await?.encode());
    }
    if let Err(error) = runtime.call("shop_crash", &NoArgs {}).await {
        println!("crash: {error}");
    }
    until(&shop, || shop.status().handshakes == 2).await?;
    println!("it is there again: {}", shop.status().is_healthy());
    Ok(runtime.drain(Duration::from_secs(5)).await?)
}

async fn until(shop: &Upstream, is: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let mut changes = shop.changes();
    while !is() {
        tokio::time::timeout(Duration::from_secs(30), changes.changed()).await??;
    }
    Ok(())
}

async fn other_server() -> Result<(), Box<dyn Error>> {
    let stock = tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") });
    let stock = stock.with_spec(|spec| spec.read_only());
    let runtime = Runtime::builder().tool(stock).tool(tool_fn("crash", crash)).build()?;
    Ok(runtime.server().build().stdio().await?)
}

async fn crash(_: NoArgs, _: Call) -> Result<String, ToolError> {
    std::process::exit(1)
}
