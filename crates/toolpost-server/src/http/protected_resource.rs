//! What an MCP server says of itself to clients that need a token (OAuth 2.0 protected resource metadata).
//!
//! Source: [RFC 9728](https://datatracker.ietf.org/doc/html/rfc9728).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_TYPE,
};
use http::{HeaderValue, Response, StatusCode, Uri};
use serde::Serialize;

use super::Body;
use super::answers::empty;

const BEARER: &str = "Bearer";

/// Where the document of a resource stands, before the path of the resource.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Tells clients without a token where to get one: given to
/// [`ServerBuilder::protected_resource`](crate::ServerBuilder::protected_resource).
///
/// The server then serves the document of RFC 9728 at `/.well-known/oauth-protected-resource`, and at the same with the path
/// of the resource behind it, to everybody; and each challenge of [`Authenticate`](crate::Authenticate) says where it is.
///
/// ```
/// use toolpost_server::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://mcp.example.com/mcp")
///     .authorization_server("https://login.example.com")
///     .scope("tools:read");
/// assert_eq!(
///     resource.metadata_url(),
///     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
/// );
/// assert!(resource.document().contains(r#""scopes_supported":["tools:read"]"#));
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct ProtectedResource {
    resource: String,
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
}

impl ProtectedResource {
    /// Names the resource by the URL under which clients reach it: what a token's audience has to be.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            resource: url.into(),
            authorization_servers: Vec::new(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: ["header"],
        }
    }

    /// Adds an authorization server that issues tokens for it, by its issuer URL.
    #[must_use]
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.authorization_servers.push(issuer.into());
        self
    }

    /// Adds a scope that a client may ask for.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes_supported.push(scope.into());
        self
    }

    /// Adds scopes that a client may ask for.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes_supported.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// The URL of the document.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        let (origin, path) = self.parts();
        format!("{origin}{WELL_KNOWN}{path}")
    }

    /// The document, in JSON; for a host that serves its paths by itself.
    #[must_use]
    pub fn document(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Origin of the resource, and its path and query; a slash that follows the host alone is none (RFC 9728, 3.1).
    fn parts(&self) -> (&str, &str) {
        let resource = self.resource.split('#').next().unwrap_or_default();
        let after_scheme = resource.find("://").map_or(0, |at| at + 3);
        let path = resource[after_scheme..].find(['/', '?']).map_or(resource.len(), |at| after_scheme + at);
        let (origin, path) = resource.split_at(path);
        match path.strip_prefix('/') {
            Some(rest) if rest.is_empty() || rest.starts_with('?') => (origin, rest),
            _ => (origin, path),
        }
    }
}

/// The document as it is served.
pub(crate) struct Document {
    url: String,
    path: String,
    text: String,
}

impl Document {
    pub(crate) fn new(resource: &ProtectedResource) -> Self {
        let path = resource.parts().1.split('?').next().unwrap_or_default();
        let path = format!("{WELL_KNOWN}{path}");
        Self { url: resource.metadata_url(), path, text: resource.document() }
    }

    /// Whether the document stands at this place.
    pub(crate) fn is_at(&self, uri: &Uri) -> bool {
        uri.path() == WELL_KNOWN || uri.path() == self.path
    }

    /// The document to whoever reads it, pages of any origin too: it is no secret.
    pub(crate) fn response(&self, head: bool) -> Response<Body> {
        let mut response = match head {
            true => empty(StatusCode::OK),
            false => Response::new(Body::whole(self.text.clone().into_bytes(), Bytes::new())),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }

    /// The answer to the browser of such a page that asks whether it may.
    pub(crate) fn preflight(&self) -> Response<Body> {
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        response
    }

    /// The challenge, which says where the document is, unless it already does.
    pub(crate) fn named_in(&self, challenge: String) -> String {
        if challenge.contains("resource_metadata=") {
            return challenge;
        }
        let (challenge, url) = (challenge.trim(), &self.url);
        let (scheme, rest) = challenge.split_at_checked(BEARER.len()).unwrap_or((challenge, ""));
        match (scheme.eq_ignore_ascii_case(BEARER), rest.trim_start()) {
            (true, "") => format!(r#"{BEARER} resource_metadata="{url}""#),
            (true, rest) => format!(r#"{BEARER} resource_metadata="{url}", {rest}"#),
            _ if challenge.is_empty() => format!(r#"{BEARER} resource_metadata="{url}""#),
            // Another scheme: ours beside it.
            _ => format!(r#"{challenge}, {BEARER} resource_metadata="{url}""#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_stands_before_the_path_of_the_resource() {
        for (resource, url) in [
            ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
            ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
            (
                "https://a.example:8443/x/mcp",
                "https://a.example:8443/.well-known/oauth-protected-resource/x/mcp",
            ),
            ("https://a.example/mcp?b=/c", "https://a.example/.well-known/oauth-protected-resource/mcp?b=/c"),
            ("https://a.example/mcp/", "https://a.example/.well-known/oauth-protected-resource/mcp/"),
            ("https://a.example/?b=/c", "https://a.example/.well-known/oauth-protected-resource?b=/c"),
            ("https://a.example?b=/c#d", "https://a.example/.well-known/oauth-protected-resource?b=/c"),
        ] {
            assert_eq!(ProtectedResource::new(resource).metadata_url(), url, "{resource}");
        }
    }

    #[test]
    fn a_challenge_says_where_the_document_is_once() {
        let document = Document::new(&ProtectedResource::new("https://a.example/mcp"));
        let at = r#"resource_metadata="https://a.example/.well-known/oauth-protected-resource/mcp""#;
        for (challenge, sent) in [
            ("", format!("Bearer {at}")),
            ("Bearer", format!("Bearer {at}")),
            (r#"Bearer error="invalid_token""#, format!(r#"Bearer {at}, error="invalid_token""#)),
            (r#"bearer realm="x", Basic realm="y""#, format!(r#"Bearer {at}, realm="x", Basic realm="y""#)),
            (r#"Basic realm="y""#, format!(r#"Basic realm="y", Bearer {at}"#)),
            (r#"Bearer resource_metadata="x""#, r#"Bearer resource_metadata="x""#.to_owned()),
        ] {
            assert_eq!(document.named_in(challenge.to_owned()), sent);
        }
    }
}
