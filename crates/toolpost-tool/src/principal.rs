//! Who a call is made for.

use std::fmt;
use std::sync::Arc;

/// The verified identity a call is made for; anonymous unless the host says otherwise.
///
/// Results are cached, rates are limited and permits are shared per principal, so two callers must
/// have different principals exactly if they must not see each other's results.
///
/// ```
/// use toolpost_tool::Principal;
///
/// assert!(Principal::anonymous().is_anonymous());
/// assert_eq!(Principal::new("ada").as_str(), "ada");
/// assert_ne!(Principal::new(""), Principal::anonymous());
/// ```
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Principal(Option<Arc<str>>);

impl Principal {
    /// The principal of a caller nobody identified.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// A principal by its name, as the host's authentication gives it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(Some(name.into()))
    }

    /// Whether nobody identified the caller.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }

    /// The name; empty if anonymous.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Principal(anonymous)"),
            Some(name) => write!(f, "Principal({name:?})"),
        }
    }
}
