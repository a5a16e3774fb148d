//! toolpost on stdio, as its README sets it up.

use bench_startup::{Search, first, name, search, wanted};
use toolpost::Runtime;
use toolpost::server::{ServeError, Server};
use toolpost::tool::{Json, tool_fn};

#[tokio::main]
async fn main() -> Result<(), ServeError> {
    let mut builder = Runtime::builder();
    macro_rules! add {
        ($n:expr) => {
            builder = builder
                .tool(tool_fn(&name($n), |asked: Search<$n>, _| async move { Ok(Json(search(&asked))) }))
        };
    }
    first!(wanted(), add);
    let runtime = builder.build().expect("no name twice");
    Server::builder(runtime.dispatcher().clone()).name("startup").version("1.0.0").build().stdio().await
}
