//! The core against a naive model: whatever comes in whatever order, each request ends exactly once.

use proptest::prelude::*;
use toolpost_json::Limits;

use super::heard::{PROGRESS_TEXT, QUESTIONS};
use super::*;
use crate::events::LARGEST;

#[derive(Clone, Debug)]
enum Op {
    Request,
    /// The server answers the request so many places from the newest (or one that never was).
    Answer(usize, bool),
    Quoted(usize),
    Report(usize),
    Cancel(usize),
    Fail(usize),
    Send,
    Ask(u8),
    Respond(u8),
    TakeBack(u8),
    Tell,
    Noise,
    Spoilt(usize),
    Close,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let near = 0..6_usize;
    let op = prop_oneof![
        6 => Just(Op::Request),
        6 => (near.clone(), any::<bool>()).prop_map(|(at, ok)| Op::Answer(at, ok)),
        1 => near.clone().prop_map(Op::Quoted),
        3 => near.clone().prop_map(Op::Report),
        3 => near.clone().prop_map(Op::Cancel),
        1 => near.clone().prop_map(Op::Fail),
        8 => Just(Op::Send),
        2 => (0..4_u8).prop_map(Op::Ask),
        2 => (0..4_u8).prop_map(Op::Respond),
        1 => (0..4_u8).prop_map(Op::TakeBack),
        1 => Just(Op::Tell),
        1 => Just(Op::Noise),
        1 => near.prop_map(Op::Spoilt),
        1 => Just(Op::Close),
    ];
    proptest::collection::vec(op, 0..120)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stand {
    Queued,
    Sent,
    Over,
}

/// What a reader would expect: a list.
#[derive(Default)]
struct Model {
    requests: Vec<Stand>,
    /// By number; the request that each belongs to.
    questions: Vec<(u8, Option<usize>)>,
    closed: bool,
}

impl Model {
    fn place(&self, from_newest: usize) -> Option<usize> {
        self.requests.len().checked_sub(from_newest + 1)
    }

    fn open(&self) -> Vec<usize> {
        (0..self.requests.len()).filter(|at| self.requests[*at] != Stand::Over).collect()
    }

