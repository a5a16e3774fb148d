//! rmcp's client over a toolpost server: what it is asked to do, each check one JSON line. The checks are those of
//! `checks.mjs`, whose words they share.

mod client;

use std::io::Write as _;
use std::process::exit;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::*;
use rmcp::service::PeerRequestOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{sleep, timeout};

use client::{Client, Failure, Offers, connect, filled, json_of};

type Done = Result<(), Failure>;

const TOOLS: &str = include_str!("../../tools.json");

#[tokio::main]
async fn main() {
    let config: Value =
        std::env::args().nth(1).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let wanted: Value = serde_json::from_str(TOOLS).unwrap_or_default();
    let modern = config["era"] == "modern";
    let mut held = None;
    check("connect", async {
        let client = connect(&config["fixture"], modern, Offers::Answers).await?;
        let info = json_of(&client.peer_info());
        must(info["serverInfo"]["name"] == "toolpost-conformance", &info)?;
        must(info["instructions"].as_str().is_some_and(|text| text.contains("fixture")), &info)?;
        held = Some(client);
        Ok(())
    })
    .await;
    let Some(client) = held else { exit(0) };
    show(&json!({ "revision": json_of(&client.peer_info())["protocolVersion"] }));
    let c = &client;

    if !modern {
        check("ping", async {
            let answer = c.send_request(ClientRequest::PingRequest(PingRequest::default())).await?;
            must(matches!(answer, ServerResult::EmptyResult(_)), &answer)
        })
        .await;
    }
    check("tools", every_tool(c, &wanted["fixture"], false)).await;
    check("questions", every_tool(c, &wanted["fixture"], true)).await;
    check("declined", declined(c)).await;
    check("undeclared", undeclared(&config["fixture"], modern)).await;
    check("refusals", refusals(c)).await;
    check("concurrent", concurrent(c)).await;
    check("progress", progress(c)).await;
    check("logging", logging(c, modern)).await;
    check("cancel", cancel(c)).await;
    check("resources", resources(c)).await;
    check("subscribe", subscribe(c, modern)).await;
    check("list changed", list_changed(c, modern)).await;
    check("prompts", prompts(c)).await;
    check("completion", async {
        let values = c.complete_prompt_simple("test_prompt_with_arguments", "arg1", "part").await?;
        must(values == ["party"], &values)
    })
    .await;
    if modern {
        check("tasks", tasks(&config["fixture"])).await;
    }
    if config["cut"] == true {
        check("resumed stream", resumed(c)).await;
    }
    check("close", async { client.cancel().await.map(drop).map_err(Into::into) }).await;

    let mut bench = None;
    check("workbench", async {
        let client = bench.insert(connect(&config["workbench"], modern, Offers::Answers).await?);
        every_tool(client, &wanted["workbench"], false).await?;
        refused(call(client, "read_file", json!({ "path": "../outside" })).await, "..")
    })
    .await;
    if let Some(bench) = bench {
        if config["restart"] == true {
            check("restart", restarted(&bench)).await;
        }
        check("close workbench", async { bench.cancel().await.map(drop).map_err(Into::into) }).await;
    }
    exit(0);
}

/// Calls that outlive their requests: one that ends well, one that fails, one that asks, one that is cancelled.
async fn tasks(server: &Value) -> Done {
    let client = connect(server, true, Offers::Tasks).await?;
    let sum = json!({ "seconds": 1, "label": "the sum" });
    let done = task(&client, "slow_compute", sum, false).await?;
    must(text(&done["result"]) == "the sum computed in 1 s", &done)?;
    let failed = task(&client, "failing_job", json!({}), false).await?;
    must(text(&failed["result"]).contains("intentionally fails"), &failed)?;
    let asked = task(&client, "confirm_delete", json!({ "filename": "a.txt" }), false).await?;
    must(text(&asked["result"]) == "deleted a.txt", &asked)?;
    let cancelled = task(&client, "slow_compute", json!({ "seconds": 60 }), true).await?;
    must(cancelled["status"] == "cancelled", &cancelled)?;
    client.cancel().await?;
    Ok(())
}

