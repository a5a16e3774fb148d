//! OAuth bearer tokens for MCP servers: who a client is, proven by a token of an authorization server.
//!
//! An MCP server is a resource server: it checks tokens and issues none. [`JwtBearer`] checks those that are JWTs by the keys of
//! their issuer ([`Jwks`]); [`Introspection`] asks the authorization server about any. Both implement
//! [`Authenticate`](toolpost_server::Authenticate), accept only what was issued for this server (audience), and give the
//! [`Principal`](toolpost_tool::Principal) the token's scopes, which [`RequireScopes`] asks for, tool by tool.
//!
//! ```no_run
//! use toolpost_auth::{Jwks, JwtBearer, RequireScopes};
//! use toolpost_dispatch::{Dispatcher, Registry};
//! use toolpost_server::{ProtectedResource, Server};
//!
//! # async fn run(registry: Registry) -> Result<(), Box<dyn std::error::Error>> {
//! let (issuer, resource) = ("https://login.example.com", "https://mcp.example.com/mcp");
//! let keys = Jwks::https("https://login.example.com/.well-known/jwks.json")?;
//! let scopes = RequireScopes::new().tool("scrap", ["stock:write"]);
//! let metadata = ProtectedResource::new(resource).authorization_server(issuer).scopes(scopes.scopes());
//! Server::builder(Dispatcher::builder(registry).authorize(scopes).build())
//!     .authenticate(JwtBearer::new(issuer, resource, keys))
//!     .protected_resource(metadata)
//!     .build()
//!     .http("127.0.0.1:8080")
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Whatever goes wrong, nobody is let in: a token that is not valid is answered with 401, and where nobody can say whether it is
//! (the issuer cannot be reached), the answer is 503. What is kept, fetched and asked is bounded.
//!
//! Features, both on by default: `jwt` for tokens that are JWTs, `https` for `HttpsClient`, which reaches the authorization
//! server; without it, bring a [`Fetch`] of your own.
#![cfg_attr(
    not(all(feature = "jwt", feature = "https")),
    allow(rustdoc::broken_intra_doc_links, reason = "the pages name both features")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "jwt")]
mod algorithm;
mod claims;
mod clock;
mod fetch;
#[cfg(feature = "https")]
mod https;
mod introspection;
#[cfg(feature = "jwt")]
mod jwks;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "jwt")]
mod key_set;
mod refused;
mod require_scopes;

#[cfg(feature = "jwt")]
pub use algorithm::Algorithm;
pub use fetch::{AuthError, Fetch};
#[cfg(feature = "https")]
pub use https::HttpsClient;
pub use introspection::Introspection;
#[cfg(feature = "jwt")]
pub use jwks::Jwks;
#[cfg(feature = "jwt")]
pub use jwt::JwtBearer;
pub use require_scopes::RequireScopes;

/// The examples of the crate's README compile and run.
#[cfg(all(doctest, feature = "jwt", feature = "https"))]
#[doc = include_str!("../README.md")]
struct Readme;
