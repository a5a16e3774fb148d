//! Tools that follow a text.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use seams::source::follow;
use tokio::sync::watch;
use toolpost::Runtime;
use toolpost::tool::{Call, NoArgs, tool_fn};

#[tokio::test]
async fn a_line_that_comes_is_a_tool_that_comes() {
    let own = tool_fn("own", |_: NoArgs, _: Call| async { Ok("here from the start") });
    let runtime = Runtime::builder().tool(own).build().unwrap();
    let (text, seen) = watch::channel("hello: world\nnot a line".to_owned());
    let mut refused = Vec::new();
    {
        let mut following = pin!(follow(runtime.source("text"), seen, |error| refused.push(error)));
        let mut edit = async |to: Option<&str>| {
            if let Some(to) = to {
                text.send_replace(to.to_owned());
            }
            let followed = poll_fn(|cx| Poll::Ready(following.as_mut().poll(cx))).await;
            assert!(followed.is_pending());
            let catalog = runtime.dispatcher().catalog();
            catalog.iter().map(|entry| entry.spec().name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(edit(None).await, ["hello", "own"]);
        assert_eq!(runtime.call("hello", &NoArgs {}).await.unwrap().as_text(), Some("world"));
        assert_eq!(edit(Some("hello: you\nbye: now")).await, ["bye", "hello", "own"]);
        assert_eq!(runtime.call("hello", &NoArgs {}).await.unwrap().as_text(), Some("you"));
        assert_eq!(edit(Some("own: mine")).await, ["bye", "hello", "own"], "it is not the source's");
        drop(text);
        following.await.unwrap();
    }
    let fault = "the name `own` is claimed by the tools of the runtime itself and by source `text`";
    assert_eq!(refused.iter().map(ToString::to_string).collect::<Vec<_>>(), [fault]);
    assert_eq!(runtime.dispatcher().catalog().len(), 1);
}