/// How a call ended that became a task.
async fn task(client: &Client, name: &'static str, arguments: Value, cancels: bool) -> Result<Value, Failure> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let params = CallToolRequestParams::new(name).with_arguments(arguments);
    let CallToolResponse::Task(made) = client.call_tool_once(params).await? else {
        return Err(format!("{name} became no task").into());
    };
    let id = json_of(&made)["taskId"].as_str().unwrap_or_default().to_owned();
    if cancels {
        client.cancel_task(CancelTaskParams::new(id.clone())).await?;
    }
    loop {
        let state = json_of(&client.get_task(GetTaskParams::new(id.clone())).await?);
        match state["status"].as_str() {
            Some("working") => sleep(Duration::from_millis(50)).await,
            Some("input_required") => {
                let asked = state["inputRequests"].as_object().into_iter().flatten();
                let answer = |question: &Value| {
                    json!({ "action": "accept", "content": filled(&question["params"]["requestedSchema"]) })
                };
                let answers: Value = asked.map(|(name, question)| (name.clone(), answer(question))).collect();
                let update = json!({ "taskId": id, "inputResponses": answers });
                client.update_task(serde_json::from_value(update)?).await?;
            }
            _ => return Ok(state),
        }
    }
}

async fn declined(client: &Client) -> Done {
    *client.service().declines.lock().expect("no check panics") = true;
    let said = call(client, "test_elicitation", json!({ "message": "?" })).await;
    *client.service().declines.lock().expect("no check panics") = false;
    let said = text(&said?);
    must(said.contains("\"decline\""), &said)
}

async fn undeclared(server: &Value, modern: bool) -> Done {
    let mute = connect(server, modern, Offers::Nothing).await?;
    let refusal = refused(call(&mute, "test_missing_capability", json!({})).await, "sampling");
    let after = call(&mute, "about", json!({})).await;
    mute.cancel().await?;
    refusal?;
    must(text(&after?).contains("conformance"), &"no answer after that")
}

async fn refusals(client: &Client) -> Done {
    refused(call(client, "no_such_tool", json!({})).await, "no_such_tool")?;
    refused(call(client, "test_sampling", json!({ "prompt": 7 })).await, "prompt")?;
    refused(read(client, "test://no-such-resource").await, "no resource")?;
    refused(prompt(client, "no_such_prompt", json!({})).await, "no_such_prompt")
}

async fn concurrent(client: &Client) -> Done {
    let calls: Vec<_> = (0..32)
        .map(|n| {
            let peer = client.peer().clone();
            let value = format!("call {n}");
            let arguments = json!({ "value": value }).as_object().cloned().unwrap_or_default();
            let params = CallToolRequestParams::new("test_custom_header").with_arguments(arguments);
            tokio::spawn(async move { (value, peer.call_tool(params).await) })
        })
        .collect();
    for call in calls {
        let (value, result) = call.await?;
        let said = text(&json_of(&result?));
        must(said == value, &format!("{value} got {said}"))?;
    }
    Ok(())
}

async fn progress(client: &Client) -> Done {
    client.service().forget();
    call(client, "test_tool_with_progress", json!({})).await?;
    until("three steps", async || Ok(client.service().of("progress").len() == 3)).await?;
    let heard = client.service().of("progress");
    let steps: Vec<_> = heard.iter().map(|step| step["progress"].as_f64()).collect();
    must(steps == [Some(0.0), Some(50.0), Some(100.0)], &heard)?;
    must(heard.iter().all(|step| step["total"] == 100.0 && step["message"].is_string()), &heard)
}

async fn logging(client: &Client, modern: bool) -> Done {
    client.service().forget();
    for level in [LoggingLevel::Info, LoggingLevel::Error] {
        let mut params = CallToolRequestParams::new("test_tool_with_logging");
        if modern {
            let mut meta = RequestMetaObject::new();
            meta.set_log_level(level);
            params.meta = Some(meta);
        } else {
            client.set_level(SetLevelRequestParams::new(level)).await?;
        }
        client.call_tool(params).await?;
        sleep(Duration::from_millis(200)).await;
        let heard = client.service().of("log");
        must(heard.len() == 3, &heard)?;
    }
    Ok(())
}

async fn cancel(client: &Client) -> Done {
    client.service().forget();
    let request =
        ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new("test_wait")));
    let handle = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
    client.service().hear("progress").await;
    let said = text(&call(client, "test_waits", json!({})).await?);
    must(said == "running 1, cancelled 0", &said)?;
    handle.cancel(Some("no longer wanted".into())).await?;
    until("cancelled", async || {
        Ok(text(&call(client, "test_waits", json!({})).await?) == "running 0, cancelled 1")
    })
    .await
}

