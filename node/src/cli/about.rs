//! `restante react`, `recall` and `delete`.

use restante_interface::{Reply, Request};

use super::args::{MessagesArgs, ReactArgs};
use super::output::Done;
use super::session::unexpected;
use super::{Failure, Output, Session, check};

pub(super) fn react(session: &Session, args: &ReactArgs, out: &mut Output) -> Result<(), Failure> {
    let id = check::message_name(&args.id)?;
    let emoji = args.emoji.clone().unwrap_or_default();
    let emoji = emoji.trim().to_owned();
    ask(session, Request::React { id, emoji })?;
    let said = match args.remove {
        true => "taken back",
        false => "on its way",
    };
    tell(args.json, said, out)
}

pub(super) fn recall(
    session: &Session,
    args: &MessagesArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let ids = names(&args.ids)?;
    ask(session, Request::Recall { ids })?;
    let said = "gone here; their recipients' nodes are asked to destroy them too";
    tell(args.json, said, out)
}

pub(super) fn delete(
    session: &Session,
    args: &MessagesArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let ids = names(&args.ids)?;
    ask(session, Request::Delete { ids })?;
    tell(args.json, "gone here", out)
}

fn names(ids: &[String]) -> Result<Vec<String>, Failure> {
    ids.iter().map(|id| check::message_name(id)).collect()
}

fn ask(session: &Session, request: Request) -> Result<(), Failure> {
    match session.call(request)? {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn tell(json: bool, said: &str, out: &mut Output) -> Result<(), Failure> {
    match json {
        true => out.json(&Done::default()),
        false => out.line(said),
    }
}
