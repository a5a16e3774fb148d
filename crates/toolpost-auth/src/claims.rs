//! What a token says, held against what it has to say.

use std::time::Duration;

use toolpost_json::{Kind, Node};
use toolpost_tool::Principal;

use crate::clock::Clock;
use crate::refused::Why;

/// The leeway that clocks of two machines have unless the host says otherwise, and the most that it can say.
const LEEWAY: u64 = 60;
const MOST_LEEWAY: u64 = 300;
/// The longest token, in bytes.
pub(crate) const LONGEST: usize = 16 << 10;
/// The longest name of a principal, in bytes.
const LONGEST_NAME: usize = 1 << 10;

/// What the claims of a token have to be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) issuer: Option<String>,
    pub(crate) audiences: Vec<String>,
    leeway: u64,
    pub(crate) clock: Clock,
    pub(crate) principal_claim: String,
    /// Whether a token has to name its issuer and when it expires.
    pub(crate) complete: bool,
}

/// Who a token is for, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// In seconds of Unix time, the leeway added; none if the token does not say.
    pub(crate) expires: Option<u64>,
}

impl Expected {
    pub(crate) fn new(issuer: Option<String>, audience: String, complete: bool) -> Self {
        Self {
            issuer,
            audiences: vec![audience],
            leeway: LEEWAY,
            clock: Clock::system(),
            principal_claim: "sub".to_owned(),
            complete,
        }
    }

    pub(crate) fn set_leeway(&mut self, leeway: Duration) {
        self.leeway = leeway.as_secs().min(MOST_LEEWAY);
    }

    /// Checks the claims of a token that is genuine.
    pub(crate) fn check(&self, claims: Node<'_>) -> Result<Verified, Why> {
        if claims.kind() != Kind::Object {
            return Err(Why::Malformed);
        }
        self.check_issuer(claims)?;
        self.check_audience(claims)?;
        let expires = self.check_times(claims)?;
        // Its bearer would have to prove that the key is its own (RFC 9449, RFC 8705), which nobody here asks for.
        if claims.member("cnf").is_some() {
            return Err(Why::Bound);
        }
        let name = claims.member(&self.principal_claim).and_then(Node::as_str);
        let name = name.filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME).ok_or(Why::Nameless)?;
        let principal = Principal::new(&*name).with_scopes(scopes(claims)?);
        Ok(Verified { principal, expires })
    }

    /// Whether a token that was accepted has expired since.
    pub(crate) fn has_expired(&self, verified: &Verified) -> bool {
        verified.expires.is_some_and(|expires| expires <= self.clock.unix())
    }

    fn check_issuer(&self, claims: Node<'_>) -> Result<(), Why> {
        match (&self.issuer, claims.member("iss")) {
            (Some(issuer), Some(said)) if said.as_str().as_deref() == Some(issuer) => Ok(()),
            (Some(_), None) if !self.complete => Ok(()),
            (None, _) => Ok(()),
            (Some(_), _) => Err(Why::Issuer),
        }
    }

    fn check_audience(&self, claims: Node<'_>) -> Result<(), Why> {
        let audience = claims.member("aud").ok_or(Why::Audience)?;
        let is_ours = |said: Node<'_>| {
            said.as_str().is_some_and(|said| self.audiences.iter().any(|audience| *audience == said))
        };
        (is_ours(audience) || audience.items().any(is_ours)).then_some(()).ok_or(Why::Audience)
    }

    fn check_times(&self, claims: Node<'_>) -> Result<Option<u64>, Why> {
        let now = self.clock.unix();
        let soon = now.saturating_add(self.leeway);
        let expires = seconds(claims, "exp", f64::floor)?.map(|exp| exp.saturating_add(self.leeway));
        if self.complete && expires.is_none() {
            return Err(Why::Malformed);
        }
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Why::Expired);
        }
        if seconds(claims, "nbf", f64::ceil)?.is_some_and(|begins| soon < begins) {
            return Err(Why::NotYetValid);
        }
        if seconds(claims, "iat", f64::ceil)?.is_some_and(|issued| soon < issued) {
            return Err(Why::FromTheFuture);
        }
        Ok(expires)
    }
}

/// A time in seconds of Unix time, which may have a fraction (RFC 7519, 2).
fn seconds(claims: Node<'_>, name: &str, round: fn(f64) -> f64) -> Result<Option<u64>, Why> {
    let Some(claim) = claims.member(name) else { return Ok(None) };
    let number = claim.as_number().ok_or(Why::Malformed)?;
    // Of a float that is no time the cast makes the nearest one.
    Ok(Some(number.as_u64().unwrap_or_else(|| round(number.as_f64()) as u64)))
}

/// The scopes of a token: a string of them (RFC 9068, RFC 7662), or a list, under either name that servers use.
fn scopes(claims: Node<'_>) -> Result<Vec<Box<str>>, Why> {
    let Some(scopes) = claims.member("scope").or_else(|| claims.member("scp")) else { return Ok(Vec::new()) };
    match scopes.kind() {
        Kind::Null => Ok(Vec::new()),
        Kind::String => {
            let text = scopes.as_str().unwrap_or_default();
            Ok(text.split(' ').filter(|scope| !scope.is_empty()).map(Box::from).collect())
        }
        Kind::Array => scopes
            .items()
            .map(|scope| Some(scope.as_str()?.into()))
            .collect::<Option<_>>()
            .ok_or(Why::Malformed),
        _ => Err(Why::Malformed),
    }
}
