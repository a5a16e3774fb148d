//! Any value as a secret in any text: it is not there afterwards, and redacting twice changes nothing more. The value is
//! what comes before the first NUL byte; what comes after it is the text, with the value at each further NUL.

use toolpost_process::Redactor;

const MASK: &str = "[redacted]";

pub(crate) fn run(bytes: &[u8]) {
    let Some(at) = bytes.iter().position(|byte| *byte == 0) else { return };
    let value = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let text = String::from_utf8_lossy(&bytes[at + 1..]).replace('\0', &value);
    let Ok(redactor) = Redactor::of([&value]) else { return };
    for redact in [Redactor::redact, Redactor::redact_values, Redactor::redact_cut] {
        let once = redact(&redactor, &text).into_owned();
        if !value.contains(MASK) {
            assert!(once.split(MASK).all(|part| !part.contains(&value)), "{text:?} -> {once:?}");
        }
        assert!(once.len() <= text.len() * (MASK.len() + 2) + 64, "{} bytes", once.len());
    }
    let once = redactor.redact_values(&text).into_owned();
    assert_eq!(redactor.redact_values(&once), once, "{text:?}");
    let once = redactor.redact(&text).into_owned();
    assert_eq!(redactor.redact(&once), once, "{text:?}");
}
