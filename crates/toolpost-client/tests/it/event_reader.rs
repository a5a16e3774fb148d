//! The reader of server-sent events, against one that follows the HTML standard word by word.

use proptest::prelude::*;

use crate::replay;

#[path = "../../../../fuzz/targets/events.rs"]
mod events;

#[test]
fn events_corpus() {
    replay::replay("events", events::run);
}

/// Pieces of streams, as servers write them and as they do not.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("\u{feff}".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        Just("\0".to_owned()),
        Just("data".to_owned()),
        Just("data: ".to_owned()),
        Just("id: ".to_owned()),
        Just("event: message".to_owned()),
        Just("event: ".to_owned()),
        Just("retry: ".to_owned()),
        "[0-9]{1,3}",
        "[a-z]{1,60}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_stream_is_read_as_the_standard_says_however_it_is_cut(stream in stream()) {
        events::run(&stream);
    }
}