async fn resources(client: &Client) -> Done {
    let all = client.list_all_resources().await?;
    must(all.len() == 3, &all)?;
    must(client.list_resources(None).await?.next_cursor.is_some(), &"one page")?;
    let text = read(client, "test://static-text").await?;
    must(text["contents"][0]["text"] == "This is the content of the static text resource.", &text)?;
    let blob = read(client, "test://static-binary").await?;
    let bytes = STANDARD.decode(blob["contents"][0]["blob"].as_str().unwrap_or_default())?;
    must(bytes.get(1..4) == Some(b"PNG"), &blob)?;
    let templates = json_of(&client.list_all_resource_templates().await?);
    must(templates[0]["uriTemplate"] == "test://template/{id}/data", &templates)?;
    let made = read(client, "test://template/77/data").await?;
    let data: Value = serde_json::from_str(made["contents"][0]["text"].as_str().unwrap_or_default())?;
    must(data["id"] == "77", &made)
}

async fn subscribe(client: &Client, modern: bool) -> Done {
    const URI: &str = "test://watched-resource";
    client.service().forget();
    if modern {
        let filter = SubscriptionFilter::builder().resource_subscription(URI).build();
        let mut subscription = client.listen(filter).await?;
        call(client, "test_trigger_resource_update", json!({})).await?;
        let told = json_of(&timeout(Duration::from_secs(5), subscription.next()).await??);
        must(told["params"]["uri"] == URI, &told)?;
        return Ok(subscription.cancel().await?);
    }
    client.subscribe(SubscribeRequestParams::new(URI)).await?;
    call(client, "test_trigger_resource_update", json!({})).await?;
    until("updated", async || Ok(client.service().of("updated").iter().any(|told| told["uri"] == URI)))
        .await?;
    client.unsubscribe(UnsubscribeRequestParams::new(URI)).await?;
    client.service().forget();
    call(client, "test_trigger_resource_update", json!({})).await?;
    sleep(Duration::from_millis(200)).await;
    must(client.service().of("updated").is_empty(), &"heard after unsubscribing")
}

async fn list_changed(client: &Client, modern: bool) -> Done {
    client.service().forget();
    let triggers = [("test_trigger_tool_change", "tools"), ("test_trigger_prompt_change", "prompts")];
    if modern {
        let filter = SubscriptionFilter::builder().tools_list_changed().prompts_list_changed().build();
        let mut subscription = client.listen(filter).await?;
        for (trigger, kind) in triggers {
            call(client, trigger, json!({})).await?;
            let told = json_of(&timeout(Duration::from_secs(5), subscription.next()).await??);
            must(told["method"] == format!("notifications/{kind}/list_changed"), &told)?;
        }
        return Ok(subscription.cancel().await?);
    }
    for (trigger, kind) in triggers {
        call(client, trigger, json!({})).await?;
        until(kind, async || Ok(!client.service().of(kind).is_empty())).await?;
    }
    Ok(())
}

