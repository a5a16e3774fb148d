//! Who may speak to the endpoint at all: `Host` and `Origin`, each checked alone.
//!
//! A page in a browser can make its own name resolve to a loopback address and so reach a local
//! server; the two headers are what gives it away.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

/// The names under which the endpoint may be addressed, and the pages that may address it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostOriginPolicy {
    /// Lower case, without port. Loopback names are always among them.
    pub(crate) hosts: Vec<String>,
    /// Lower case, whole: scheme, host and port. Loopback origins are always among them.
    pub(crate) origins: Vec<String>,
}

/// Why a request was turned away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TurnedAway {
    pub(crate) status: StatusCode,
    pub(crate) why: Cow<'static, str>,
}

/// Why this `value` of the header called `what` is refused, and who can change that.
#[cold]
fn forbidden(what: &str, value: &str, remedy: &str) -> TurnedAway {
    let shown: String = value.chars().take(100).collect();
    let why = format!("the {what} `{shown}` is not allowed here; the server allows it by `{remedy}`");
    TurnedAway { status: StatusCode::FORBIDDEN, why: why.into() }
}

impl HostOriginPolicy {
    /// Lets the request in, with the origin of the page it comes from if it does; or says why not.
    pub(crate) fn admit<'a>(&self, parts: &'a Parts) -> Result<Option<&'a HeaderValue>, TurnedAway> {
        self.admit_host(&parts.uri, &parts.headers)?;
        self.admit_origin(&parts.headers)
    }

    fn admit_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), TurnedAway> {
        const MISSING: TurnedAway = TurnedAway {
            status: StatusCode::BAD_REQUEST,
            why: Cow::Borrowed("exactly one readable Host is required"),
        };
        let mut values = headers.get_all(HOST).iter();
        let header = values.next();
        if values.next().is_some() {
            return Err(MISSING);
        }
        let header = header.map(|value| value.to_str().map_err(|_| MISSING)).transpose()?;
        let authority = uri.authority().map(http::uri::Authority::as_str);
        if authority.is_none() && header.is_none() {
            return Err(MISSING);
        }
        // Both, where both are given: neither may vouch for the other.
        match authority.into_iter().chain(header).find(|host| !self.knows_host(host)) {
            None => Ok(()),
            Some(stranger) => Err(forbidden("Host", stranger, "allow_host")),
        }
    }

    fn admit_origin<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a HeaderValue>, TurnedAway> {
        let mut values = headers.get_all(ORIGIN).iter();
        let Some(origin) = values.next() else { return Ok(None) };
        let known = values.next().is_none() && origin.to_str().is_ok_and(|origin| self.knows_origin(origin));
        if known {
            return Ok(Some(origin));
        }
        Err(forbidden("Origin", &String::from_utf8_lossy(origin.as_bytes()), "allow_origin"))
    }

    /// Knows `host` from now on: a name or an address, with brackets and port or without.
    pub(crate) fn allow_host(&mut self, host: &str) {
        self.hosts.push(bare(without_port(host)).to_owned());
    }

    fn knows_host(&self, authority: &str) -> bool {
        let host = without_port(authority);
        is_loopback(host) || self.hosts.iter().any(|known| is_same_host(known, bare(host)))
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

/// An IPv6 address without its brackets; anything else as it is.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Names are the same in any case, IPv6 addresses in any way of writing them.
fn is_same_host(known: &str, host: &str) -> bool {
    let address = |host: &str| host.parse::<Ipv6Addr>().ok();
    known.eq_ignore_ascii_case(host)
        || (host.contains(':') && address(known).is_some() && address(known) == address(host))
}

fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = bare(host);
    matches!(bare, "127.0.0.1" | "::1") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(host: &[&str], origin: &[&str]) -> Option<u16> {
        let mut host_origin = HostOriginPolicy::default();
        for host in ["mcp.example.com", "fd00::1", "[fd00::2]", "proxy.example.com:8443"] {
            host_origin.allow_host(host);
        }
        host_origin.origins.push("https://app.example.com".into());
        let mut request = http::Request::builder().uri("/mcp");
        for host in host {
            request = request.header(HOST, *host);
        }
        for origin in origin {
            request = request.header(ORIGIN, *origin);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        host_origin.admit(&parts).err().map(|away| away.status.as_u16())
    }

    #[test]
    fn host_and_origin_are_checked_each_alone() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "mcp.example.com:443"]
                .into_iter()
                .chain(["[fd00::1]:80", "[fd00:0:0::1]", "[fd00::2]", "proxy.example.com"])
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
