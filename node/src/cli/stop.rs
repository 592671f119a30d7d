//! `restante stop`.

use restante_interface::{Reply, Request};

use super::session::unexpected;
use super::{Failure, Output, Session};

pub(super) fn stop(session: &Session, out: &mut Output) -> Result<(), Failure> {
    match session.call(Request::Stop)? {
        Reply::Done => out.line("the node is stopping"),
        other => Err(unexpected(&other)),
    }
}
