//! toolpost as a gateway: a runtime whose tools are those of other servers, and a server of its dispatcher. From the third
//! argument on, the ports of those servers; `old:PORT` is one of 2025-11-25.

use std::process::ExitCode;

use served::{Transport, listen, main as serve, ready};
use toolpost::Runtime;
use toolpost::server::Server;
use toolpost_client::{HttpTarget, Version};
use toolpost_upstream::{Endpoint, Upstream, UpstreamOptions};

fn main() -> ExitCode {
    serve(|transport, _| async move {
        if transport == Transport::Stdio {
            return Err("only http".into());
        }
        let runtime = Runtime::builder().build()?;
        let mut upstreams = Vec::new();
        for (number, place) in std::env::args().skip(3).enumerate() {
            let (port, old) = match place.strip_prefix("old:") {
                Some(port) => (port, true),
                None => (place.as_str(), false),
            };
            let target = HttpTarget::new(&format!("http://127.0.0.1:{port}/mcp"))?;
            // The first has its tools under their own names.
            let prefix = if number == 0 { String::new() } else { format!("u{number}_") };
            let mut options = UpstreamOptions::new().prefix(&*prefix);
            if old {
                options = options.versions([Version::V2025_11_25]);
            }
            let name = format!("u{number}");
            let upstream = Upstream::start(&*name, Endpoint::http(target), options);
            let source = runtime.source(&*name).prefixed(&*prefix);
            upstream.publish(move |tools| {
                let source = source.clone();
                Box::pin(async move { source.set(tools).await.map_err(|error| error.to_string()) })
            });
            upstreams.push(upstream);
        }
        if let Some(first) = upstreams.first() {
            first.ready().await.map_err(|error| error.to_string())?;
        }
        let server = Server::builder(runtime.dispatcher().clone()).name("hop").version("1.0.0").build();
        let listener = listen().await?;
        ready(&listener)?;
        Ok(server.serve(listener).await?)
    })
}
