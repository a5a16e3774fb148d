//! Who may speak to the endpoint at all: `Host` and `Origin`, each checked alone.
//!
//! A page in a browser can make its own name resolve to a loopback address and so reach a local
//! server; the two headers are what gives it away.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};

/// The names under which the endpoint may be addressed, and the pages that may address it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// Lower case, without port. Loopback names are always among them.
    pub(crate) hosts: Vec<String>,
    /// Lower case, whole: scheme, host and port. Loopback origins are always among them.
    pub(crate) origins: Vec<String>,
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TurnedAway {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

const fn forbidden(why: &'static str) -> TurnedAway {
    TurnedAway { status: StatusCode::FORBIDDEN, why }
}

impl Gate {
    /// Lets the request in, or says why not.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<(), TurnedAway> {
        self.admit_host(&parts.uri, &parts.headers)?;
        self.admit_origin(&parts.headers)
    }

    fn admit_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), TurnedAway> {
        const MISSING: TurnedAway =
            TurnedAway { status: StatusCode::BAD_REQUEST, why: "exactly one readable Host is required" };
        let mut values = headers.get_all(HOST).iter();
        let header = values.next();
        if values.next().is_some() {
            return Err(MISSING);
        }
        let header = header.map(|value| value.to_str().map_err(|_| MISSING)).transpose()?;
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let known = |host: &str| self.knows_host(host);
        match (authority, header) {
            (None, None) => Err(MISSING),
            // Both, where both are given: neither may vouch for the other.
            (authority, header) if authority.into_iter().chain(header).all(known) => Ok(()),
            _ => Err(forbidden("this Host is not allowed here")),
        }
    }

    fn admit_origin(&self, headers: &HeaderMap) -> Result<(), TurnedAway> {
        let mut values = headers.get_all(ORIGIN).iter();
        let Some(origin) = values.next() else { return Ok(()) };
        let known = values.next().is_none() && origin.to_str().is_ok_and(|origin| self.knows_origin(origin));
        if known { Ok(()) } else { Err(forbidden("this Origin is not allowed here")) }
    }

    fn knows_host(&self, authority: &str) -> bool {
        let host = without_port(authority);
        is_loopback(host) || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    fn knows_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|authority| {
            let host = without_port(authority);
            let port = &authority[host.len()..];
            is_loopback(host) && port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_ok())
        })
    }
}

/// `host` of `host:port`; brackets of an IPv6 address stay.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    matches!(bare, "127.0.0.1" | "::1") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(host: &[&str], origin: &[&str]) -> Option<u16> {
        let gate =
            Gate { hosts: vec!["mcp.example.com".into()], origins: vec!["https://app.example.com".into()] };
        let mut request = http::Request::builder().uri("/mcp");
        for host in host {
            request = request.header(HOST, *host);
        }
        for origin in origin {
            request = request.header(ORIGIN, *origin);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        gate.admit(&parts).err().map(|away| away.status.as_u16())
    }

    #[test]
    fn host_and_origin_are_checked_each_alone() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "mcp.example.com:443"]
        {
            assert_eq!(admits(&[host], &[]), None, "{host}");
        }
        for host in
            ["evil.example.com", "localhost.evil.com", "127.0.0.1.evil.com:80", "", "[::2]", "0.0.0.0"]
        {
            assert_eq!(admits(&[host], &[]), Some(403), "{host}");
        }
        for origin in
            ["http://localhost:6274", "https://127.0.0.1", "http://[::1]:3000", "https://app.example.com"]
        {
            assert_eq!(admits(&["localhost"], &[origin]), None, "{origin}");
        }
        let evil =
            ["http://evil.example.com", "null", "", "http://localhost.evil.com", "http://localhost@evil.com"];
        for origin in
            evil.into_iter().chain(["http://localhost/x", "http://localhost:99999", "app.example.com"])
        {
            assert_eq!(admits(&["localhost"], &[origin]), Some(403), "{origin}");
        }
        assert_eq!(admits(&[], &[]), Some(400));
        assert_eq!(admits(&["localhost", "localhost"], &[]), Some(400));
        assert_eq!(admits(&["localhost"], &["http://localhost", "http://localhost"]), Some(403));
    }
}