async fn prompts(client: &Client) -> Done {
    let all = client.list_all_prompts().await?;
    must(all.len() == 5, &all)?;
    must(client.list_prompts(None).await?.next_cursor.is_some(), &"one page")?;
    let simple = prompt(client, "test_simple_prompt", json!({})).await?;
    must(
        simple["messages"][0]["content"]["text"].as_str().is_some_and(|t| t.contains("simple prompt")),
        &simple,
    )?;
    let both = prompt(client, "test_prompt_with_arguments", json!({ "arg1": "a", "arg2": "ß" })).await?;
    must(both["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='a', arg2='ß'", &both)?;
    let resource =
        prompt(client, "test_prompt_with_embedded_resource", json!({ "resourceUri": "test://x" })).await?;
    must(resource["messages"][0]["content"]["resource"]["uri"] == "test://x", &resource)?;
    let image = prompt(client, "test_prompt_with_image", json!({})).await?;
    must(image["messages"][0]["content"]["type"] == "image", &image)?;
    let asked = prompt(client, "test_input_required_result_prompt", json!({})).await?;
    must(asked["messages"][0]["content"]["text"].as_str().is_some_and(|t| t.contains("Ada")), &asked)
}

async fn resumed(client: &Client) -> Done {
    client.service().forget();
    let calling = call(client, "test_while", json!({}));
    tokio::pin!(calling);
    tokio::select! {
        _over = &mut calling => return Err("the call was over before its stream was cut".into()),
        () = async {
            client.service().hear("progress").await;
            ask("cut").await;
        } => {}
    }
    let said = text(&calling.await?);
    must(said == "two seconds", &said)
}

async fn restarted(client: &Client) -> Done {
    let notes =
        async || call(client, "read_file", json!({ "path": "notes.md" })).await.map(|result| text(&result));
    let before = notes().await?;
    ask("restart").await;
    let after = notes().await?;
    must(before == after, &after)?;
    must(client.list_all_tools().await?.len() > 5, &"tools")
}

/// Calls each listed tool that asks its client something, or each that does not, and compares with `tools.json`.
async fn every_tool(client: &Client, wanted: &Value, asked: bool) -> Done {
    let names: Vec<_> = client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
    for (name, row) in wanted.as_object().into_iter().flatten() {
        must(
            names.iter().any(|listed| listed == name) || row["apart"].is_string(),
            &format!("not listed: {name}"),
        )?;
    }
    for (at, name) in names.iter().enumerate() {
        must(!names[..at].contains(name), &format!("listed twice: {name}"))?;
        let row = wanted.get(&**name).ok_or_else(|| format!("no row in tools.json: {name}"))?;
        if row["apart"].is_string() || row["asks"].is_string() != asked {
            continue;
        }
        let result = call(client, name, row.get("arguments").cloned().unwrap_or(json!({}))).await?;
        let wrong = |what: &str| format!("{name}: {what}: {result}");
        let is_error = result["isError"].as_bool().unwrap_or(false);
        must(is_error == row["error"].as_bool().unwrap_or(false), &wrong("error"))?;
        let types: Value =
            result["content"].as_array().into_iter().flatten().map(|part| part["type"].clone()).collect();
        must(row.get("types").is_none_or(|wanted| *wanted == types), &wrong("types"))?;
        let said = text(&result) + &result["structuredContent"].to_string();
        must(row["text"].as_str().is_none_or(|wanted| said.contains(wanted)), &wrong("text"))?;
        must(row["structured"] != true || result["structuredContent"].is_object(), &wrong("not structured"))?;
    }
    Ok(())
}

async fn call(client: &Client, name: &str, arguments: Value) -> Result<Value, Failure> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let params = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
    Ok(json_of(&client.call_tool(params).await?))
}

async fn read(client: &Client, uri: &str) -> Result<Value, Failure> {
    Ok(json_of(&client.read_resource(ReadResourceRequestParams::new(uri)).await?))
}

async fn prompt(client: &Client, name: &str, arguments: Value) -> Result<Value, Failure> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    Ok(json_of(&client.get_prompt(GetPromptRequestParams::new(name).with_arguments(arguments)).await?))
}

fn text(result: &Value) -> String {
    let parts = result["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    parts.collect::<Vec<_>>().join("\n")
}

fn must(holds: bool, why: &(impl std::fmt::Debug + ?Sized)) -> Done {
    if holds { Ok(()) } else { Err(format!("{why:?}").into()) }
}

/// A refusal is an error, or a result that says it is one; either names what is wrong.
fn refused(answer: Result<Value, Failure>, about: &str) -> Done {
    let said = match answer {
        Err(error) => error.to_string(),
        Ok(result) if result["isError"] == true => text(&result),
        Ok(result) => return Err(format!("was answered: {result}").into()),
    };
    must(said.contains(about), &format!("refused, but not about {about}: {said}"))
}

async fn until(what: &str, holds: impl AsyncFn() -> Result<bool, Failure>) -> Done {
    for _ in 0..100 {
        if holds().await? {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("not within 5 s: {what}").into())
}

async fn check(name: &str, run: impl Future<Output = Done>) {
    let start = Instant::now();
    let done =
        timeout(Duration::from_secs(60), run).await.unwrap_or_else(|_| Err("no end within 60 s".into()));
    let ms = start.elapsed().as_millis() as u64;
    let why = done.err().map(|error| error.to_string().chars().take(600).collect::<String>());
    show(&json!({ "check": name, "ok": why.is_none(), "ms": ms, "why": why }));
}

/// Asks the judge to do something to the server, and waits until it has.
async fn ask(what: &str) {
    show(&json!({ "ask": what }));
    let mut line = String::new();
    let _done = BufReader::new(tokio::io::stdin()).read_line(&mut line).await;
}

fn show(line: &Value) {
    println!("{line}");
    let _flushed = std::io::stdout().flush();
}
