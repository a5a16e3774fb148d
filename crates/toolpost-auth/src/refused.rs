//! Why a token is not accepted, and what its bearer is told.

use std::time::Duration;

use toolpost_server::Unauthenticated;

/// Why nobody is let in by a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// It is not valid.
    Invalid(Why),
    /// Nobody can say now; ask again after this.
    Unavailable(Duration),
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    Malformed,
    #[cfg(feature = "jwt")]
    Algorithm,
    #[cfg(feature = "jwt")]
    Critical,
    #[cfg(feature = "jwt")]
    Type,
    #[cfg(feature = "jwt")]
    UnknownKey,
    #[cfg(feature = "jwt")]
    Signature,
    Inactive,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
    FromTheFuture,
    Bound,
    Nameless,
}

impl Why {
    /// What its bearer is told: it has the token, and can read as much in it.
    const fn told(self) -> &'static str {
        match self {
            Self::Malformed => "the token is malformed",
            #[cfg(feature = "jwt")]
            Self::Algorithm => "the token is not signed by an accepted algorithm",
            #[cfg(feature = "jwt")]
            Self::Critical => "the token has a critical extension that is not known here",
            #[cfg(feature = "jwt")]
            Self::Type => "the token is not an access token",
            #[cfg(feature = "jwt")]
            Self::UnknownKey => "the token is signed by an unknown key",
            #[cfg(feature = "jwt")]
            Self::Signature => "the signature of the token does not verify",
            Self::Inactive => "the token is not active",
            Self::Issuer => "the token is of another issuer",
            Self::Audience => "the token is for another resource",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not yet valid",
            Self::FromTheFuture => "the token was issued in the future",
            Self::Bound => "the token is bound to a key, and accepted with a proof alone",
            Self::Nameless => "the token does not say whom it is for",
        }
    }
}

impl From<Why> for Refused {
    fn from(why: Why) -> Self {
        Self::Invalid(why)
    }
}

impl From<Refused> for Unauthenticated {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(why) => Self::Challenge(format!(
                r#"Bearer error="invalid_token", error_description="{}""#,
                why.told()
            )),
            Refused::Unavailable(wait) => Self::Unavailable(wait),
        }
    }
}
