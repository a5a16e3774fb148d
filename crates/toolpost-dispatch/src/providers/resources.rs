//! Resources.

use std::sync::Arc;

use toolpost_protocol::model::{Resource, ResourceContents, ResourceTemplate};
use toolpost_tool::{BoxFuture, Call, Principal, ToolError};

/// Things a client can read by their URI. [`ResourceSet`](crate::ResourceSet) is one made of closures.
///
/// ```
/// use toolpost_dispatch::{Dispatcher, Registry, Resources};
/// use toolpost_protocol::model::{Resource, ResourceContents};
/// use toolpost_tool::{Call, Principal, ToolError};
///
/// /// Notes of whoever asks.
/// struct Notes;
///
/// impl Resources for Notes {
///     fn list(&self, principal: &Principal) -> Vec<Resource> {
///         vec![Resource::new(format!("notes://{}", principal.as_str()), "your notes")]
///     }
///
///     async fn read(&self, uri: &str, call: Call) -> Result<Option<Vec<ResourceContents>>, ToolError> {
///         let own = uri.strip_prefix("notes://") == Some(call.principal().as_str());
///         Ok(own.then(|| vec![ResourceContents::text(uri, "buy oil")]))
///     }
/// }
///
/// let dispatcher = Dispatcher::builder(Registry::builder().build().unwrap()).resources(Notes).build();
/// assert_eq!(dispatcher.resources(&Principal::new("ada"))[0].uri, "notes://ada");
/// ```
pub trait Resources: Send + Sync + 'static {
    /// The resources that `principal` may be shown, in a stable order.
    fn list(&self, principal: &Principal) -> Vec<Resource>;

    /// The templates of URIs that can be read without being listed, in a stable order.
    fn templates(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        let _ = principal;
        Vec::new()
    }

    /// Whether every principal is shown the same, so that one list serves all.
    fn is_shared(&self) -> bool {
        false
    }

    /// Reads the resource at `uri`; `None` if there is none. The call has no arguments; it says who
    /// reads, and can ask for input.
    fn read(
        &self,
        uri: &str,
        call: Call,
    ) -> impl Future<Output = Result<Option<Vec<ResourceContents>>, ToolError>> + Send;
}

/// [`Resources`] with their type erased.
pub(crate) type AnyResources = Arc<dyn Erased>;

/// What reading a resource ends in.
pub(crate) type Contents = Result<Option<Vec<ResourceContents>>, ToolError>;

pub(crate) trait Erased: Send + Sync {
    fn is_shared_erased(&self) -> bool;
    fn list_erased(&self, principal: &Principal) -> Vec<Resource>;
    fn templates_erased(&self, principal: &Principal) -> Vec<ResourceTemplate>;
    fn read_erased<'a>(&'a self, uri: &'a str, call: Call) -> BoxFuture<'a, Contents>;
}

impl<R: Resources> Erased for R {
    fn is_shared_erased(&self) -> bool {
        self.is_shared()
    }

    fn list_erased(&self, principal: &Principal) -> Vec<Resource> {
        self.list(principal)
    }

    fn templates_erased(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        self.templates(principal)
    }

    fn read_erased<'a>(&'a self, uri: &'a str, call: Call) -> BoxFuture<'a, Contents> {
        Box::pin(self.read(uri, call))
    }
}
