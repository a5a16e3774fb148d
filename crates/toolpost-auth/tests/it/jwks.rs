//! When the keys of an issuer are fetched, and what is done while they cannot be.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, whose clock is paused")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use toolpost_auth::{Jwks, JwtBearer};
use toolpost_server::Unauthenticated;
use toolpost_tool::Principal;

use crate::common::{
    Answer, ISSUER, RESOURCE, Server, Signer, TestClock, claims, invalid, is_unavailable, key_set,
};

const URL: &str = "https://login.example.com/jwks";
const UNKNOWN: &str = "the token is signed by an unknown key";

fn keys(server: &Server) -> Jwks {
    Jwks::new(URL, server.clone()).unwrap()
}

fn bearer(keys: impl Into<Arc<Jwks>>) -> Arc<JwtBearer> {
    Arc::new(JwtBearer::new(ISSUER, RESOURCE, keys).clock(TestClock::new().read()))
}

fn serving(signers: &[&Signer]) -> Server {
    Server::new(Answer::Body(key_set(signers)))
}

async fn verify(bearer: &JwtBearer, signer: &Signer) -> Result<Principal, Unauthenticated> {
    bearer.verify(&signer.token(&claims())).await
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn keys_come_over_https_or_from_this_machine() {
    let signer = Signer::new("k", "EdDSA");
    let taken = |url| Jwks::new(url, serving(&[&signer])).is_ok();
    for good in ["https://a.example/keys", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]:9/x"] {
        assert!(taken(good), "{good}");
    }
    for bad in [
        "http://a.example/keys",
        "http://localhost.a.example/",
        "http://127.0.0.1.a.example/",
        "file:///keys",
        "/keys",
        "https:keys",
        "https://ada:s3cret@a.example/",
        "http://localhost@a.example/",
        "",
    ] {
        assert!(!taken(bad), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_however_many_need_them() {
    let signer = Arc::new(Signer::new("k", "EdDSA"));
    let server = Server::new(Answer::Late(key_set(&[&signer])));
    let bearer = bearer(keys(&server));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let (bearer, signer) = (Arc::clone(&bearer), Arc::clone(&signer));
            tokio::spawn(async move { verify(&bearer, &signer).await })
        })
        .collect();
    pass(1).await;
    server.release();
    for waits in waiting {
        assert!(waits.await.unwrap().is_ok());
    }
    assert_eq!(server.asked(), 1);
    let request = server.request();
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("GET", URL.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn unknown_key_ids_make_it_fetch_once_a_minute_whatever_becomes_of_it() {
    let (signer, other) = (Signer::new("k", "EdDSA"), Signer::new("other", "EdDSA"));
    let server = serving(&[&signer]);
    let bearer = bearer(
        keys(&server).refresh_after(Duration::from_secs(100_000)).keep_for(Duration::from_secs(100_000)),
    );
    assert!(verify(&bearer, &signer).await.is_ok());
    assert_eq!(server.asked(), 1);
    for minute in 0..5 {
        pass(60).await;
        for n in 0..200 {
            let header = json!({"alg": "EdDSA", "kid": format!("{minute}-{n}")}).to_string();
            let token = other.signed(&header, &claims().to_string());
            assert_eq!(bearer.verify(&token).await, Err(invalid(UNKNOWN)));
        }
        assert_eq!(server.asked(), 2 + minute);
        assert!(verify(&bearer, &signer).await.is_ok());
    }
    for answer in
        [Answer::Down, Answer::Status(500), Answer::Nothing, Answer::Panic, Answer::Body("{".into())]
    {
        let before = server.asked();
        server.answers(answer);
        pass(60).await;
        for _ in 0..200 {
            let refused = verify(&bearer, &other).await;
            assert!(is_unavailable(&refused), "it may be a new key, and nobody can say: {refused:?}");
            assert!(verify(&bearer, &signer).await.is_ok(), "known keys are known");
        }
        assert_eq!(server.asked(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_of_the_issuer_is_found_and_an_old_one_forgotten() {
    let (old, new) = (Signer::new("old", "EdDSA"), Signer::new("new", "ES256"));
    let server = serving(&[&old]);
    let bearer = bearer(keys(&server));
    assert!(verify(&bearer, &old).await.is_ok());
    server.answers(Answer::Body(key_set(&[&new])));
    pass(30).await;
    assert_eq!(verify(&bearer, &new).await, Err(invalid(UNKNOWN)), "it has just asked");
    pass(30).await;
    assert!(verify(&bearer, &new).await.is_ok());
    assert_eq!(verify(&bearer, &old).await, Err(invalid(UNKNOWN)));
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_in_the_background() {
    let signer = Signer::new("k", "EdDSA");
    let server = serving(&[&signer]);
    let bearer = bearer(keys(&server));
    assert!(verify(&bearer, &signer).await.is_ok());
    pass(599).await;
    assert!(verify(&bearer, &signer).await.is_ok());
    assert_eq!(server.asked(), 1);
    server.answers(Answer::Nothing);
    pass(1).await;
    for _ in 0..100 {
        let start = tokio::time::Instant::now();
        assert!(verify(&bearer, &signer).await.is_ok());
        assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for it");
    }
    pass(1).await;
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_down_at_the_start_let_nobody_in_until_they_are_there() {
    let signer = Signer::new("k", "EdDSA");
    for down in [Answer::Down, Answer::Status(503), Answer::Status(302), Answer::Panic, Answer::Nothing] {
        let server = Server::new(down);
        let bearer = bearer(keys(&server));
        for _ in 0..100 {
            assert!(is_unavailable(&verify(&bearer, &signer).await));
        }
        assert_eq!(server.asked(), 1);
        server.answers(Answer::Body(key_set(&[&signer])));
        assert!(is_unavailable(&verify(&bearer, &signer).await));
        pass(5).await;
        assert!(verify(&bearer, &signer).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_down_later_leave_those_that_are_known_for_an_hour() {
    let signer = Signer::new("k", "EdDSA");
    let server = serving(&[&signer]);
    let bearer = bearer(keys(&server));
    assert!(verify(&bearer, &signer).await.is_ok());
    server.answers(Answer::Down);
    for _ in 0..59 {
        pass(60).await;
        assert!(verify(&bearer, &signer).await.is_ok());
    }
    assert!((40..=60).contains(&server.asked()), "a minute apart: {}", server.asked());
    pass(60).await;
    assert!(is_unavailable(&verify(&bearer, &signer).await), "nobody can say for so long");
    server.answers(Answer::Body(key_set(&[&signer])));
    pass(5).await;
    assert!(verify(&bearer, &signer).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_given_up() {
    let signer = Signer::new("k", "EdDSA");
    let server = Server::new(Answer::Nothing);
    let bearer = bearer(keys(&server).timeout(Duration::from_secs(2)));
    let start = tokio::time::Instant::now();
    assert!(is_unavailable(&verify(&bearer, &signer).await));
    assert_eq!((start.elapsed(), server.ended()), (Duration::from_secs(2), 1));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_huge_or_no_set_is_refused_and_what_was_known_stays() {
    let signer = Signer::new("k", "EdDSA");
    let known = key_set(&[&signer]);
    let many: Vec<_> = (0..101).map(|_| signer.jwk()).collect();
    let huge = format!(r#"{{"keys":[{}],"x":"{}"}}"#, signer.jwk(), "x".repeat(256 << 10));
    let malformed = [
        "",
        "{",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[7]}"#,
        r#"{"keys":[],"keys":[]}"#,
    ];
    let mut bad: Vec<String> = malformed.map(str::to_owned).to_vec();
    bad.extend([huge, json!({"keys": many}).to_string(), "[".repeat(1000)]);
    for bad in bad {
        let server = Server::new(Answer::Body(bad.clone()));
        let keys = Arc::new(keys(&server));
        let bearer = bearer(Arc::clone(&keys));
        let shown: String = bad.chars().take(40).collect();
        assert!(is_unavailable(&verify(&bearer, &signer).await), "{shown}");
        server.answers(Answer::Body(known.clone()));
        keys.refresh().await.unwrap();
        server.answers(Answer::Body(bad));
        assert!(keys.refresh().await.is_err(), "{shown}");
        assert!(verify(&bearer, &signer).await.is_ok(), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_used_spoils_no_other() {
    let signer = Signer::new("k", "ES256");
    let odd = json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"});
    let set = json!({"keys": [odd, {"kty": "AKP", "pub": "x"}, 7, null, {"kty": ["RSA"]}, signer.jwk()]})
        .to_string();
    let bearer = bearer(Jwks::from_json(&set).unwrap());
    assert!(verify(&bearer, &signer).await.is_ok());
    assert!(Jwks::from_json(r#"{"keys":[]}"#).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_ends_no_fetch() {
    let signer = Signer::new("k", "EdDSA");
    let server = Server::new(Answer::Late(key_set(&[&signer])));
    let bearer = bearer(keys(&server));
    let leaves = tokio::time::timeout(Duration::from_secs(1), verify(&bearer, &signer)).await;
    assert!(leaves.is_err());
    assert_eq!((server.asked(), server.ended()), (1, 0));
    server.release();
    pass(1).await;
    assert!(verify(&bearer, &signer).await.is_ok());
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_with_its_owner() {
    let server = Server::new(Answer::Nothing);
    let keys = keys(&server).timeout(Duration::from_secs(3600));
    assert!(tokio::time::timeout(Duration::from_secs(1), keys.refresh()).await.is_err());
    assert_eq!((server.asked(), server.ended()), (1, 0));
    drop(keys);
    pass(1).await;
    assert_eq!(server.ended(), 1);
}

#[tokio::test]
async fn keys_come_from_nowhere_that_somebody_could_stand_in_for() {
    let server = Server::new(Answer::Down);
    for bad in ["http://login.example.com/jwks", "https://a:b@login.example.com/", "jwks.json", ""] {
        assert!(Jwks::new(bad, server.clone()).is_err(), "{bad}");
    }
    assert!(Jwks::new("http://127.0.0.1:8081/jwks", server).is_ok());
}
