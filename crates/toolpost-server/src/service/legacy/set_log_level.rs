//! `logging/setLevel`: for the whole session.

use http::StatusCode;
use toolpost_protocol::{Code, Error};
use toolpost_tool::LogLevel;

use crate::service::Intake;
use crate::{Origin, Reply};

pub(super) fn answer(intake: &Intake, origin: &Origin) -> Reply {
    let level = intake.params.and_then(|at| intake.frame.node(at).member("level"));
    let Some(level) = level.and_then(|node| LogLevel::parse(&node.as_str()?)) else {
        let error = Error::new(Code::INVALID_PARAMS, "params.level is not a log level");
        return Reply::error(StatusCode::OK, &intake.id, &error);
    };
    if let Some(session) = &origin.session {
        session.set_log_level(level);
    }
    Reply::result(&intake.id, |out| out.extend_from_slice(b"{}"))
}
