//! Functions as tools: their errors, their state, and the questions that they ask.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use toolpost_json::Frame;
use toolpost_tool::{
    Call, CallParts, Elicited, ErrorKind, InputCapabilities, Json, NoArgs, Output, Refusal, Tool, ToolError,
    fallible_fn, tool_fn, tool_with,
};

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

fn refused() -> ToolError {
    ToolError::refused(Refusal::RateLimited, "too often", Some(Duration::from_secs(3)))
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the spindle is broken")
    }
}

impl Error for Broken {}

type Boxed = Box<dyn Error + Send + Sync>;

#[tokio::test]
async fn the_error_of_a_call_is_carried_by_the_question_mark_of_a_main() {
    async fn main() -> Result<(), Box<dyn Error>> {
        let tool = tool_fn("t", |_: NoArgs, _| async { Err::<String, _>(refused()) });
        tool.call(call()).await?;
        Ok(())
    }
    async fn sendable() -> Result<(), Boxed> {
        Err(refused())?
    }
    assert_eq!(main().await.unwrap_err().to_string(), "too often");
    let back = ToolError::from_boxed(sendable().await.unwrap_err());
    assert_eq!((back.kind(), back.retry_after()), (refused().kind(), Some(Duration::from_secs(3))));
    let back: ToolError = refused().into_std().into();
    assert_eq!(back.kind(), refused().kind(), "there and back, it is what it was");
}

