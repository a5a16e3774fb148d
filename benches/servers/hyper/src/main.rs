//! Bare hyper: reads the body, parses it into typed structs, answers; no check of anything. Its third argument is a file
//! with the answer to every `tools/list`.

use std::process::ExitCode;

use bytes::Bytes;
use calls::limit;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use served::{Transport, connections, listen, main as serve, ready};

fn main() -> ExitCode {
    serve(|transport, _| async move {
        if transport != Transport::Http {
            return Err("only http".into());
        }
        let list = match std::env::args().nth(3) {
            Some(file) => std::fs::read(file)?.into(),
            None => Bytes::new(),
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let list = list.clone();
            async move {
                let listing =
                    request.headers().get("mcp-method").is_some_and(|method| method == "tools/list");
                let body = request.into_body().collect().await?.to_bytes();
                let answer = if listing { list } else { limit::answer(&body).into() };
                let mut response = Response::new(Full::new(answer));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Ok::<_, hyper::Error>(response)
            }
        });
        let listener = listen().await?;
        ready(&listener)?;
        match connections(listener, service).await? {}
    })
}
