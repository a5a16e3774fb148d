//! Bearer tokens that are known beforehand.

use std::collections::HashMap;
use std::fmt;

use http::request::Parts;
use toolpost_tool::Principal;

use crate::{Authenticate, Unauthenticated, bearer_token};

/// Lets in whoever carries one of a fixed set of bearer tokens, as the principal that the token is of.
///
/// For machines that know each other and operators with a file of tokens. A token is found by its keyed BLAKE3 hash, so that
/// the time that it takes says nothing about the tokens there are; only their hashes are kept.
///
/// ```
/// use toolpost_server::StaticTokens;
/// use toolpost_tool::Principal;
/// # use toolpost_dispatch::{Dispatcher, Registry};
/// # use toolpost_server::Server;
/// # let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap()).build();
///
/// let tokens = StaticTokens::new([("nX3-long-and-random", Principal::new("ada"))]);
/// let server = Server::builder(dispatcher).authenticate(tokens).build();
/// ```
pub struct StaticTokens {
    /// Of this process alone.
    key: [u8; 32],
    principals: HashMap<[u8; 32], Principal>,
}

impl StaticTokens {
    /// Lets in these tokens. Of one that is there twice, the last principal counts; an empty one lets nobody in.
    pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = (T, Principal)>) -> Self {
        let mut key = [0; 32];
        // Without randomness the hash is still one that nobody inverts.
        let _any = getrandom::fill(&mut key);
        let principals = tokens
            .into_iter()
            .filter(|(token, _)| !token.as_ref().is_empty())
            .map(|(token, principal)| (hash(&key, token.as_ref()), principal))
            .collect();
        Self { key, principals }
    }
}

fn hash(key: &[u8; 32], token: &str) -> [u8; 32] {
    *blake3::keyed_hash(key, token.as_bytes()).as_bytes()
}

impl Authenticate for StaticTokens {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        let token = bearer_token(request)?;
        let principal = self.principals.get(&hash(&self.key, token));
        principal
            .cloned()
            .ok_or_else(|| Unauthenticated::Challenge(r#"Bearer error="invalid_token""#.to_owned()))
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens").field("tokens", &self.principals.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(values: &[&str]) -> Result<Principal, Unauthenticated> {
        let tokens =
            [("t0ken", Principal::new("ada")), ("other", Principal::new("bob")), ("", Principal::new("no"))];
        let tokens = StaticTokens::new(tokens);
        let mut request = Request::builder();
        for value in values {
            request = request.header("Authorization", *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        futures_util::FutureExt::now_or_never(tokens.authenticate(&parts)).unwrap()
    }

    #[test]
    fn one_token_in_one_header_lets_its_principal_in() {
        for good in ["Bearer t0ken", "bearer t0ken", "BEARER  t0ken "] {
            assert_eq!(asked(&[good]), Ok(Principal::new("ada")), "{good}");
        }
        assert_eq!(asked(&["Bearer other"]), Ok(Principal::new("bob")));
    }

    #[test]
    fn anything_else_is_challenged() {
        assert_eq!(asked(&[]), Err(Unauthenticated::Challenge("Bearer".to_owned())));
        let wrong = Unauthenticated::Challenge(r#"Bearer error="invalid_token""#.to_owned());
        for bad in
            ["Bearer", "Bearer ", "Bearer t0ke", "Bearer t0ken1", "Basic t0ken", "t0ken", "Bearer T0ken"]
        {
            assert_eq!(asked(&[bad]), Err(wrong.clone()), "{bad}");
        }
        assert_eq!(asked(&["Bearer t0ken", "Bearer t0ken"]), Err(wrong));
    }
}
