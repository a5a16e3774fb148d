//! Which tokens let their bearers in, and which do not.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use http::request::Parts;
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use toolpost_auth::{Algorithm, Jwks, JwtBearer};
use toolpost_server::{Authenticate as _, Unauthenticated};
use toolpost_tool::Principal;

use crate::common::{
    ISSUER, NOW, RESOURCE, Signer, TestClock, bearer, claims, claims_with, encoded, invalid, key_set,
};

const EXPIRED: &str = "the token has expired";
const SIGNATURE: &str = "the signature of the token does not verify";
const UNKNOWN: &str = "the token is signed by an unknown key";
const ALGORITHM: &str = "the token is not signed by an accepted algorithm";
const MALFORMED: &str = "the token is malformed";

/// The answer to a token whose claims are these.
async fn with(name: &str, value: Value) -> Result<Principal, Unauthenticated> {
    let signer = Signer::new("k", "EdDSA");
    bearer(&[&signer]).verify(&signer.token(&claims_with(name, value))).await
}

#[tokio::test]
async fn a_token_of_the_issuer_is_accepted_by_each_algorithm() {
    for algorithm in ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"] {
        let signer = Signer::new("k", algorithm);
        let principal = bearer(&[&signer]).verify(&signer.token(&claims())).await.unwrap();
        assert_eq!(principal, Principal::new("ada"), "{algorithm}");
        assert_eq!(principal.scopes().collect::<Vec<_>>(), ["a", "b"]);
    }
}

