//! What a server lists, read once for each connection and again when it says that a list has changed.

use std::time::Duration;

use serde::de::DeserializeOwned;
use toolpost_client::{ClientError, McpClient, RequestOptions, ServerProfile};
use toolpost_dispatch::Catalog;
use toolpost_json::{Frame, Limits};
use toolpost_protocol::model::{Prompt, Resource, ResourceTemplate};
use toolpost_tool::{AnyTool, Call, Output, Tool, ToolError, ToolSpec};

use crate::clean::{clean, is_hidden, line};
use crate::declared::{Declared, RefusedTool};

/// How many tools, prompts, resources and templates are kept, of each kind.
const ITEMS_MAX: usize = 1_024;
/// The longest text of a prompt or a resource, in bytes.
const TEXT_MAX: usize = 4 << 10;
/// The longest name and URI, in bytes.
const NAME_MAX: usize = 256;
const URI_MAX: usize = 8 << 10;
/// The longest reason, in bytes.
const REASON_MAX: usize = 300;

/// What a server offers.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    pub(crate) tools: Vec<Declared>,
    pub(crate) refused: Vec<RefusedTool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) templates: Vec<ResourceTemplate>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) completes: bool,
    /// Lists that could not be read, and why. Those of tools have to be.
    pub(crate) faults: Vec<String>,
}

impl Lists {
    /// Reads all lists that the server has. One that cannot be read stays as it was `before`, but for that of the tools.
    pub(crate) async fn of(
        client: &McpClient,
        profile: &ServerProfile,
        limit: Duration,
        before: &Self,
    ) -> Result<Self, ClientError> {
        let options = || RequestOptions::new().time_limit(limit);
        let has = &profile.capabilities;
        let mut lists = Self { completes: has.completions.is_some(), ..Self::default() };
        if has.tools.is_some() {
            for (n, tool) in client.list_tools(options()).await?.into_iter().enumerate() {
                match offered(&tool, n) {
                    Ok(tool) if lists.tools.iter().any(|other| other.spec.name() == tool.spec.name()) => {
                        let name = tool.spec.name().to_owned();
                        lists.refused.push(RefusedTool { name, reason: "two tools have this name".into() });
                    }
                    Ok(tool) => lists.tools.push(tool),
                    Err(refused) => lists.refused.push(refused),
                }
                // Compiling a thousand schemas is no reason to keep others waiting.
                tokio::task::yield_now().await;
            }
        }
        if has.prompts.is_some() {
            let prompts = client.list_prompts(options()).await;
            lists.prompts = lists.items("prompts", prompts, &before.prompts, |prompt: &mut Prompt| {
                shorten(&mut prompt.title, &mut prompt.description);
                is_name(&prompt.name, NAME_MAX)
            });
        }
        if has.resources.is_some() {
            let resources = client.list_resources(options()).await;
            lists.resources =
                lists.items("resources", resources, &before.resources, |resource: &mut Resource| {
                    shorten(&mut resource.title, &mut resource.description);
                    is_name(&resource.uri, URI_MAX) && resource.name.len() <= NAME_MAX
                });
            let templates = client.list_resource_templates(options()).await;
            lists.templates = lists.items(
                "resource templates",
                templates,
                &before.templates,
                |template: &mut ResourceTemplate| {
                    shorten(&mut template.title, &mut template.description);
                    is_name(&template.uri_template, URI_MAX) && template.name.len() <= NAME_MAX
                },
            );
        }
        Ok(lists)
    }

    /// The items of one list that can be offered.
    fn items<T: Clone + DeserializeOwned>(
        &mut self,
        what: &str,
        listed: Result<Vec<bytestring::ByteString>, ClientError>,
        before: &[T],
        keep: impl Fn(&mut T) -> bool,
    ) -> Vec<T> {
        let listed = match listed {
            Ok(listed) => listed,
            // Said to be there, and not: so it is empty.
            Err(ClientError::Refused(error)) if error.code() == toolpost_protocol::Code::METHOD_NOT_FOUND => {
                return Vec::new();
            }
            Err(error) => {
                self.faults.push(format!(
                    "the list of {what} could not be read: {}",
                    line(&error.to_string(), REASON_MAX)
                ));
                return before.to_vec();
            }
        };
        let all = listed.len();
        let read = listed.into_iter().take(ITEMS_MAX).filter_map(|item| {
            let mut item: T = serde_json::from_str(&item).ok()?;
            keep(&mut item).then_some(item)
        });
        let read: Vec<T> = read.collect();
        if read.len() < all {
            self.faults.push(format!(
                "{} of {all} {what} are malformed, or too many, and left out",
                all - read.len()
            ));
        }
        read
    }
}

/// A listed tool, if it can be offered: among the first 1,024, read, and with schemas that compile.
fn offered(tool: &bytestring::ByteString, n: usize) -> Result<Declared, RefusedTool> {
    let frame = Frame::from_text(tool.clone(), &Limits::new());
    let frame =
        frame.map_err(|violation| RefusedTool { name: String::new(), reason: violation.to_string() })?;
    let declared = Declared::read(frame.root())?;
    let refused = |reason: String| RefusedTool { name: declared.spec.name().to_owned(), reason };
    if ITEMS_MAX <= n {
        return Err(refused(format!("it is one of more than {ITEMS_MAX} tools")));
    }
    match Catalog::new([AnyTool::new(Specified(declared.spec.clone()))]) {
        Ok(_) => Ok(declared),
        Err(error) => Err(refused(line(&error.to_string(), REASON_MAX))),
    }
}

/// A tool that is looked at and never called.
struct Specified(ToolSpec);

impl Tool for Specified {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _: Call) -> Result<Output, ToolError> {
        Err(ToolError::new("this tool is only looked at"))
    }
}

fn is_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && !name.contains(|c: char| is_hidden(c) || c.is_whitespace() && c != ' ')
}

fn shorten(title: &mut Option<String>, description: &mut Option<String>) {
    for (text, longest) in [(title, NAME_MAX), (description, TEXT_MAX)] {
        if let Some(text) = text {
            *text = clean(text, longest).into_owned();
        }
    }
}
