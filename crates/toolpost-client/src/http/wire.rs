//! Requests to one server: their headers, redirects and credentials.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use toolpost_protocol::Version;

use super::answer::{Answer, BadAnswer};
use super::connections::{Broken, Connections};
use super::credentials::AnyCredentials;
use super::header_value::header_value;
use super::redirect;

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("toolpost/", env!("CARGO_PKG_VERSION")));

/// The way to one server.
#[derive(Debug)]
pub(super) struct Wire {
    connections: Arc<Connections>,
    /// The URL of the server.
    url: Uri,
    host: HeaderValue,
    /// Where the server has moved to within its origin.
    moved: Mutex<Option<PathAndQuery>>,
    headers: HeaderMap,
    credentials: Option<AnyCredentials>,
    /// The bytes of a message, at most.
    limit: usize,
}

/// One request.
#[derive(Debug)]
pub(super) enum Ask<'a> {
    /// Sends a message.
    Post(Bytes),
    /// Opens the session's stream, or resumes one after an event.
    Get(Option<&'a Bytes>),
    /// Ends the session.
    Delete,
}

/// What the headers say of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head<'a> {
    pub(super) version: Option<Version>,
    pub(super) session: Option<&'a HeaderValue>,
    /// The method, and the name that it is about: for revisions that ask for them.
    pub(super) method: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) params: &'a [(HeaderName, HeaderValue)],
    /// Whether it does not count among the requests: these may wait for it, as for the answer to a question.
    pub(super) is_aside: bool,
}

/// Why there is no answer that can be read.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing of the request has been taken.
    Before(String),
    /// What became of the request is unknown.
    After(String),
    /// The answer is none.
    Answer(BadAnswer),
}

impl Wire {
    pub(super) fn new(
        url: Uri,
        connections: Connections,
        headers: HeaderMap,
        credentials: Option<AnyCredentials>,
        limit: usize,
    ) -> Result<Self, String> {
        let authority = url.authority().ok_or("the URL names no host")?.as_str();
        let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
        let connections = Arc::new(connections);
        Ok(Self { connections, url, host, moved: Mutex::default(), headers, credentials, limit })
    }

    pub(super) const fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// Sends a request and receives the head of its answer; redirects within the origin are followed, and a server that
    /// refuses the credentials is sent others once.
    ///
    /// # Errors
    ///
    /// [`Failed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn send(&self, ask: Ask<'_>, head: Head<'_>) -> Result<(Answer, HeaderMap), Failed> {
        let mut path = self.path();
        let mut challenge: Option<String> = None;
        let mut redirects = 0;
        loop {
            let mut request = self.request(&ask, head, path.clone());
            if let Some(credentials) = &self.credentials {
                let given = credentials.authorization(challenge.as_deref()).await;
                let given =
                    given.map_err(|why| Failed::Before(format!("there are no credentials: {why}")))?;
                let value = HeaderValue::from_str(&given).map(|mut value| {
                    value.set_sensitive(true);
                    value
                });
                let value =
                    value.map_err(|_| Failed::Before("the credentials cannot stand in a header".into()))?;
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            let response =
                self.connections.send(request, head.is_aside || matches!(ask, Ask::Get(_))).await?;
            let status = response.status();
            if status.is_redirection()
                && let Some(location) = response.headers().get(LOCATION)
            {
                let refuse = |why: String| Failed::Answer(BadAnswer::Malformed(why));
                if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                    let status = status.as_u16();
                    return Err(refuse(format!(
                        "the server redirects by {status}, which would make a GET of a message"
                    )));
                }
                if redirects == redirect::MOST {
                    return Err(refuse(format!("the server redirects more than {} times", redirect::MOST)));
                }
                redirects += 1;
                let next = redirect::follow(&self.url, &path, location.as_bytes()).map_err(refuse)?;
                // Many frameworks send whoever leaves out the last slash there by 307, each time.
                let slash = next.path().strip_suffix('/') == Some(path.path());
                if status == StatusCode::PERMANENT_REDIRECT || slash {
                    *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(next.clone());
                }
                path = next;
                // Read to its end, the connection is kept.
                drop(response.into_body().collect(1 << 12).await);
                continue;
            }
            let headers = response.headers().clone();
            let answer = Answer::read(response, self.limit).await.map_err(Failed::Answer)?;
            if let Answer::Refused(refused) = &answer
                && refused.status == StatusCode::UNAUTHORIZED
                && challenge.is_none()
                && self.credentials.is_some()
            {
                challenge = Some(refused.challenge.clone().unwrap_or_default());
                continue;
            }
            return Ok((answer, headers));
        }
    }

    fn request(&self, ask: &Ask<'_>, head: Head<'_>, path: PathAndQuery) -> Request<Bytes> {
        let body = if let Ask::Post(body) = ask { body.clone() } else { Bytes::new() };
        let mut request = Request::new(body);
        let mut headers = HeaderMap::with_capacity(self.headers.len() + head.params.len() + 10);
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, AGENT);
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        match ask {
            Ask::Post(_) => {
                *request.method_mut() = Method::POST;
                headers.insert(CONTENT_TYPE, JSON);
                headers.insert(ACCEPT, BOTH);
            }
            Ask::Get(after) => {
                *request.method_mut() = Method::GET;
                headers.insert(ACCEPT, EVENTS);
                if let Some(after) = after
                    && let Ok(after) = HeaderValue::from_maybe_shared((*after).clone())
                {
                    headers.insert(LAST_EVENT, after);
                }
            }
            Ask::Delete => *request.method_mut() = Method::DELETE,
        }
        if let Some(version) = head.version {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str()));
        }
        if let Some(session) = head.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(method) = head.method {
            headers.insert(METHOD, header_value(method));
        }
        if let Some(name) = head.name {
            headers.insert(NAME, header_value(name));
        }
        for (name, value) in head.params {
            headers.insert(name.clone(), value.clone());
        }
        *request.uri_mut() = match self.connections.origin().reads_requests() {
            None => Uri::from(path),
            Some(credentials) => {
                if let Some(credentials) = credentials {
                    headers.insert(PROXY_AUTHORIZATION, credentials.clone());
                }
                let mut parts = self.url.clone().into_parts();
                parts.path_and_query = Some(path);
                // Its parts were those of a URL.
                Uri::from_parts(parts).unwrap_or_else(|_| self.url.clone())
            }
        };
        *request.headers_mut() = headers;
        request
    }

    fn path(&self) -> PathAndQuery {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let path = moved.as_ref().or(self.url.path_and_query());
        path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
    }
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Before(why) => Self::Before(why),
            Broken::After(why) => Self::After(why),
        }
    }
}

/// How long to wait for what no call waits for: a notification, the end of a session.
pub(super) const ASIDE: Duration = Duration::from_secs(10);