    fn end(&mut self, at: usize) {
        self.requests[at] = Stand::Over;
        self.questions.retain(|(_, about)| *about != Some(at));
    }
}

fn now() -> Instant {
    crate::clock::now()
}

const BOUNDS: Bounds = Bounds { in_flight: 5, noise: 3 };

fn frame(text: &str) -> Frame {
    Frame::parse(text.to_owned().into(), &Limits::new()).unwrap()
}

fn ended(effects: &[Effect<usize>]) -> Vec<usize> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::Done(key, _) = effect { Some(*key) } else { None })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn each_request_ends_exactly_once(ops in ops()) {
        let mut core = Core::<usize>::new(BOUNDS);
        let mut model = Model::default();
        let mut noise = 0;
        for op in ops {
            let (before, ignored) = (model.open(), core.ignored());
            let mut expected = Vec::new();
            // Ids count from 1 in the order of requests.
            let id = |at: usize| at as i64 + 1;
            let mut heard = !model.closed;
            match op {
                Op::Request => {
                    heard = false;
                    let key = model.requests.len();
                    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: key % 2 == 0, whom: None };
                    let made = core.request(key, &request, |out, _| out.extend_from_slice(b"{}"));
                    let may = !model.closed && before.len() < BOUNDS.in_flight;
                    prop_assert_eq!(made.is_ok(), may);
                    if let Ok(made) = made {
                        prop_assert_eq!(made, id(key));
                        model.requests.push(Stand::Queued);
                    }
                }
                Op::Send => {
                    heard = false;
                    if let Some(sent) = core.pop()
                        && let What::Request { id, .. } = sent.what
                    {
                        let at = id as usize - 1;
                        prop_assert_eq!(model.requests[at], Stand::Queued, "sent once, and only while it is wanted");
                        model.requests[at] = Stand::Sent;
                    }
                }
                Op::Answer(near, _) | Op::Quoted(near) | Op::Spoilt(near) => {
                    let at = model.place(near);
                    let id = at.map_or(999, id);
                    let is_spoilt = matches!(op, Op::Spoilt(_));
                    match op {
                        Op::Answer(_, true) => core.receive(frame(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)), None, now()),
                        Op::Quoted(_) => core.receive(frame(&format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{}}}}"#)), None, now()),
                        Op::Answer(..) => core.receive(
                            frame(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1}}}}"#)), None, now()),
                        _ => core.too_large(&Meant::Response(Id::from(id)), 7),
                    }
                    let answered = at.filter(|at| !model.closed && model.requests[*at] == Stand::Sent);
                    if let Some(at) = answered {
                        model.end(at);
                        expected.push(at);
                    } else if heard {
                        prop_assert_eq!(core.ignored(), ignored + 1);
                    }
                    if is_spoilt && heard && answered.is_none() {
                        noise += 1;
                        heard = false;
                    } else if is_spoilt {
                        heard = false;
                    }
                }
                Op::Report(near) => {
                    let id = model.place(near).map_or(999, id);
                    core.receive(frame(&format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
                    )), None, now());
                }
                Op::Cancel(near) => {
                    heard = false;
                    if let Some(at) = model.place(near) {
                        core.cancel(id(at), now());
                        model.end(at);
                    }
                }
                Op::Fail(near) => {
                    heard = false;
                    if let Some(at) = model.place(near) {
                        core.fail(id(at), ClientError::malformed("x"));
                        if model.requests[at] != Stand::Over {
                            model.end(at);
                            expected.push(at);
                        }
                    }
                }
                Op::Ask(number) => {
                    core.receive(frame(&format!(
                        r#"{{"jsonrpc":"2.0","id":"q{number}","method":"elicitation/create","params":{{}}}}"#
                    )), None, now());
                    if heard && !model.questions.iter().any(|(open, _)| *open == number) {
                        let about = (before.len() == 1).then(|| before[0]);
                        model.questions.push((number, about));
                    }
                }
                Op::Respond(number) => {
                    heard = false;
                    core.answer(&Id::from(format!("q{number}")), &Ok(RawJson::from(true)));
                    model.questions.retain(|(open, _)| *open != number);
                }
                Op::TakeBack(number) => {
                    core.receive(frame(&format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"q{number}"}}}}"#
                    )), None, now());
                    model.questions.retain(|(open, _)| *open != number);
                }
                Op::Tell => core.receive(frame(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#), None, now()),
                Op::Noise => {
                    heard = false;
                    core.unreadable(&toolpost_protocol::receive(&"no".into(), &Limits::new()).unwrap_err());
                    noise += usize::from(!model.closed);
                }
                Op::Close => {
                    heard = false;
                    core.close(&ClientError::NotConnected("closed".into()));
                    if !model.closed {
                        expected.extend(model.open());
                        model.closed = true;
                    }
                }
            }
            if heard {
                noise = 0;
            }
            if BOUNDS.noise < noise && !model.closed {
                expected.extend(model.open());
                model.closed = true;
            }
            if model.closed {
                for at in model.open() {
                    model.end(at);
                }
                model.questions.clear();
            }
            let mut done = ended(&core.take_effects());
            done.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(done, expected);
            prop_assert_eq!(core.calls(), model.open().len());
            prop_assert_eq!(core.questions.len(), model.questions.len());
            prop_assert_eq!(core.closed().is_some(), model.closed);
            let unsent: usize = core.out.iter().map(|message| message.body.len()).sum();
            prop_assert_eq!(core.unsent, unsent);
            let replies = core.out.iter().filter(|message| matches!(message.what, What::Answer { .. })).count();
            prop_assert_eq!(core.replies, replies);
        }
    }
}