/// Made by others: RFC 7515 (A.3) and RFC 8037 (A.4). They are of no issuer, which is found out after their signatures.
#[tokio::test]
async fn the_examples_of_the_standards_verify() {
    let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
                 Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4\
                 iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for (token, key, why) in [(es256, key, "the token is for another resource"), (eddsa, okp, MALFORMED)] {
        let keys = Jwks::from_json(&json!({"keys": [key]}).to_string()).unwrap();
        let bearer = JwtBearer::new("joe", RESOURCE, keys);
        assert_eq!(bearer.verify(token).await, Err(invalid(why)));
        let damaged = token.replacen('g', "h", 1);
        assert_ne!(bearer.verify(&damaged).await, Err(invalid(why)));
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    assert_eq!(with("exp", json!(NOW - 3600)).await, Err(invalid(EXPIRED)));
    assert_eq!(with("exp", json!(0)).await, Err(invalid(EXPIRED)));
    assert_eq!(with("exp", json!(-1.5e300)).await, Err(invalid(EXPIRED)));
    for none in [json!(null), json!("1900000000"), json!(true), json!([NOW + 600])] {
        assert_eq!(with("exp", none).await, Err(invalid(MALFORMED)));
    }
    let signer = Signer::new("k", "EdDSA");
    let mut eternal = claims();
    eternal.as_object_mut().unwrap().remove("exp");
    assert_eq!(bearer(&[&signer]).verify(&signer.token(&eternal)).await, Err(invalid(MALFORMED)));
}

#[tokio::test]
async fn a_token_that_is_not_yet_valid_is_refused() {
    let early = invalid("the token is not yet valid");
    assert_eq!(with("nbf", json!(NOW + 3600)).await, Err(early.clone()));
    assert_eq!(with("nbf", json!(1e300)).await, Err(early));
    assert_eq!(with("iat", json!(NOW + 3600)).await, Err(invalid("the token was issued in the future")));
    assert!(with("nbf", json!(NOW - 1)).await.is_ok());
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_in_both_directions_and_no_more() {
    let signer = Signer::new("k", "EdDSA");
    for (leeway, most) in [(None, 60), (Some(5), 5), (Some(0), 0), (Some(100_000), 300)] {
        let mut bearer = bearer(&[&signer]);
        if let Some(leeway) = leeway {
            bearer = bearer.leeway(Duration::from_secs(leeway));
        }
        for (name, last, next) in [
            ("exp", json!(NOW - most + 1), json!(NOW - most)),
            ("exp", json!((NOW - most) as f64 + 1.5), json!((NOW - most) as f64 + 0.5)),
            ("nbf", json!(NOW + most), json!(NOW + most + 1)),
            ("nbf", json!((NOW + most) as f64), json!((NOW + most) as f64 + 0.5)),
            ("iat", json!(NOW + most), json!(NOW + most + 1)),
        ] {
            assert!(bearer.verify(&signer.token(&claims_with(name, last))).await.is_ok(), "{name} {most}");
            assert!(bearer.verify(&signer.token(&claims_with(name, next))).await.is_err(), "{name} {most}");
        }
    }
}

#[tokio::test]
async fn a_clock_before_1970_lets_nobody_in() {
    let signer = Signer::new("k", "EdDSA");
    let broken = bearer(&[&signer]).clock(|| std::time::UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(broken.verify(&signer.token(&claims())).await, Err(invalid(EXPIRED)));
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let wrong = Err(invalid("the token is for another resource"));
    for other in [
        json!("https://other.example.com/mcp"),
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com"),
        json!(["https://other.example.com/mcp"]),
        json!([]),
        json!([[RESOURCE]]),
        json!({RESOURCE: RESOURCE}),
        json!(null),
        json!(""),
        json!(7),
    ] {
        assert_eq!(with("aud", other.clone()).await, wrong, "{other}");
    }
    assert!(with("aud", json!(["https://other.example.com", RESOURCE])).await.is_ok());
    let signer = Signer::new("k", "EdDSA");
    let mut nobodys = claims();
    nobodys.as_object_mut().unwrap().remove("aud");
    assert_eq!(bearer(&[&signer]).verify(&signer.token(&nobodys)).await, wrong);
    let both = bearer(&[&signer]).audience("https://mcp.example.com/mcp/");
    for own in [RESOURCE, "https://mcp.example.com/mcp/"] {
        assert!(both.verify(&signer.token(&claims_with("aud", json!(own)))).await.is_ok());
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    for other in
        [json!("https://login.example.com/"), json!("https://evil.example.com"), json!([ISSUER]), json!(null)]
    {
        assert_eq!(with("iss", other).await, Err(invalid("the token is of another issuer")));
    }
}

#[tokio::test]
async fn a_token_without_an_algorithm_is_refused() {
    let signer = Signer::new("k", "EdDSA");
    let bearer = bearer(&[&signer]);
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = encoded(json!({"alg": none, "kid": "k"}).to_string());
        let message = format!("{header}.{}", encoded(claims().to_string()));
        let good = signer.token(&claims());
        let signature = good.rsplit('.').next().unwrap();
        for token in [format!("{message}."), format!("{message}.{signature}")] {
            assert_eq!(bearer.verify(&token).await, Err(invalid(ALGORITHM)), "{none}");
        }
    }
    for header in [r#"{"kid":"k"}"#, r#"{"alg":null,"kid":"k"}"#, r#"{"alg":["EdDSA"],"kid":"k"}"#] {
        let token = signer.signed(header, &claims().to_string());
        assert_eq!(bearer.verify(&token).await, Err(invalid(ALGORITHM)), "{header}");
    }
}

#[tokio::test]
async fn a_token_signed_by_hmac_with_the_public_key_is_refused() {
    let signer = Signer::new("k", "RS256");
    let bearer = bearer(&[&signer]);
    let (jwk, set) = (signer.jwk(), key_set(&[&signer]));
    for secret in [jwk["n"].as_str().unwrap(), &jwk.to_string(), &set] {
        for (algorithm, with) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            let header = json!({"alg": algorithm, "kid": "k"}).to_string();
            let message = format!("{}.{}", encoded(header), encoded(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(with, secret.as_bytes()), message.as_bytes());
            let token = format!("{message}.{}", encoded(tag.as_ref()));
            assert_eq!(bearer.verify(&token).await, Err(invalid(ALGORITHM)));
        }
    }
    // A symmetric key among the issuer's is no key here, whoever published it.
    let symmetric = json!({"kty": "oct", "kid": "s", "k": encoded("secret"), "alg": "HS256"});
    let keys = Jwks::from_json(&json!({"keys": [symmetric, jwk]}).to_string()).unwrap();
    let bearer = JwtBearer::new(ISSUER, RESOURCE, keys).clock(TestClock::new().read());
    let token = signer.signed(r#"{"alg":"RS256","kid":"s"}"#, &claims().to_string());
    assert_eq!(bearer.verify(&token).await, Err(invalid(UNKNOWN)));
}

#[tokio::test]
async fn an_unknown_key_id_is_refused() {
    let (known, other) = (Signer::new("k", "EdDSA"), Signer::new("other", "EdDSA"));
    assert_eq!(bearer(&[&known]).verify(&other.token(&claims())).await, Err(invalid(UNKNOWN)));
    // A token that names no key is held against those of its kind.
    let nameless = Signer::new(None, "EdDSA");
    let header = r#"{"alg":"EdDSA"}"#;
    let token = known.signed(header, &claims().to_string());
    assert!(bearer(&[&nameless, &known]).verify(&token).await.is_ok());
    assert_eq!(bearer(&[&nameless]).verify(&token).await, Err(invalid(SIGNATURE)));
    let es = Signer::new(None, "ES256");
    assert_eq!(bearer(&[&es]).verify(&token).await, Err(invalid(UNKNOWN)));
    for id in ["7", "null", "[\"k\"]"] {
        let token = known.signed(&format!(r#"{{"alg":"EdDSA","kid":{id}}}"#), &claims().to_string());
        assert_eq!(bearer(&[&known]).verify(&token).await, Err(invalid(MALFORMED)), "{id}");
    }
}

#[tokio::test]
async fn of_keys_with_one_id_each_is_tried_four_at_most() {
    let keys: Vec<Signer> = (0..6).map(|_| Signer::new("k", "EdDSA")).collect();
    let other_kind = Signer::new("k", "ES256");
    let mut all: Vec<&Signer> = vec![&other_kind];
    all.extend(&keys);
    let bearer = bearer(&all);
    for (at, key) in keys.iter().enumerate() {
        let verified = bearer.verify(&key.token(&claims())).await;
        assert_eq!(verified.is_ok(), at < 4, "{at}");
    }
    assert!(bearer.verify(&other_kind.token(&claims())).await.is_ok(), "of another kind");
}

#[tokio::test]
async fn a_key_of_another_kind_or_for_another_purpose_is_no_key() {
    let (es256, es384, rsa) =
        (Signer::new("k", "ES256"), Signer::new("k", "ES384"), Signer::new("k", "RS256"));
    for (key, signer) in [(&es256, &rsa), (&rsa, &es256), (&es256, &es384), (&es384, &es256)] {
        assert_eq!(bearer(&[key]).verify(&signer.token(&claims())).await, Err(invalid(UNKNOWN)));
    }
    // The algorithm of a token is one that its key is used with.
    let verify = async |change: fn(&mut Value)| {
        let mut key = rsa.jwk();
        change(&mut key);
        let other = Signer::new("other", "EdDSA").jwk();
        let keys = Jwks::from_json(&json!({"keys": [other, key]}).to_string()).unwrap();
        let bearer = JwtBearer::new(ISSUER, RESOURCE, keys).clock(TestClock::new().read());
        bearer.verify(&rsa.token(&claims())).await
    };
    assert!(verify(|_| ()).await.is_ok());
    assert!(verify(|key| key["alg"] = json!("RS256")).await.is_ok());
    assert!(verify(|key| key["use"] = json!("sig")).await.is_ok());
    assert!(verify(|key| key["key_ops"] = json!(["verify"])).await.is_ok());
    for not in [
        |key: &mut Value| key["alg"] = json!("PS256"),
        |key: &mut Value| key["alg"] = json!("RSA-OAEP"),
        |key: &mut Value| key["use"] = json!("enc"),
        |key: &mut Value| key["key_ops"] = json!(["encrypt"]),
        |key: &mut Value| key["kty"] = json!("EC"),
        |key: &mut Value| key["n"] = json!(encoded([0xff; 128])),
        |key: &mut Value| key["n"] = json!(encoded(vec![0xff; 4096])),
        |key: &mut Value| key["n"] = json!("not base64!"),
        |key: &mut Value| key["kid"] = json!(7),
    ] {
        assert_eq!(verify(not).await, Err(invalid(UNKNOWN)));
    }
}

#[tokio::test]
async fn the_host_pins_the_algorithms() {
    let (rs, ps) = (Signer::new("k", "RS256"), Signer::new("k", "PS256"));
    let pinned = bearer(&[&rs]).algorithms([Algorithm::Ps256]);
    assert_eq!(pinned.verify(&rs.token(&claims())).await, Err(invalid(ALGORITHM)));
    assert!(pinned.verify(&ps.token(&claims())).await.is_ok());
    assert!(bearer(&[&rs]).algorithms([]).verify(&rs.token(&claims())).await.is_err());
}

#[tokio::test]
async fn what_a_header_asks_for_that_is_not_known_refuses_the_token() {
    let signer = Signer::new("k", "EdDSA");
    let critical = "the token has a critical extension that is not known here";
    let kind = "the token is not an access token";
    for (members, why) in [
        (r#""crit":["exp"],"exp":1"#, critical),
        (r#""crit":[]"#, critical),
        (r#""b64":false"#, critical),
        (r#""b64":false,"crit":["b64"]"#, critical),
        (r#""typ":"dpop+jwt""#, kind),
        (r#""typ":"logout+jwt""#, kind),
        (r#""typ":"id_token+jwt""#, kind),
        (r#""typ":7"#, MALFORMED),
        (r#""alg":"EdDSA""#, MALFORMED),
    ] {
        let token =
            signer.signed(&format!(r#"{{"alg":"EdDSA","kid":"k",{members}}}"#), &claims().to_string());
        assert_eq!(bearer(&[&signer]).verify(&token).await, Err(invalid(why)), "{members}");
    }
    for (typ, strict) in [("at+jwt", true), ("application/AT+JWT", true), ("JWT", false), ("jwt", false)] {
        let header =
            json!({"alg": "EdDSA", "kid": "k", "typ": typ, "jku": "https://evil.example.com"}).to_string();
        let token = signer.signed(&header, &claims().to_string());
        assert!(bearer(&[&signer]).verify(&token).await.is_ok(), "{typ}");
        assert_eq!(bearer(&[&signer]).access_tokens_alone().verify(&token).await.is_ok(), strict, "{typ}");
    }
    let untyped = signer.signed(r#"{"alg":"EdDSA","kid":"k"}"#, &claims().to_string());
    assert!(bearer(&[&signer]).verify(&untyped).await.is_ok());
    assert!(bearer(&[&signer]).access_tokens_alone().verify(&untyped).await.is_err());
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_or_names_nobody_is_refused() {
    let bound = "the token is bound to a key, and accepted with a proof alone";
    assert_eq!(with("cnf", json!({"jkt": "x"})).await, Err(invalid(bound)));
    let nameless = "the token does not say whom it is for";
    for sub in [json!(null), json!(""), json!(7), json!("x".repeat(1025))] {
        assert_eq!(with("sub", sub).await, Err(invalid(nameless)));
    }
    let signer = Signer::new("k", "EdDSA");
    let by = bearer(&[&signer]).principal_claim("client_id");
    assert_eq!(by.verify(&signer.token(&claims())).await, Err(invalid(nameless)));
    let named = by.verify(&signer.token(&claims_with("client_id", json!("robot")))).await;
    assert_eq!(named, Ok(Principal::new("robot")));
}

#[tokio::test]
async fn scopes_are_read_as_servers_write_them() {
    let scopes = async |name: &str, value: Value| {
        let signer = Signer::new("k", "EdDSA");
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("scope");
        claims[name] = value;
        let principal = bearer(&[&signer]).verify(&signer.token(&claims)).await?;
        Ok::<_, Unauthenticated>(principal.scopes().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(scopes("scope", json!(" a  b ")).await.unwrap(), ["a", "b"]);
    assert_eq!(scopes("scope", json!(["a", "b"])).await.unwrap(), ["a", "b"]);
    assert_eq!(scopes("scp", json!("a b")).await.unwrap(), ["a", "b"]);
    assert_eq!(scopes("scp", json!(["a", "b"])).await.unwrap(), ["a", "b"]);
    assert!(scopes("scope", json!(null)).await.unwrap().is_empty());
    assert!(scopes("other", json!("a")).await.unwrap().is_empty());
    for none in [json!(7), json!({"a": true}), json!(["a", 7])] {
        assert_eq!(scopes("scope", none).await, Err(invalid(MALFORMED)));
    }
}

#[tokio::test]
async fn what_two_readers_could_read_in_two_ways_is_refused() {
    let signer = Signer::new("k", "EdDSA");
    let (header, text) = (r#"{"alg":"EdDSA","kid":"k"}"#, claims().to_string());
    let twice = text.replacen('{', r#"{"sub":"root","#, 1);
    assert_eq!(bearer(&[&signer]).verify(&signer.signed(header, &twice)).await, Err(invalid(MALFORMED)));
    let good = signer.signed(header, &text);
    for bad in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{good}"),
        good.replace('.', ".."),
        good.replacen('.', "", 1),
        format!(" {good}"),
        format!("{good}\n"),
        String::new(),
        "..".into(),
        "a.b.c".into(),
        signer.signed("[]", &text),
        signer.signed(header, "[]"),
        signer.signed(header, "7"),
        signer.signed(header, ""),
    ] {
        assert_eq!(bearer(&[&signer]).verify(&bad).await, Err(invalid(MALFORMED)), "{bad}");
    }
    let long = signer.token(&claims_with("extra", json!("x".repeat(16 << 10))));
    assert_eq!(bearer(&[&signer]).verify(&long).await, Err(invalid(MALFORMED)));
}

fn request(uri: &str, headers: &[&str]) -> Parts {
    let mut request = http::Request::post(uri);
    for value in headers {
        request = request.header("Authorization", *value);
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn a_token_in_the_query_is_refused() {
    let signer = Signer::new("k", "EdDSA");
    let (bearer, token) = (bearer(&[&signer]), signer.token(&claims()));
    let header = format!("Bearer {token}");
    assert!(bearer.authenticate(&request("/mcp?a=b", &[&header])).await.is_ok());
    for headers in [&[][..], &[&*header]] {
        for uri in [format!("/mcp?access_token={token}"), format!("/mcp?a=b&access_token={token}")] {
            let Err(Unauthenticated::Challenge(challenge)) =
                bearer.authenticate(&request(&uri, headers)).await
            else {
                panic!("let in")
            };
            assert!(challenge.contains(r#"error="invalid_request""#), "{challenge}");
        }
    }
}

#[tokio::test]
async fn two_headers_are_no_header() {
    let signer = Signer::new("k", "EdDSA");
    let (bearer, token) = (bearer(&[&signer]), signer.token(&claims()));
    let header = format!("Bearer {token}");
    let bad = Err(Unauthenticated::Challenge(r#"Bearer error="invalid_token""#.to_owned()));
    assert_eq!(
        bearer.authenticate(&request("/mcp", &[])).await,
        Err(Unauthenticated::Challenge("Bearer".to_owned()))
    );
    assert_eq!(bearer.authenticate(&request("/mcp", &[&header, &header])).await, bad);
    assert_eq!(bearer.authenticate(&request("/mcp", &[&header, "Basic x"])).await, bad);
    assert_eq!(bearer.authenticate(&request("/mcp", &[&format!("{header}, {header}")])).await, bad);
    assert_eq!(bearer.authenticate(&request("/mcp", &[&format!("DPoP {token}")])).await, bad);
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_text_comes_nobody_is_let_in(text in "\\PC{0,200}|[A-Za-z0-9_.-]{0,300}") {
        let signer = Signer::new("k", "EdDSA");
        prop_assert!(block(bearer(&[&signer]).verify(&text)).is_err());
    }

    #[test]
    fn a_token_with_a_byte_changed_lets_nobody_in(at in 0_usize..10_000, byte in "[A-Za-z0-9_.-]") {
        let signer = Signer::new("k", "EdDSA");
        let good = signer.token(&claims());
        let at = at % good.len();
        let damaged = format!("{}{byte}{}", &good[..at], &good[at + 1..]);
        prop_assert_eq!(block(bearer(&[&signer]).verify(&damaged)).is_ok(), damaged == good);
    }
}
