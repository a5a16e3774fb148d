//! From any bytes to an envelope, and to an answer that can be read back with the same id.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use toolpost_json::{Frame, Limits, write};
use toolpost_protocol::{Error, Id, Meant, Message, receive, reply};

/// A type with something of everything that can go wrong.
#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is the point")]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Option<&'a str>,
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
    number: Option<i128>,
    float: Option<f32>,
    list: Option<Vec<Self>>,
    map: Option<BTreeMap<i16, IgnoredAny>>,
    choice: Option<Choice>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding is the point")]
enum Choice {
    Unit,
    One(char),
    Two(u8, bool),
    Named { a: Box<Option<Self>> },
}

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits::new().nodes(1000).depth(32);
    let mut out = Vec::new();
    let id = match receive(&bytes.to_vec().into(), &limits) {
        Ok(frame) => answer(&frame, &mut out),
        Err(refused) => {
            match &refused.meant {
                Meant::Request(id) => reply::error(&mut out, id, &refused.error),
                _ => reply::unaddressed(&mut out, &refused.error),
            }
            addressee(refused.meant)
        }
    };
    if out.is_empty() {
        return;
    }
    let frame = Frame::parse(out.into(), &Limits::new()).expect("an answer is JSON");
    match Message::read(&frame).expect("an answer is a message") {
        Message::Response { id: read, .. } => assert_eq!(read, id),
        other => panic!("{other:?}"),
    }
}

/// Answers the message in `frame`, if it asks for that; says whom.
fn answer(frame: &Frame, out: &mut Vec<u8>) -> Option<Id> {
    match Message::read(frame) {
        Ok(Message::Request { id, method, params }) => {
            match params.map(|params| params.decode::<Arguments<'_>>()) {
                Some(Err(error)) => {
                    let error = Error::new(toolpost_protocol::Code::INVALID_PARAMS, error.to_string());
                    reply::error(out, &id, &error);
                }
                _ => reply::result(out, &id, |out| write::string(out, &method)),
            }
            Some(id)
        }
        Ok(Message::Batch(batch)) => {
            batch.items().for_each(|item| drop(Message::from_node(item)));
            None
        }
        Ok(Message::Response { outcome: Err(error), .. }) => {
            assert!(error.pointer("/code").is_some());
            None
        }
        Ok(_) => None,
        Err(malformed) => {
            match &malformed.meant {
                Meant::Request(id) => reply::error(out, id, &malformed.error),
                _ => reply::unaddressed(out, &malformed.error),
            }
            addressee(malformed.meant)
        }
    }
}

fn addressee(meant: Meant) -> Option<Id> {
    match meant {
        Meant::Request(id) => Some(id),
        _ => None,
    }
}
