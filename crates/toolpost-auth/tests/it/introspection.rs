//! Tokens that their server is asked about.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, whose clock is paused")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use toolpost_auth::Introspection;
use toolpost_server::Unauthenticated;
use toolpost_tool::Principal;

use crate::common::{Answer, ISSUER, NOW, RESOURCE, Server, TestClock, claims, invalid, is_unavailable};

const URL: &str = "https://login.example.com/introspect";

fn active() -> Value {
    let mut answer = claims();
    answer["active"] = json!(true);
    answer
}

fn answering(answer: &Value) -> Server {
    Server::new(Answer::Body(answer.to_string()))
}

fn asks(server: &Server) -> Introspection {
    Introspection::new(URL, RESOURCE, server.clone()).unwrap().clock(TestClock::new().read())
}

/// Whom a token lets in of which its server says this.
async fn said(name: &str, value: Value) -> Result<Principal, Unauthenticated> {
    let mut answer = active();
    answer[name] = value;
    asks(&answering(&answer)).issuer(ISSUER).verify("t").await
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_its_server_calls_active_lets_its_bearer_in() {
    let server = answering(&active());
    let principal = asks(&server).credentials("mcp server", "p%ss:wörd").verify("t+/=.~").await.unwrap();
    assert_eq!((principal.as_str(), principal.scopes().collect::<Vec<_>>()), ("ada", vec!["a", "b"]));
    let request = server.request();
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", URL.to_owned()));
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    // base64 of `mcp%20server:p%25ss%3Aw%C3%B6rd`
    assert_eq!(request.headers()["authorization"], "Basic bWNwJTIwc2VydmVyOnAlMjVzcyUzQXclQzMlQjZyZA==");
    assert_eq!(request.body(), "token=t%2B%2F%3D.%7E&token_type_hint=access_token");
    let _ = asks(&server).token("own").verify("t").await;
    assert_eq!(server.request().headers()["authorization"], "Bearer own");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_of_a_token_is_checked() {
    let wrong = Err(invalid("the token is for another resource"));
    assert_eq!(said("active", json!(false)).await, Err(invalid("the token is not active")));
    assert_eq!(said("aud", json!("https://other.example.com")).await, wrong);
    assert_eq!(said("aud", json!(null)).await, wrong);
    assert_eq!(said("exp", json!(NOW - 60)).await, Err(invalid("the token has expired")));
    assert_eq!(said("nbf", json!(NOW + 61)).await, Err(invalid("the token is not yet valid")));
    assert_eq!(
        said("iss", json!("https://evil.example.com")).await,
        Err(invalid("the token is of another issuer"))
    );
    assert_eq!(said("sub", json!(null)).await, Err(invalid("the token does not say whom it is for")));
    let bound = Err(invalid("the token is bound to a key, and accepted with a proof alone"));
    assert_eq!(said("token_type", json!("DPoP")).await, bound);
    assert_eq!(said("cnf", json!({"jkt": "x"})).await, bound);
    assert!(said("token_type", json!("bearer")).await.is_ok());
    for silent in ["aud", "iss", "exp"] {
        let mut answer = active();
        answer.as_object_mut().unwrap().remove(silent);
        let verified = asks(&answering(&answer)).issuer(ISSUER).verify("t").await;
        assert_eq!(verified.is_ok(), silent != "aud", "{silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_lets_nobody_in() {
    for answer in [
        Answer::Down,
        Answer::Status(401),
        Answer::Status(500),
        Answer::Panic,
        Answer::Nothing,
        Answer::Body(String::new()),
        Answer::Body("[]".into()),
        Answer::Body("{}".into()),
        Answer::Body(r#"{"active":"true"}"#.into()),
        Answer::Body(r#"{"active":false,"active":true}"#.into()),
        Answer::Body(json!({"active": true, "x": "x".repeat(16 << 10)}).to_string()),
    ] {
        let server = Server::new(answer);
        let asks = asks(&server);
        assert!(is_unavailable(&asks.verify("t").await));
        server.answers(Answer::Body(active().to_string()));
        assert!(asks.verify("t").await.is_ok(), "and nothing of it is remembered");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_remembered_until_the_token_expires_and_a_minute_at_most() {
    let (server, clock) = (answering(&active()), TestClock::new());
    let asks = asks(&server).clock(clock.read()).leeway(Duration::ZERO);
    for _ in 0..100 {
        assert!(asks.verify("t").await.is_ok());
    }
    assert_eq!(server.asked(), 1);
    assert!(asks.verify("other").await.is_ok());
    assert_eq!(server.asked(), 2, "another token is another question");
    server.answers(Answer::Down);
    pass(59).await;
    assert!(asks.verify("t").await.is_ok(), "whoever is remembered is let in while nobody can be asked");
    pass(1).await;
    assert!(is_unavailable(&asks.verify("t").await));
    server.answers(Answer::Body(active().to_string()));
    assert!(asks.verify("t").await.is_ok());
    server.answers(Answer::Body(r#"{"active":false}"#.into()));
    clock.set(NOW + 600);
    assert_eq!(asks.verify("t").await, Err(invalid("the token is not active")));
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_remembered_longer_than_a_day() {
    let server = answering(&json!({ "active": true, "sub": "ada", "aud": RESOURCE }));
    let asks = asks(&server).remember_for(Duration::MAX);
    for (after, asked) in [(0, 1), (86_000, 1), (400, 2)] {
        pass(after).await;
        assert!(asks.verify("t").await.is_ok());
        assert_eq!(server.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_token_is_not_valid_is_remembered_briefly() {
    let server = answering(&json!({"active": false}));
    let asks = asks(&server);
    for _ in 0..100 {
        assert_eq!(asks.verify("t").await, Err(invalid("the token is not active")));
    }
    assert_eq!(server.asked(), 1);
    server.answers(Answer::Body(active().to_string()));
    assert!(asks.verify("t").await.is_err());
    pass(10).await;
    assert!(asks.verify("t").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tokens_that_are_not_valid_forgets_nobody_who_is_known() {
    let server = answering(&active());
    let asks = asks(&server);
    assert!(asks.verify("t").await.is_ok());
    server.answers(Answer::Body(r#"{"active":false}"#.into()));
    for n in 0..5_000 {
        assert!(asks.verify(&format!("guess {n}")).await.is_err());
    }
    let before = server.asked();
    assert!(asks.verify("t").await.is_ok());
    assert_eq!(server.asked(), before);
    assert!(asks.verify("guess 0").await.is_err());
    assert_eq!(server.asked(), before + 1, "of those a bounded number is remembered");
}

#[tokio::test(start_paused = true)]
async fn one_question_is_asked_however_many_wait_for_it() {
    let server = Server::new(Answer::Late(active().to_string()));
    let asks = Arc::new(asks(&server));
    let spawn = || {
        let asks = Arc::clone(&asks);
        tokio::spawn(async move { asks.verify("t").await })
    };
    let first = spawn();
    pass(1).await;
    let others: Vec<_> = (0..50).map(|_| spawn()).collect();
    pass(1).await;
    first.abort();
    pass(1).await;
    assert_eq!((server.asked(), server.ended()), (1, 0), "others wait for it");
    server.release();
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_waits_for_is_dropped() {
    let server = Server::new(Answer::Nothing);
    let asks = asks(&server);
    assert!(tokio::time::timeout(Duration::from_secs(1), asks.verify("t")).await.is_err());
    assert_eq!((server.asked(), server.ended()), (1, 1));
    server.answers(Answer::Body(active().to_string()));
    assert!(asks.verify("t").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn so_many_questions_are_asked_at_once_and_no_more() {
    let server = Server::new(Answer::Nothing);
    let asks = Arc::new(asks(&server).timeout(Duration::from_secs(60)));
    let waiting: Vec<_> = (0..256)
        .map(|n| {
            let asks = Arc::clone(&asks);
            tokio::spawn(async move { asks.verify(&format!("{n}")).await })
        })
        .collect();
    pass(1).await;
    assert!(is_unavailable(&asks.verify("one more").await));
    assert_eq!(server.asked(), 256);
    for waits in waiting {
        assert!(is_unavailable(&waits.await.unwrap()));
    }
    server.answers(Answer::Body(active().to_string()));
    assert!(asks.verify("one more").await.is_ok());
}