#[test]
fn a_request_that_was_not_sent_is_not_connected_and_one_that_was_is_lost() {
    let mut core = Core::<u8>::new(BOUNDS);
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    for key in 0..2 {
        core.request(key, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    }
    core.pop().unwrap();
    core.close(&ClientError::ConnectionLost("gone".into()));
    for effect in core.take_effects() {
        let Effect::Done(key, Err(error)) = effect else { panic!("{effect:?}") };
        assert_eq!(error.is_outcome_unknown(), key == 0, "{error}");
        assert_eq!(matches!(error, ClientError::NotConnected(_)), key == 1, "{error}");
    }
}

#[test]
fn a_request_that_is_cancelled_before_it_is_sent_costs_no_message() {
    let mut core = Core::<u8>::new(BOUNDS);
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    let queued = core.request(0, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    core.cancel(queued, now());
    assert!(core.pop().is_none());
    let sent = core.request(1, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    core.pop().unwrap();
    core.cancel(sent, now());
    let cancel = core.pop().unwrap();
    assert!(matches!(cancel.what, What::Cancel { id } if id == sent));
    assert_eq!(
        cancel.body,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}"#
    );
}

#[test]
fn answers_to_a_server_that_does_not_read_are_bounded() {
    let mut core = Core::<u8>::new(BOUNDS);
    for ping in 0..10_000 {
        core.receive(frame(&format!(r#"{{"jsonrpc":"2.0","id":{ping},"method":"ping"}}"#)), None, now());
    }
    assert_eq!(core.out.len(), REPLIES);
    assert_eq!(core.ignored(), 10_000 - REPLIES as u64);
}

#[test]
fn open_questions_are_bounded() {
    let mut core = Core::<u8>::new(BOUNDS);
    for question in 0..1_000 {
        core.receive(
            frame(&format!(r#"{{"jsonrpc":"2.0","id":{question},"method":"roots/list"}}"#)),
            None,
            now(),
        );
        while core.pop().is_some() {}
    }
    assert_eq!(core.questions.len(), QUESTIONS);
    let asked = core.take_effects().iter().filter(|effect| matches!(effect, Effect::Ask { .. })).count();
    assert_eq!(asked, QUESTIONS);
}

#[test]
fn what_a_server_tells_has_a_longest_length() {
    let mut core = Core::<u8>::new(BOUNDS);
    for (bytes, events) in [(10, 1), (LARGEST, 0)] {
        let data = "x".repeat(bytes);
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"#;
        core.receive(frame(&format!("{log}\"{data}\"}}}}")), None, now());
        assert_eq!(core.take_effects().len(), events, "{bytes}");
    }
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: true, whom: None };
    core.request(0, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    let long = "é".repeat(LARGEST);
    core.receive(
        frame(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"progress":1,"message":"{long}"}}}}"#
        )),
        None,
        now(),
    );
    let effects = core.take_effects();
    let [Effect::Progress(0, Progress { message: Some(message), .. })] = &*effects else {
        panic!("{effects:?}")
    };
    assert_eq!(message.len(), PROGRESS_TEXT);
}

#[test]
fn what_is_not_sent_has_a_bound_in_bytes() {
    let mut core = Core::<u8>::new(Bounds { in_flight: 1_000, ..BOUNDS });
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    let long = vec![b' '; 1 << 20];
    let made = (0..40).map(|_| core.request(0, &request, |out, _| out.extend_from_slice(&long)));
    assert_eq!(made.filter(Result::is_ok).count(), 32);
}

#[test]
fn a_question_of_a_request_that_has_ended_is_withdrawn_and_answered() {
    let mut core = Core::<u8>::new(BOUNDS);
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    let id = core.request(7, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    core.pop().unwrap();
    core.receive(frame(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#), None, now());
    let effects = core.take_effects();
    assert!(matches!(&*effects, [Effect::Ask { about: Some(7), .. }]), "{effects:?}");
    core.cancel(id, now());
    let effects = core.take_effects();
    assert!(matches!(&*effects, [Effect::Withdraw(_)]), "{effects:?}");
    assert!(matches!(core.pop().unwrap().what, What::Answer { about: Some(1) }));
}

#[test]
fn a_question_among_several_requests_belongs_to_none_of_them() {
    let mut core = Core::<u8>::new(BOUNDS);
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    for key in 0..2 {
        core.request(key, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
    }
    core.receive(frame(r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#), None, now());
    core.receive(frame(r#"{"jsonrpc":"2.0","id":2,"method":"roots/list"}"#), Some(2), now());
    let effects = core.take_effects();
    assert!(
        matches!(&*effects, [Effect::Ask { about: None, .. }, Effect::Ask { about: Some(1), .. }]),
        "{effects:?}"
    );
}

#[test]
fn a_batch_is_its_messages() {
    let mut core = Core::<u8>::new(BOUNDS);
    let request = NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: None };
    for key in 0..2 {
        core.request(key, &request, |out, _| out.extend_from_slice(b"{}")).unwrap();
        core.pop().unwrap();
    }
    core.receive(
        frame(r#"[{"jsonrpc":"2.0","id":2,"result":{"a":2}},{"jsonrpc":"2.0","id":1,"result":{"a":1}},3]"#),
        None,
        now(),
    );
    let effects = core.take_effects();
    assert_eq!(effects.len(), 2);
    for effect in effects {
        let Effect::Done(key, Ok(result)) = effect else { panic!("an error") };
        assert_eq!(result.text(), format!(r#"{{"a":{}}}"#, key + 1));
    }
    assert_eq!(core.ignored(), 1);
}

#[test]
fn what_a_cancelled_request_still_asks_is_put_to_no_other_user() {
    let mut core = Core::<u8>::new(BOUNDS);
    let (ada, joe) = (ByteString::from("ada"), ByteString::from("joe"));
    let of =
        |whom| NewRequest { kind: Kind::Call, method: "m", name: None, reports: false, whom: Some(whom) };
    let began = now();
    let later = |seconds| began + std::time::Duration::from_secs(seconds);
    let mut asked = 0;
    let mut asks = |core: &mut Core<u8>, seconds| {
        asked += 1;
        let question = format!(r#"{{"jsonrpc":"2.0","id":{asked},"method":"roots/list"}}"#);
        core.receive(frame(&question), None, later(seconds));
        let effects = core.take_effects();
        let Some(Effect::Ask { about, .. }) = effects.last() else { panic!("{effects:?}") };
        *about
    };
    let make = |core: &mut Core<u8>, key, whom| {
        let id = core.request(key, &of(whom), |out, _| out.extend_from_slice(b"{}")).unwrap();
        while core.pop().is_some() {}
        id
    };
    let left = make(&mut core, 1, &ada);
    core.cancel(left, began);
    let own = make(&mut core, 2, &ada);
    assert_eq!(asks(&mut core, 1), Some(2), "ada's own");
    core.cancel(own, began);
    let other = make(&mut core, 3, &joe);
    assert_eq!(asks(&mut core, 1), None, "whose it is cannot be told");
    // An answer, late as it is, ends what was left; and so does time.
    core.receive(frame(&format!(r#"{{"jsonrpc":"2.0","id":{left},"result":{{}}}}"#)), None, later(2));
    assert_eq!(asks(&mut core, 2), None);
    core.receive(frame(&format!(r#"{{"jsonrpc":"2.0","id":{own},"result":{{}}}}"#)), None, later(3));
    assert_eq!(asks(&mut core, 3), Some(3));
    core.cancel(other, later(4));
    make(&mut core, 4, &ada);
    assert_eq!((asks(&mut core, 5), asks(&mut core, 603), asks(&mut core, 604)), (None, None, Some(4)));
}
