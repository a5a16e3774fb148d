//! What is offered besides tools meets the same authorization, isolation and drain.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::time::Duration;

use toolpost_dispatch::{Access, Completing, Decision, Dispatcher, PromptSet, Registry, ResourceSet, Target};
use toolpost_protocol::Code;
use toolpost_protocol::model::{CompletionArgument, CompletionReference, GetPromptResult, Prompt, Resource};
use toolpost_tool::{CallParts, ErrorKind, Principal, Refusal};

fn dispatcher() -> Dispatcher {
    let resources = ResourceSet::new()
        .text(Resource::new("test://b", "b"), "bee")
        .text(Resource::new("test://a", "a"), "ay")
        .resource(Resource::new("test://boom", "boom"), |_| async { panic!("secret") })
        .text(Resource::new("test://private", "private"), "secret")
        .text(Resource::new("test://hidden", "hidden"), "secret");
    let prompts = PromptSet::new()
        .prompt(Prompt::new("hello"), |_, _| async { Ok(GetPromptResult::new(vec![])) })
        .prompt(Prompt::new("hidden"), |_, _| async { Ok(GetPromptResult::new(vec![])) });
    let completions = async |completing: Completing| Ok(vec![format!("{}!", completing.argument.value)]);
    Dispatcher::builder(Registry::builder().build().unwrap())
        .authorize(|access: &Access<'_>| match access.target {
            Target::Resource("test://private") => Decision::Deny("private".into()),
            Target::Resource("test://hidden") | Target::Prompt("hidden") => Decision::Hide,
            _ => Decision::Allow,
        })
        .resources(resources)
        .prompts(prompts)
        .completions(completions)
        .build()
}

#[tokio::test]
async fn resources_are_listed_in_order_and_read_by_those_who_may() {
    let all = dispatcher();
    let uris: Vec<String> = all.resources(&Principal::anonymous()).into_iter().map(|r| r.uri).collect();
    assert_eq!(uris, ["test://a", "test://b", "test://boom"]);
    let read = |uri: &'static str| all.read_resource(uri.into(), CallParts::default(), None);
    assert_eq!(read("test://a").await.unwrap().len(), 1);
    let denied = read("test://private").await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Refused(Refusal::Denied), "what is not listed cannot be read");
    let unknown = read("test://nowhere").await.unwrap_err();
    let error = unknown.as_protocol().unwrap();
    assert_eq!(error.code(), Code::INVALID_PARAMS);
    assert_eq!(error.data().unwrap().get(), r#"{"uri":"test://nowhere"}"#);
    assert_eq!(read("test://boom").await.unwrap_err().kind(), ErrorKind::Panicked);
    assert_eq!(all.running(), 0);
}

#[tokio::test]
async fn prompts_and_completions_answer() {
    let all = dispatcher();
    let get = |name: &'static str| all.prompt(name.into(), Default::default(), CallParts::default(), None);
    assert!(get("hello").await.is_ok());
    assert!(get("bye").await.unwrap_err().to_string().starts_with("unknown prompt `bye`"));
    let argument = CompletionArgument::new("name", "Ad");
    let completing = Completing::new(CompletionReference::prompt("hello"), argument, Principal::anonymous());
    assert_eq!(all.complete(completing, None).await.unwrap(), ["Ad!"]);
}

#[tokio::test]
async fn what_is_hidden_answers_as_what_is_not_there() {
    let all = dispatcher();
    let read = |uri: &'static str| all.read_resource(uri.into(), CallParts::default(), None);
    let (hidden, unknown) =
        (read("test://hidden").await.unwrap_err(), read("test://nohere").await.unwrap_err());
    let (hidden, unknown) = (hidden.as_protocol().unwrap(), unknown.as_protocol().unwrap());
    assert_eq!((hidden.code(), hidden.message()), (unknown.code(), unknown.message()));
    assert_eq!(hidden.data().unwrap().get(), r#"{"uri":"test://hidden"}"#);

    let get = |name: &'static str| all.prompt(name.into(), Default::default(), CallParts::default(), None);
    let (hidden, unknown) = (get("hidden").await.unwrap_err(), get("absent").await.unwrap_err());
    assert_eq!(hidden.to_string(), unknown.to_string().replace("absent", "hidden"));
    assert!(hidden.as_protocol().is_some());
    assert!(all.prompts(&Principal::anonymous()).iter().all(|prompt| prompt.name != "hidden"));

    // Whoever may not know of it may ask to hear of it, as of what is not there.
    let watches = |uri: &str| all.may_watch(&Principal::anonymous(), uri);
    assert_eq!(
        [watches("test://hidden"), watches("test://nohere"), watches("test://private")],
        [true, true, false]
    );
    assert!(!all.may_read(&Principal::anonymous(), "test://hidden"), "and is told nothing");

    let argument = CompletionArgument::new("name", "Ad");
    let completing = Completing::new(CompletionReference::prompt("hidden"), argument, Principal::anonymous());
    assert!(all.complete(completing, None).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drained_dispatcher_reads_nothing_more() {
    let all = dispatcher();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    assert_eq!(all.drain(deadline.into_std()).await, 0);
    let refused = all.read_resource("test://a".into(), CallParts::default(), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused(Refusal::Draining));
}
