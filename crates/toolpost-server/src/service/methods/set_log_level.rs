//! `logging/setLevel`: for the whole session.

use toolpost_protocol::{Code, Error};
use toolpost_tool::LogLevel;

use crate::service::result::failed;
use crate::service::{Era, RequestEnvelope, Service};
use crate::{Peer, Reply};

pub(super) fn answer(_: &Service, request: &RequestEnvelope, peer: &Peer) -> Reply {
    let level = request.params.and_then(|at| request.frame.node(at).member("level"));
    let Some(level) = level.and_then(|node| LogLevel::parse(&node.as_str()?)) else {
        let error = Error::new(Code::INVALID_PARAMS, "params.level is not a log level");
        return failed(Era::Legacy, &request.id, &error);
    };
    if let Some(session) = &peer.session {
        session.set_log_level(level);
    }
    Reply::done(&request.id)
}
