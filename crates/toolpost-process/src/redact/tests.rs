//! What is taken out, and what stays.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn becomes(text: &str, expected: &str) {
    let redactor = Redactor::new();
    let once = redactor.redact(text).into_owned();
    assert_eq!(once, expected);
    assert_eq!(redactor.redact(&once), once, "again");
}

#[track_caller]
fn stays(text: &str) {
    assert!(matches!(Redactor::new().redact(text), Cow::Borrowed(_)), "{}", Redactor::new().redact(text));
}

#[test]
fn credentials_of_urls_go() {
    becomes("mysql://root:secret123@db/x", "mysql://[redacted]@db/x");
    becomes("at postgres://u:p@ss:w0rd@h:5/d?x=y, then", "at postgres://[redacted]@h:5/d?x=y, then");
    becomes("redis://:pw@host", "redis://[redacted]@host");
    becomes("redis://:pa/ss@host/0", "redis://[redacted]@host/0");
    becomes("https://ghp_abc@github.com/x.git", "https://[redacted]@github.com/x.git");
    becomes("a://u:p@h,b://x:y@z", "a://[redacted]@h,b://[redacted]@z");
    becomes("\"amqp://u:p@h\"", "\"amqp://[redacted]@h\"");
    stays("https://registry.example.org/@scope/pkg and https://host:8080/@x, git@host:path");
    stays("mysql://${USER}@db/x");
}

