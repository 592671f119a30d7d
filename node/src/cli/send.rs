//! `restante send` and `edit`.

use restante_interface::{Body, DeliveryState, Reply, Request, SendRequest, SendResult};

use super::args::{Common, EditArgs, SendArgs};
use super::output::progress;
use super::session::unexpected;
use super::terminal::escape_line;
use super::{Failure, Output, Session, check, words};
use crate::config::{Config, Loaded, Origin, RawConfig};

pub(super) fn send(common: &Common, args: &SendArgs, out: &mut Output) -> Result<(), Failure> {
    let to = check::somebody(&args.to)?;
    let ttl_ms = args.ttl.as_deref().map(check::ttl_ms).transpose()?;
    let burn_ms = args.burn.as_deref().map(check::burn_ms).transpose()?;
    let effort_max = args.effort.as_deref().map(check::effort).transpose()?;
    let reply_to = args.reply_to.as_deref();
    let reply_to = reply_to.map(check::message_name).transpose()?;
    let session = Session::open(common.home.as_deref())?;
    let ttl_ms = match ttl_ms {
        None => ttl_of_environment(&session)?,
        given => given,
    };
    if let Some(ttl_ms) = ttl_ms {
        check::burns_in_time(burn_ms, ttl_ms)?;
    }
    let (file_name, body) = content(args)?;
    let request = SendRequest {
        to,
        body: Body::new(body),
        ttl_ms,
        burn_ms,
        file_name,
        effort_max,
        reply_to,
        replaces: None,
        wait: args.wait,
    };
    deliver(&session, request, args.json, out)
}

/// Changes the words of a message.
pub(super) fn edit(common: &Common, args: &EditArgs, out: &mut Output) -> Result<(), Failure> {
    let id = check::message_name(&args.id)?;
    let request = SendRequest {
        to: String::new(),
        body: Body::new(text(&args.text)?),
        ttl_ms: None,
        burn_ms: None,
        file_name: None,
        effort_max: None,
        reply_to: None,
        replaces: Some(id),
        wait: false,
    };
    let session = Session::open(common.home.as_deref())?;
    deliver(&session, request, args.json, out)
}

/// Has the node send a message, and says what becomes of it.
fn deliver(
    session: &Session,
    request: SendRequest,
    json: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let wait = request.wait;
    let mut told = String::new();
    let reply = session.call_with(Request::Send(request), |report| {
        let line = escape_line(&words::standing(&report));
        if line != told {
            progress(&line);
            told = line;
        }
    });
    let reply = reply.map_err(perhaps_sent)?;
    let result = match reply {
        Reply::Sent(result) => result,
        other => return Err(unexpected(&other)),
    };
    tell(&result, json, out).map_err(|failure| Failure {
        hint: "the message is sent all the same: do not send it again".to_owned(),
        ..failure
    })?;
    match result.state {
        DeliveryState::Expired => Err(Failure::failed(
            "the message expired before it was stored",
            "send it again with a longer --ttl",
        )
        .coded("message_expired")),
        DeliveryState::Waiting if wait => Err(Failure::failed(
            "the node stopped before the message was stored",
            "the message goes on at the next start: do not send it again",
        )
        .coded("stopping")),
        _ => Ok(()),
    }
}

/// Says what became of a message.
fn tell(result: &SendResult, json: bool, out: &mut Output) -> Result<(), Failure> {
    if json {
        out.json(result)?;
    } else {
        out.line(escape_line(&words::standing(result)))?;
        let more = words::while_waiting(result);
        if !more.is_empty() {
            out.line(more)?;
        }
    }
    out.flush()
}

/// A node that has ended, or does not answer, may have taken the message.
fn perhaps_sent(failure: Failure) -> Failure {
    match failure.code {
        "node_ended" => Failure {
            hint: "start it again, and see in its `status` whether it has the message before you send it again"
                .to_owned(),
            ..failure
        },
        "node_silent" => Failure {
            hint: "it may send the message all the same: see in its `status`, once it answers, before you send it again"
                .to_owned(),
            ..failure
        },
        _ => failure,
    }
}

/// Returns the bytes to send, and the name of the file if they come from one.
fn content(args: &SendArgs) -> Result<(Option<String>, Vec<u8>), Failure> {
    if let Some(path) = &args.file {
        let (name, bytes) = check::file(path)?;
        return Ok((Some(name), bytes));
    }
    Ok((None, text(&args.text)?))
}

/// Returns a text as it was typed, or from standard input.
fn text(typed: &[String]) -> Result<Vec<u8>, Failure> {
    match typed {
        [dash] if dash == "-" => check::standard_input(),
        words => check::body(words.join(" ").into_bytes(), "the text"),
    }
}

/// Returns how long messages live by this command's environment; the node knows what its own settings say.
fn ttl_of_environment(session: &Session) -> Result<Option<u64>, Failure> {
    let file = session.home().config_file();
    let loaded = Loaded::load(&Config::default(), &file, RawConfig::default())?;
    let is_set = matches!(loaded.origin("ttl"), Some(Origin::Environment(_)));
    Ok(is_set.then_some(loaded.config.ttl_ms))
}
