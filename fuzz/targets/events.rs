//! Any bytes as a stream of server-sent events, whole and cut in two wherever it can be: the reader finds what one that
//! follows the HTML standard word by word finds (section 9.2.6), and keeps within its bounds.

use bytes::Bytes;

#[path = "../../crates/toolpost-client/src/http/events.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the reader is the crate's own, and is read here as it stands there"
)]
mod reader;

use reader::EventReader;

const LIMIT: usize = 48;

/// What a reader made of a stream: its messages, the last id, how long to wait; an error ends the messages.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    messages: Vec<Vec<u8>>,
    too_long: bool,
    id: Option<Vec<u8>>,
    retry: Option<u128>,
}

pub(crate) fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(1 << 10)];
    let model = model(bytes);
    // Without bounds, in every way to cut it into two.
    for at in 0..=bytes.len() {
        assert_eq!(read(&[&bytes[..at], &bytes[at..]], usize::MAX >> 1), model, "cut at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single, usize::MAX >> 1), model, "byte by byte");
    // With bounds: a beginning of the same messages, however it is cut.
    let whole = read(&[bytes], LIMIT);
    assert_eq!(read(&single, LIMIT), whole);
    assert!(model.messages.starts_with(&whole.messages));
    assert!(whole.messages.iter().all(|message| message.len() <= LIMIT));
    assert!(whole.too_long || whole.messages.len() == model.messages.len());
}

fn read(pieces: &[&[u8]], limit: usize) -> Seen {
    let mut reader = EventReader::new(limit);
    let mut seen = Seen { messages: Vec::new(), too_long: false, id: None, retry: None };
    'pieces: for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        loop {
            match reader.next() {
                Ok(Some(message)) => seen.messages.push(message.to_vec()),
                Ok(None) => break,
                Err(_) => {
                    seen.too_long = true;
                    break 'pieces;
                }
            }
        }
    }
    seen.id = reader.last_id().map(|id| id.to_vec());
    seen.retry = reader.retry().map(|wait| wait.as_millis());
    seen
}

/// The standard's algorithm, on the whole stream at once.
fn model(bytes: &[u8]) -> Seen {
    let mut seen = Seen { messages: Vec::new(), too_long: false, id: None, retry: None };
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut lines = Vec::new();
    let (mut line, mut rest) = (Vec::new(), bytes);
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\r' | b'\n' => {
                if *first == b'\r' && rest.first() == Some(&b'\n') {
                    rest = &rest[1..];
                }
                lines.push(std::mem::take(&mut line));
            }
            byte => line.push(*byte),
        }
    }
    // What is left is a line without an end: discarded.
    let (mut data, mut kind, mut id) = (Vec::new(), Vec::new(), None);
    for line in lines {
        if line.is_empty() {
            if let Some(next) = id.take() {
                seen.id = next;
            }
            if data.last() == Some(&b'\n') {
                data.pop();
            }
            let (data, kind) = (std::mem::take(&mut data), std::mem::take(&mut kind));
            if !data.is_empty() && (kind.is_empty() || kind == b"message") {
                seen.messages.push(data);
            }
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => kind = value.to_vec(),
            b"data" => data.extend([value, b"\n"].concat()),
            b"id" if !value.contains(&0) && value.len() <= 1 << 10 => id = Some(Some(value.to_vec())),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let text = String::from_utf8_lossy(value);
                seen.retry = Some(text.parse::<u64>().unwrap_or(u64::MAX).into());
            }
            _ => {}
        }
    }
    seen
}
