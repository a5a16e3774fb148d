//! Who is let in over HTTP: whoever has a listed token, or one of an issuer; replaced while the gateway serves.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::request::Parts;
use toolpost::auth::{Jwks, JwtBearer, RequireScopes};
use toolpost::server::{Authenticate, ProtectedResource, StaticTokens, Unauthenticated};
use toolpost::tool::Principal;

use crate::config::{JwtTable, Reader, Scopes, Serve};

/// What a token has at least, or else it can be guessed.
const SHORTEST: usize = 16;

/// Tokens that let their bearers in.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    listed: Option<StaticTokens>,
    jwt: Option<JwtBearer>,
}

/// The tokens that hold now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door(Arc<RwLock<Arc<Tokens>>>);

impl Door {
    /// Lets in by `tokens` from now on.
    pub(crate) fn change(&self, tokens: Tokens) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }
}

impl Authenticate for Door {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        let tokens = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let listed = match &tokens.listed {
            Some(listed) => listed.authenticate(request).await,
            None => Err(Unauthenticated::Challenge("Bearer".into())),
        };
        match (&tokens.jwt, listed) {
            (Some(jwt), Err(_)) => jwt.authenticate(request).await,
            (_, listed) => listed,
        }
    }
}

/// Reads the secrets that `serve` names.
pub(crate) fn read(
    serve: &Serve,
    reader: &mut Reader<'_>,
    tokens: &mut Option<Tokens>,
    state_key: &mut Option<[u8; 32]>,
) {
    let listed = serve.token_file.as_deref().and_then(|file| listed(file, reader));
    let jwt = serve.jwt.as_ref().and_then(|table| jwt(table, reader));
    if listed.is_some() || jwt.is_some() {
        *tokens = Some(Tokens { listed, jwt });
    }
    *state_key = serve.state_key_file.as_deref().and_then(|file| key(file, reader));
    let scopes = &serve.scopes;
    if serve.jwt.is_none() && !(scopes.everywhere.is_empty() && scopes.tools.is_empty()) {
        reader.fault(
            "serve.scopes",
            "are those of access tokens, and there is no [serve.jwt]: nobody could have one",
        );
    }
    let of_http = serve.token_file.is_some() || serve.jwt.is_some() || serve.state_key_file.is_some();
    if serve.http.is_none() && of_http {
        reader.fault(
            "serve",
            "has tokens or a state key, which are of HTTP; give `http`, such as \"127.0.0.1:8080\"",
        );
    }
}

/// The document that tells clients where to get a token, if tokens have an issuer.
pub(crate) fn resource(serve: &Serve) -> Option<ProtectedResource> {
    let jwt = serve.jwt.as_ref()?;
    let scopes = rules(&serve.scopes);
    let scopes = scopes.iter().flat_map(RequireScopes::scopes);
    Some(ProtectedResource::new(&*jwt.audience).authorization_server(&*jwt.issuer).scopes(scopes))
}

/// The scopes that are asked for, if any are.
pub(crate) fn rules(scopes: &Scopes) -> Option<RequireScopes> {
    if scopes.everywhere.is_empty() && scopes.tools.is_empty() {
        return None;
    }
    let everywhere = RequireScopes::new().everywhere(scopes.everywhere.iter().map(String::as_str));
    let tool = |rules: RequireScopes, (name, scopes): (&String, &Vec<String>)| {
        rules.tool(&**name, scopes.iter().map(String::as_str))
    };
    Some(scopes.tools.iter().fold(everywhere, tool))
}

/// The tokens of a file: a line for each, with the name of whoever has it, a space and the token. Empty lines and lines that
/// begin with `#` are passed over.
fn listed(file: &Path, reader: &mut Reader<'_>) -> Option<StaticTokens> {
    const AT: &str = "serve.token-file";
    let text = reader.text(AT, file)?;
    let mut known = HashSet::new();
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // No fault shows a token: it may end up in a log.
        let mut fault = |why: &str| reader.fault(AT, format!("line {number} of {}: {why}", file.display()));
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(_), Some(token), None) if token.len() < SHORTEST => {
                fault("the token has less than 16 characters");
            }
            (Some(_), Some(token), None) if !known.insert(token) => fault("another line has the same token"),
            (Some(name), Some(token), None) => tokens.push((token, Principal::new(name.to_owned()))),
            _ => fault("give a name, a space and a token"),
        }
    }
    if tokens.is_empty() {
        reader.fault(AT, format!("there is no token in {}, so nobody could come in", file.display()));
        return None;
    }
    Some(StaticTokens::new(tokens))
}

fn jwt(table: &JwtTable, reader: &mut Reader<'_>) -> Option<JwtBearer> {
    const AT: &str = "serve.jwt";
    for (key, value) in [("issuer", &table.issuer), ("audience", &table.audience)] {
        if value.is_empty() {
            reader.fault(AT, format!("`{key}` is missing; a token says it, and is held against it"));
        }
    }
    let keys = match (&table.jwks_url, &table.jwks_file) {
        (Some(url), None) => Jwks::https(url).map_err(|error| ("jwks-url", error)),
        (None, Some(file)) => {
            let text = reader.text("serve.jwt.jwks-file", file)?;
            Jwks::from_json(&text).map_err(|error| ("jwks-file", error))
        }
        _ => {
            reader.fault(AT, "give `jwks-url`, where the issuer's keys are, or `jwks-file`");
            return None;
        }
    };
    match keys {
        Ok(keys) => {
            let mut jwt = JwtBearer::new(&*table.issuer, &*table.audience, keys);
            if let Some(claim) = &table.principal_claim {
                jwt = jwt.principal_claim(&**claim);
            }
            if let Some(leeway) = table.leeway_s {
                jwt = jwt.leeway(Duration::from_secs(leeway));
            }
            Some(jwt)
        }
        Err((key, error)) => {
            reader.fault(&format!("{AT}.{key}"), error);
            None
        }
    }
}

/// The 32 bytes in hexadecimal that a file holds.
fn key(file: &Path, reader: &mut Reader<'_>) -> Option<[u8; 32]> {
    const AT: &str = "serve.state-key-file";
    let text = reader.text(AT, file)?;
    let text = text.trim();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        reader.fault(AT, "give 32 bytes in hexadecimal, which are 64 digits (`openssl rand -hex 32`)");
        return None;
    }
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_default();
    }
    Some(key)
}
