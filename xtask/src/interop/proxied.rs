//! nginx in front of the servers, as people put it there; and that a server there still refuses strangers.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Lab, install};
use crate::Done;
use crate::served::Served;

/// The name under which the proxy's clients know workbench.
pub(crate) const HOST: &str = "mcp.example.test";

/// nginx in front of two servers; ends with this value.
pub(crate) struct Nginx {
    /// Where clients reach the servers.
    pub(crate) urls: [String; 2],
    child: Child,
    dir: PathBuf,
}

impl Nginx {
    /// Starts nginx in front of these addresses. The first is addressed by its own, the second by the name that the
    /// outside knows.
    pub(crate) fn start(lab: &Lab, upstreams: [&str; 2], buffered: bool) -> Result<Self, String> {
        let ports = [free_port()?, free_port()?];
        let dir = lab.dir.join(format!("nginx-{}", ports[0]));
        let unbuffered = match buffered {
            true => "",
            false => "proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection '';",
        };
        let server = |port: u16, upstream: &str, host: &str| {
            let upstream = upstream.replace("0.0.0.0", "127.0.0.1");
            format!(
                "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{upstream}; {host} {unbuffered} }} }}"
            )
        };
        let named = format!("proxy_set_header Host {HOST};");
        let servers = [server(ports[0], upstreams[0], ""), server(ports[1], upstreams[1], &named)].concat();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {0}/{kind}; ", dir.display()));
        let config = format!(
            "daemon off; worker_processes 1; pid {0}/pid; error_log stderr; events {{ worker_connections 512; }}\n\
             http {{ access_log off; {1} {servers} }}\n",
            dir.display(),
            paths.concat(),
        );
        let file = dir.join("nginx.conf");
        std::fs::create_dir_all(&dir)
            .and_then(|()| std::fs::write(&file, config))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let child = Command::new(install::nginx(lab))
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx did not start: {error}"))?;
        let nginx = Self { urls: ports.map(|port| format!("http://127.0.0.1:{port}/mcp")), child, dir };
        for port in ports {
            reached(port)?;
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A master that is killed would leave its worker behind: it is asked.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
        let _cleared = std::fs::remove_dir_all(&self.dir);
    }
}

/// A port that was free a moment ago: nginx cannot choose one by itself and say which.
fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("no port is free: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "waits for another program")]
fn reached(port: u16) -> Done {
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("nginx does not listen within 5 s".into())
}

/// A server that all may reach answers to the names that it was told and to no other, and without `--allow-public` does
/// not serve there at all.
pub(crate) fn strangers_are_refused(lab: &Lab) -> Done {
    let files = lab.dir.join("files").display().to_string();
    let args = ["serve", "--http", "0.0.0.0:0", "--root", &files];
    if Served::start(&lab.root, "workbench", &args).is_ok() {
        return Err("workbench serves everybody, though nobody is asked who they are".into());
    }
    let allowed = [&args[..], &["--allow-public", "--allow-host", HOST]].concat();
    let server = Served::start(&lab.root, "workbench", &allowed)?;
    let port = server.address().rsplit(':').next().unwrap_or_default().to_owned();
    for (host, wanted) in [(HOST, "200"), ("localhost", "200"), ("evil.example", "403")] {
        let status = status(&port, host)?;
        if status != wanted {
            return Err(format!("a request to the host {host} was answered {status}, not {wanted}"));
        }
    }
    println!("ok     workbench on 0.0.0.0 · {HOST} and loopback are served, other hosts refused");
    Ok(())
}

/// The status of the answer to a request that is addressed to `host`.
fn status(port: &str, host: &str) -> Result<String, String> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"xtask","version":"1"}}}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let asked = TcpStream::connect(format!("127.0.0.1:{port}")).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    let _read = asked.map_err(|error| format!("a request to the host {host}: {error}"))?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}