#[tokio::test]
async fn a_function_may_end_in_any_error() {
    async fn own(_: NoArgs, _: Call) -> Result<String, Broken> {
        Err(Broken)
    }
    async fn boxed(_: NoArgs, _: Call) -> Result<String, Boxed> {
        let _port: u16 = "x".parse()?;
        Ok("never".into())
    }
    async fn boxed_refusal(_: NoArgs, _: Call) -> Result<String, Boxed> {
        Err(refused())?
    }
    async fn ours(_: NoArgs, _: Call) -> Result<String, ToolError> {
        Err(refused())
    }
    let ended = |result: Result<Output, ToolError>| {
        let error = result.unwrap_err();
        (error.kind(), error.to_string(), error.source().map(ToString::to_string))
    };
    let own = ended(fallible_fn("own", own).call(call()).await);
    let text = Broken.to_string();
    assert_eq!(own, (ErrorKind::Failed, text.clone(), Some(text)));
    let boxed = ended(fallible_fn("boxed", boxed).call(call()).await);
    assert_eq!(boxed.1, "invalid digit found in string");
    for ours in [
        ended(fallible_fn("ours", ours).call(call()).await),
        ended(fallible_fn("boxed_refusal", boxed_refusal).call(call()).await),
    ] {
        assert_eq!(ours, (refused().kind(), "too often".into(), None));
    }
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn anyhow_is_carried_both_ways() {
    use anyhow::Context as _;

    async fn tool(_: NoArgs, _: Call) -> anyhow::Result<String> {
        Err(Broken).context("cannot turn")
    }
    async fn inner(_: NoArgs, _: Call) -> anyhow::Result<String> {
        let refused: Result<String, ToolError> = Err(refused());
        refused.map_err(anyhow::Error::from).context("the other tool")
    }
    async fn main() -> anyhow::Result<()> {
        let output = tool_fn("t", |_: NoArgs, _| async { Err::<String, _>(refused()) }).call(call()).await?;
        drop(output);
        Ok(())
    }
    async fn in_a_tool(_: NoArgs, _: Call) -> Result<String, ToolError> {
        Err(anyhow::anyhow!("no oil")).map_err(ToolError::from_anyhow)?
    }
    let error = fallible_fn("t", tool).call(call()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot turn");
    assert!(format!("{error:?}").contains("the spindle is broken"), "causes stay: {error:?}");
    let error = fallible_fn("t", inner).call(call()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (refused().kind(), "the other tool".into()));
    assert_eq!(ToolError::from_anyhow(main().await.unwrap_err()).kind(), refused().kind());
    assert_eq!(tool_fn("t", in_a_tool).call(call()).await.unwrap_err().to_string(), "no oil");
}

#[tokio::test]
async fn state_is_shared_without_a_capture() {
    struct Shop(Vec<&'static str>);
    async fn list(shop: Arc<Shop>, _: NoArgs, _: Call) -> Result<Json<Vec<String>>, ToolError> {
        Ok(Json(shop.0.iter().map(ToString::to_string).collect()))
    }
    let shop = Arc::new(Shop(vec!["chuck", "tailstock"]));
    let tool = tool_with("list_parts", Arc::clone(&shop), list).with_spec(|spec| spec.read_only());
    assert_eq!(tool.call(call()).await.unwrap().structured(), Some(r#"["chuck","tailstock"]"#));
    let closure = tool_with("first", shop, |shop, _: NoArgs, _| async move { Ok::<_, ToolError>(shop.0[0]) });
    assert_eq!(closure.call(call()).await.unwrap().as_text(), Some("chuck"));
}

#[test]
fn a_wrong_name_is_blamed_on_the_line_that_has_it() {
    static SEEN: std::sync::Mutex<Option<String>> = std::sync::Mutex::new(None);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        *SEEN.lock().unwrap() = info.location().map(|at| at.file().to_owned());
    }));
    let made = std::panic::catch_unwind(|| tool_fn("no spaces", |_: NoArgs, _| async { Ok("x") }));
    std::panic::set_hook(before);
    assert!(made.is_err());
    assert_eq!(SEEN.lock().unwrap().as_deref(), Some(file!()));
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema, PartialEq)]
struct Order {
    /// How many?
    #[schemars(range(min = 1, max = 9))]
    count: u32,
    gift: bool,
    note: Option<String>,
    finish: Finish,
    colors: Option<Vec<Color>>,
    #[serde(default)]
    price: f64,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Finish {
    /// As it comes from the lathe.
    Raw,
    Polished,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema, PartialEq)]
enum Color {
    Red,
    Blue,
}

fn answered(answer: Option<serde_json::Value>) -> Call {
    let mut parts = CallParts::default();
    parts.client = InputCapabilities::default();
    parts.client.elicitation = true;
    let answers = answer.map(|answer| serde_json::json!({ "order": answer }));
    parts.set_answers(answers.map(|answers| Arc::new(Frame::from_serialize(&answers).unwrap())));
    Call::from_parts(parts)
}

#[test]
fn a_form_comes_from_its_type() {
    let error = answered(None).elicit::<Order>("order", "What?").unwrap_err();
    let asked = error.as_input_required().unwrap().requests()["order"].params().unwrap().to_owned();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(asked["message"], "What?");
    let expected = serde_json::json!({
        "type": "object",
        "properties": {
            "count": { "type": "integer", "minimum": 1, "maximum": 9, "description": "How many?" },
            "gift": { "type": "boolean" },
            "note": { "type": "string" },
            "finish": { "type": "string", "enum": ["polished", "raw"],
                "enumNames": ["polished", "As it comes from the lathe."] },
            "colors": { "type": "array", "items": { "type": "string", "enum": ["Red", "Blue"] } },
            "price": { "type": "number", "default": 0.0 },
        },
        "required": ["count", "gift", "finish"],
    });
    assert_eq!(asked["requestedSchema"], expected);
}

#[test]
fn an_answer_is_what_a_person_made_of_the_form() {
    let ask = |answer| answered(Some(answer)).elicit::<Order>("order", "What?");
    let content = serde_json::json!({ "count": 2, "gift": true, "finish": "raw" });
    let accepted = ask(serde_json::json!({ "action": "accept", "content": content })).unwrap().accepted();
    let order = Order { count: 2, gift: true, note: None, finish: Finish::Raw, colors: None, price: 0.0 };
    assert_eq!(accepted, Some(order));
    assert_eq!(ask(serde_json::json!({ "action": "decline" })).unwrap(), Elicited::Declined);
    assert_eq!(ask(serde_json::json!({ "action": "cancel" })).unwrap(), Elicited::Cancelled);
    let unfit = ask(serde_json::json!({ "action": "accept", "content": { "count": "two" } })).unwrap_err();
    assert_eq!(unfit.kind(), ErrorKind::InvalidArguments);
    assert!(unfit.to_string().contains("under `order` does not fit: count: invalid type"), "{unfit}");
    // What is no answer at all is asked for again.
    let again = ask(serde_json::json!({ "action": "accept" })).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InputRequired);
}

#[test]
fn what_is_no_form_says_which_member_is_to_blame() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "its schema is looked at")]
    struct Nested {
        order: Order,
    }
    let error = answered(None).elicit::<Nested>("order", "What?").map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().starts_with("`Nested` is no form: `order` is none of its fields;"), "{error}");
    let error = answered(None).elicit::<u32>("order", "What?").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("it has no named members"), "{error}");
}

#[test]
fn sampled_text_is_read_from_one_block_or_several() {
    let ask = |content: serde_json::Value| {
        let mut parts = CallParts::default();
        parts.client.sampling = true;
        let answers =
            serde_json::json!({ "order": { "role": "assistant", "content": content, "model": "m" } });
        parts.set_answers(Some(Arc::new(Frame::from_serialize(&answers).unwrap())));
        Call::from_parts(parts).sample("order", "What?", 100)
    };
    let block = serde_json::json!({ "type": "text", "text": "Paris" });
    assert_eq!(ask(block.clone()).unwrap(), "Paris");
    assert_eq!(ask(serde_json::json!([block, block])).unwrap(), "Paris\nParis");
    assert!(ask(serde_json::json!({ "type": "image" })).is_err());
}
