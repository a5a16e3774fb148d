//! Who a call is made for.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The verified identity a call is made for; anonymous unless the host says otherwise.
///
/// Results are cached, rates are limited and permits are shared per principal, so two callers must
/// have different principals exactly if they must not see each other's results.
///
/// A principal is its name: the scopes that a token gives it ([`with_scopes`](Self::with_scopes)) say what it may do, not who
/// it is, and take no part in comparisons. What answers differently by scope must not be cached per principal.
///
/// ```
/// use toolpost_tool::Principal;
///
/// assert!(Principal::anonymous().is_anonymous());
/// assert_eq!(Principal::new("ada").as_str(), "ada");
/// assert_ne!(Principal::new(""), Principal::anonymous());
/// ```
#[derive(Clone, Default)]
pub struct Principal(Option<Arc<Identity>>);

struct Identity {
    name: Arc<str>,
    scopes: Box<[Box<str>]>,
}

impl Principal {
    /// The principal of a caller nobody identified.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// A principal by its name, as the host's authentication gives it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(Some(Arc::new(Identity { name: name.into(), scopes: Box::default() })))
    }

    /// The same principal with these OAuth scopes in place of those that it had; an anonymous one has none.
    ///
    /// ```
    /// use toolpost_tool::Principal;
    ///
    /// let ada = Principal::new("ada").with_scopes(["tools:read"]);
    /// assert!(ada.has_scope("tools:read") && !ada.has_scope("tools"));
    /// assert_eq!(ada, Principal::new("ada"));
    /// ```
    #[must_use]
    pub fn with_scopes<S: Into<Box<str>>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self(self.0.map(|identity| Arc::new(Identity { name: Arc::clone(&identity.name), scopes })))
    }

    /// Whether nobody identified the caller.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }

    /// The name; empty if anonymous.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", |identity| &identity.name)
    }

    /// Whether the caller's token carries exactly this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// The scopes of the caller's token, in its order.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|identity| identity.scopes.iter().map(|scope| &**scope))
    }

    fn name(&self) -> Option<&str> {
        self.0.as_ref().map(|identity| &*identity.name)
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Principal {}

impl PartialOrd for Principal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Principal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(&other.name())
    }
}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            None => f.write_str("Principal(anonymous)"),
            Some(name) => write!(f, "Principal({name:?})"),
        }
    }
}
