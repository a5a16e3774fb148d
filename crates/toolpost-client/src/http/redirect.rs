//! Where a redirect leads, and whether a request may follow it.

use http::Uri;
use http::uri::PathAndQuery;

/// A request follows at most so many redirects.
pub(super) const MOST: usize = 5;

/// The path that `location` leads to, from the path `from` of `origin` (its scheme and its authority).
///
/// # Errors
///
/// Why it is not followed: it leads to another origin, or nowhere.
pub(super) fn follow(origin: &Uri, from: &PathAndQuery, location: &[u8]) -> Result<PathAndQuery, String> {
    let location = std::str::from_utf8(location).map_err(|_| "the redirect leads nowhere".to_owned())?;
    let location = location.split('#').next().unwrap_or_default();
    let nowhere = || "the redirect leads nowhere".to_owned();
    let absolute = match location {
        "" => return Err(nowhere()),
        there if there.starts_with("//") => {
            Some(format!("{}:{there}", origin.scheme_str().unwrap_or_default()))
        }
        there if has_scheme(there) => Some(there.to_owned()),
        _ => None,
    };
    if let Some(absolute) = absolute {
        let uri: Uri = absolute.parse().map_err(|_| nowhere())?;
        if key(&uri).is_none() || key(&uri) != key(origin) {
            let there = key(&uri).map_or_else(
                || "somewhere else".to_owned(),
                |(scheme, host, port)| format!("{scheme}://{host}:{port}"),
            );
            return Err(format!(
                "the server redirects to {there}, another origin, which would be given the request and its credentials; \
                 if that is where the server is, give its URL"
            ));
        }
        let path = uri.path_and_query().cloned();
        return Ok(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
    let path = match location.as_bytes()[0] {
        b'/' => location.to_owned(),
        b'?' => format!("{}{location}", from.path()),
        _ => {
            let directory = from.path().rfind('/').map_or("/", |slash| &from.path()[..=slash]);
            format!("{directory}{location}")
        }
    };
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    format!("{}{query}", without_dots(path)).parse().map_err(|_| nowhere())
}

fn has_scheme(text: &str) -> bool {
    let end = text.find([':', '/', '?']).filter(|end| text.as_bytes()[*end] == b':');
    end.is_some_and(|end| 0 < end && text.as_bytes()[0].is_ascii_alphabetic())
}

/// Scheme, host and port: what an origin is known by.
fn key(uri: &Uri) -> Option<(&str, String, u16)> {
    let scheme = uri.scheme_str()?;
    let port = match (uri.port_u16(), scheme) {
        (Some(port), _) => port,
        (None, "https") => 443,
        (None, "http") => 80,
        _ => return None,
    };
    // A password in a URL is none of ours to follow.
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    Some((scheme, authority.host().to_ascii_lowercase(), port))
}

/// The path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str) -> Result<String, String> {
        let origin = "https://mcp.example.com/a/b?c".parse().unwrap();
        let from = PathAndQuery::from_static("/a/b?c");
        follow(&origin, &from, location.as_bytes()).map(|path| path.to_string())
    }

    #[test]
    fn a_redirect_within_the_origin_is_followed() {
        for (location, path) in [
            ("/mcp/", "/mcp/"),
            ("/mcp?x=1#y", "/mcp?x=1"),
            ("https://mcp.example.com/x", "/x"),
            ("https://MCP.example.com:443", "/"),
            ("//mcp.example.com/x", "/x"),
            ("c", "/a/c"),
            ("c:d/../e", "another"),
            ("./c:d", "/a/c:d"),
            ("../../c", "/c"),
            ("..", "/"),
            ("?d", "/a/b?d"),
        ] {
            match led(location) {
                Ok(led) => assert_eq!(led, path, "{location}"),
                Err(why) => assert!(path == "another", "{location}: {why}"),
            }
        }
    }

    #[test]
    fn a_redirect_to_another_origin_is_not() {
        for location in [
            "http://mcp.example.com/x",
            "https://mcp.example.com:8443/x",
            "https://mcp.example.com.evil.example/x",
            "https://evil.example/mcp.example.com",
            "//evil.example/x",
            "https://mcp.example.com@evil.example/",
            "https://user:secret@mcp.example.com/",
            "ftp://mcp.example.com/x",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "\\\\evil.example/x",
            "",
            "#x",
            "/a b",
            "/\u{e9}\u{0}",
        ] {
            let why = led(location);
            assert!(why.is_err() || why.as_deref().is_ok_and(|led| led.starts_with('/')), "{location}");
            assert!(
                !why.clone().unwrap_or_default().contains("evil") || location.starts_with('\\'),
                "{why:?}"
            );
        }
        assert!(
            led("https://evil.example/x?token=1").unwrap_err().contains("https://evil.example:443, another")
        );
    }
}
