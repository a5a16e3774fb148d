//! Bare hyper as a reverse proxy: what it receives goes on to the server whose port is its third argument, and the answer
//! comes back, as streams of bytes over connections that are kept. It reads nothing of either.

use std::process::ExitCode;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use served::{Transport, connections, listen, main as serve, ready};

fn main() -> ExitCode {
    serve(|transport, _| async move {
        if transport == Transport::Stdio {
            return Err("only http".into());
        }
        let port: u16 = std::env::args().nth(3).ok_or("which port?")?.parse()?;
        let authority = format!("127.0.0.1:{port}");
        let host = HeaderValue::from_str(&authority)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(hyper::http::uri::Scheme::HTTP);
            parts.authority = authority.parse().ok();
            request.headers_mut().insert(HOST, host.clone());
            request.headers_mut().remove(CONNECTION);
            let client = client.clone();
            async move {
                *request.uri_mut() = Uri::from_parts(parts)?;
                let answer = match client.request(request).await {
                    Ok(answer) => answer.map(BodyExt::boxed),
                    Err(error) => {
                        let why = Full::from(error.to_string()).map_err(|never| match never {});
                        let mut answer = Response::new(why.boxed());
                        *answer.status_mut() = hyper::StatusCode::BAD_GATEWAY;
                        answer
                    }
                };
                Ok::<_, hyper::http::Error>(answer)
            }
        });
        let listener = listen().await?;
        ready(&listener)?;
        match connections(listener, service).await? {}
    })
}
