//! Servers that are no help: one that hangs, one that is not there, one that ends each connection, one that sends garbage, and one
//! that never ends.

use std::io;
use std::net::TcpListener as Bound;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Starts them all; their ports.
pub(crate) async fn all() -> io::Result<Vec<String>> {
    let mut ports = Vec::new();
    for kind in ["hanging", "looping", "garbage", "endless"] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        ports.push(listener.local_addr()?.port().to_string());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    if stream.read(&mut request).await? == 0 || kind == "looping" {
                        return Ok(());
                    }
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
                    match kind {
                        "garbage" => {
                            let body = "\u{1}<html>{]".repeat(100);
                            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                            stream.write_all(answer.as_bytes()).await?;
                        }
                        "endless" => {
                            stream.write_all(format!("{head}Connection: close\r\n\r\n[").as_bytes()).await?;
                            loop {
                                stream.write_all(&[b' '; 4096]).await?;
                                // As fast as a slow line: what is measured is the gateway, not this.
                                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                            }
                        }
                        _ => {}
                    }
                    // It hangs until the other side has had enough.
                    while stream.read(&mut request).await? != 0 {}
                    Ok::<_, io::Error>(())
                });
            }
        });
    }
    // Nobody listens there any more.
    ports.push(Bound::bind(("127.0.0.1", 0))?.local_addr()?.port().to_string());
    Ok(ports)
}
