//! `restante stop`.

use super::session::unexpected;
use super::{Failure, Output, Session};
use crate::control::protocol::{ControlReply, ControlRequest};

/// Asks the node to end.
pub(super) fn stop(session: &Session, out: &mut Output) -> Result<(), Failure> {
    match session.call(ControlRequest::Stop)? {
        ControlReply::Done => out.line("the node is stopping"),
        other => Err(unexpected(&other)),
    }
}
