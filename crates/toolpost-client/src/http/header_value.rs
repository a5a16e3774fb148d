//! Values of a message that are repeated in headers (2026-07-28).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// `text` as a header says it: itself, or as Base64 where a header could not carry it, or where it would be taken for Base64.
pub(super) fn header_value(text: &str) -> HeaderValue {
    if is_plain(text)
        && let Ok(value) = HeaderValue::from_str(text)
    {
        return value;
    }
    // Base64 is a header's alphabet.
    HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text)))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn is_plain(text: &str) -> bool {
    let outer = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii_graphic());
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && outer(bytes.first())
        && outer(bytes.last())
        && !(text.starts_with("=?base64?") && text.ends_with("?="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_cannot_carry_is_base64() {
        for plain in ["", "echo", "a b", "file:///a%20b", "=?base64?", "=?BASE64?YQ==?="] {
            assert_eq!(header_value(plain), plain);
        }
        for (text, encoded) in [
            ("é", "=?base64?w6k=?="),
            (" a", "=?base64?IGE=?="),
            ("a\t", "=?base64?YQk=?="),
            ("a\r\nHost: b", "=?base64?YQ0KSG9zdDogYg==?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(header_value(text), encoded, "{text:?}");
        }
    }
}
