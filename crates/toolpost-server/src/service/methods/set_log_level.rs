//! `logging/setLevel`: for the whole session.

use toolpost_protocol::{Code, Error};
use toolpost_tool::LogLevel;

use crate::service::result::failed;
use crate::service::{Era, Intake, Service};
use crate::{Peer, Reply};

pub(super) fn answer(_: &Service, intake: &Intake, peer: &Peer) -> Reply {
    let level = intake.params.and_then(|at| intake.frame.node(at).member("level"));
    let Some(level) = level.and_then(|node| LogLevel::parse(&node.as_str()?)) else {
        let error = Error::new(Code::INVALID_PARAMS, "params.level is not a log level");
        return failed(Era::Legacy, &intake.id, &error);
    };
    if let Some(session) = &peer.session {
        session.set_log_level(level);
    }
    Reply::done(&intake.id)
}