#[test]
fn values_of_secret_names_go() {
    becomes("DB_PASSWORD=hunter2 x", "DB_PASSWORD=[redacted] x");
    becomes("token: x", "token: [redacted]");
    becomes("password='a b' next", "password='[redacted]' next");
    becomes(r#"apiKey="a\"b" next"#, r#"apiKey="[redacted]" next"#);
    becomes("clientSecret := abc", "clientSecret := [redacted]");
    becomes("--password hunter2 --user x", "--password [redacted] --user x");
    becomes("Server=x;Password=a;b,c;Uid=y", "Server=x;Password=[redacted];Uid=y");
    becomes("(password=abc), then", "(password=[redacted]), then");
    becomes("?key=AIza&q=1", "?key=[redacted]&q=1");
    becomes("Authorization: Basic dXNlcjpwYXNz\nHost: x", "Authorization: [redacted]\nHost: x");
    becomes("Cookie: a=b; c=d\r\nx", "Cookie: [redacted]\r\nx");
    becomes("<password>hunter2</password>", "<password>[redacted]</password>");
    becomes("spring.datasource.password=x", "spring.datasource.password=[redacted]");
    stays("password=${DB_PASSWORD} token=${TOKEN}");
    stays("primary_key=7 max_tokens=100 token_type=x secret_name=y access_key_id=z tokens: 5");
    stays("password: null, token=true, a password is needed, password=");
    stays("passed: 3 and key=value; monkey=1");
}

#[test]
fn members_of_objects_go() {
    becomes(r#"{"user": "ada", "password": "x"}"#, r#"{"user": "ada", "password": "[redacted]"}"#);
    becomes(r#"{"token":"a\"b","n":1}"#, r#"{"token":"[redacted]","n":1}"#);
    becomes(r#"{"secret":12345,"n":1}"#, r#"{"secret":"[redacted]","n":1}"#);
    becomes(r#"{"secrets":["a","b]"],"n":{"a":1}}"#, r#"{"secrets":"[redacted]","n":{"a":1}}"#);
    becomes("{'password': 'x', 'token': b'y'}", "{'password': '[redacted]', 'token': b'[redacted]'}");
    becomes(r#""{\"password\": \"x\\\"y\", \"n\": 1}""#, r#""{\"password\": \"[redacted]\", \"n\": 1}""#);
    becomes(r#"{"password": "cut off"#, r#"{"password": "[redacted]"#);
    stays(r#"{"password": null, "has_token": true, "primary_key": "id"}"#);
}

#[test]
fn bearer_tokens_go() {
    becomes("Bearer abc.def-ghi== x", "Bearer [redacted] x");
    becomes("curl -H 'authorization: bearer abc'", "curl -H 'authorization: [redacted]'");
    stays("a bearer token is needed");
}

#[test]
fn known_values_go_in_every_spelling() {
    let value = "p@ss \"w0rd\"\\ä/+";
    let redactor = Redactor::of([value]).unwrap();
    for spelling in spellings_of(value) {
        for text in
            [format!("[{spelling}]"), format!("a {spelling}\nb"), format!("{{\"a\": \"{spelling}\"}}")]
        {
            let redacted = redactor.redact(&text).into_owned();
            assert!(!redacted.contains(&spelling), "{text} -> {redacted}");
            assert!(redacted.contains(MASK), "{text} -> {redacted}");
            assert_eq!(redactor.redact(&redacted), redacted);
        }
    }
    // Within more base64, at each alignment.
    for before in ["", "u", "us", "user:"] {
        let encoded = STANDARD.encode(format!("{before}{value}!after that"));
        let redacted = redactor.redact_values(&encoded).into_owned();
        let core = &STANDARD.encode(value)[..12];
        assert!(redacted.contains(MASK) && !redacted.contains(core), "{encoded} -> {redacted}");
    }
}

#[test]
fn values_of_several_lines_go_by_line_and_in_parts() {
    let pem =
        format!("-----BEGIN KEY-----\n{}\n{}\n-----END KEY-----", "Zm9vYmFy".repeat(8), "QUJDREVG".repeat(7));
    let redactor = Redactor::of([&pem]).unwrap();
    for line in pem.lines() {
        assert_eq!(redactor.redact_values(&format!("x {line} y")), "x [redacted] y");
    }
    assert_eq!(redactor.redact_values(&pem), MASK);
    assert_eq!(redactor.redact_values(&pem.replace('\n', "\\n")), MASK);
    let long: String = (0..40).map(|n| format!("{n:x}{}", n * 7)).collect();
    let redactor = Redactor::of([&long]).unwrap();
    for start in 0..long.len() - 23 {
        let part = &long[start..start + 23];
        assert_eq!(redactor.redact_values(&format!("<{part}>")), "<[redacted]>", "{part}");
    }
    let wrapped: Vec<String> = STANDARD
        .encode(&long)
        .as_bytes()
        .chunks(40)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    assert_eq!(redactor.redact_values(&wrapped.join("\n")), MASK);
}

#[test]
fn the_beginning_of_a_value_at_a_cut_goes() {
    let redactor = Redactor::of(["hunter22-hunter23"]).unwrap();
    assert_eq!(redactor.redact_cut("said hunter22-hun"), "said [redacted]");
    assert_eq!(redactor.redact_cut("said hunt"), "said [redacted]");
    assert_eq!(redactor.redact_cut("said hun"), "said hun");
    assert_eq!(redactor.redact("said hunter22-hun"), "said hunter22-hun");
}

#[test]
fn short_and_long_values_are_refused() {
    let error = Redactor::of(["long enough", "short"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the secret at position 1 has 5 bytes, and 6 at least are needed to tell it from other text"
    );
    assert!(
        Redactor::of(["x".repeat(Redactor::LONGEST + 1)]).unwrap_err().to_string().contains("65537 bytes")
    );
    assert_eq!(format!("{:?}", Redactor::of(["hunter22"]).unwrap()), "Redactor { values: 1 }");
}

#[test]
fn time_is_in_proportion_to_the_text() {
    // Each of these is slow for something that looks twice at what it has looked at.
    let redactor = Redactor::of(["a".repeat(4_000), "ab".repeat(2_000), "hunter22".into()]).unwrap();
    for part in [
        "a",
        "://",
        "://@",
        "password=",
        "\"password\":[",
        "password=,",
        "\\",
        "%",
        "\\\"token\\\":",
        "b",
        "[redacted",
        "bearer ",
    ] {
        let text = part.repeat((1 << 18) / part.len());
        let redacted = redactor.redact(&text).into_owned();
        assert!(redacted.len() <= 4 * text.len(), "{part}");
    }
}

/// How programs write a value.
fn spellings_of(value: &str) -> Vec<String> {
    let percent = |keep: &dyn Fn(u8) -> bool, upper: bool| {
        let one = |byte: u8| match (keep(byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        value.bytes().map(one).collect::<String>()
    };
    let json = serde_json::to_string(value).unwrap();
    let json = &json[1..json.len() - 1];
    let twice = serde_json::to_string(json).unwrap();
    let unicode: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    vec![
        value.to_owned(),
        STANDARD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        percent(&|byte: u8| byte.is_ascii_alphanumeric(), true),
        percent(&|byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte), false),
        percent(&|_| false, true),
        percent(&|byte: u8| byte.is_ascii_alphanumeric(), true).replace("%20", "+"),
        json.to_owned(),
        twice[1..twice.len() - 1].to_owned(),
        unicode,
        value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        value.bytes().map(|byte| format!("{byte:02X}")).collect(),
        value.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        value.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") }).collect(),
    ]
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9+/=_.~-]{6,60}",
        "[ -~]{6,40}",
        "[a-zäöü€😀\"\\\\/ ]{6,30}".prop_filter("long enough", |text| text.len() >= 6),
    ]
}

fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,20}",
        prop::sample::select(vec![
            "password=",
            "token: ",
            "\"password\": \"",
            "mysql://u:",
            "://",
            "@",
            "Bearer ",
            "[redacted]",
            "{\"a\":[",
            "\\\"secret\\\": \\\"",
            "%",
            "\\",
            "--token ",
            "\n",
            "Authorization: ",
            "key=",
            "}",
            "]",
            "\"",
            "'",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_spelling_of_a_value_comes_out(
        value in secret(),
        other in secret(),
        parts in prop::collection::vec(around(), 2..6),
        choice in 0usize..14,
    ) {
        let redactor = Redactor::of([&value, &other]).unwrap();
        let spelling = spellings_of(&value).swap_remove(choice);
        // What ends with a backslash, say, would make another text of it.
        let text = parts.join(&format!("|{spelling}|"));
        for redacted in [redactor.redact(&text), redactor.redact_values(&text), redactor.redact_cut(&text)] {
            // What stands around may have it once more, as a part of a mask.
            prop_assert!(!redacted.replace(MASK, "\u{0}").contains(&spelling), "{text} -> {redacted}");
        }
    }

    #[test]
    fn twice_is_once(value in secret(), parts in prop::collection::vec(around(), 0..12)) {
        let redactor = Redactor::of([&value]).unwrap();
        let text = parts.concat();
        let once = redactor.redact(&text).into_owned();
        prop_assert_eq!(redactor.redact(&once), &*once, "{}", text);
        let once = redactor.redact_values(&text).into_owned();
        prop_assert_eq!(redactor.redact_values(&once), &*once, "{}", text);
    }

    #[test]
    fn json_stays_json(value in secret(), texts in prop::collection::vec("[ -~]{0,30}", 1..5)) {
        let redactor = Redactor::of([&value]).unwrap();
        let data = serde_json::json!({ "token": value, "a": texts, "b": [format!("x{value}y"), 1], "password": [texts] });
        let redacted = redactor.redact_json(&data.to_string()).into_owned();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&redacted).is_ok(), "{redacted}");
        prop_assert!(!redacted.contains(&value), "{redacted}");
    }
}
