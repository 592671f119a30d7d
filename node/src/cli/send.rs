//! `restante send`.

use super::args::{Common, SendArgs};
use super::output::progress;
use super::session::unexpected;
use super::terminal::{escape_line, now_ms, relative};
use super::{Failure, Output, Session, check};
use crate::config::{Config, Loaded, RawConfig};
use crate::control::protocol::{ControlReply, ControlRequest, SendRequest};
use crate::control::report::{Body, DeliveryState, SendResult};

/// Sends one message.
pub(super) fn send(common: &Common, args: &SendArgs, out: &mut Output) -> Result<(), Failure> {
    let to = check::who(&args.to)?;
    let ttl_ms = args.ttl.as_deref().map(check::ttl_ms).transpose()?;
    let burn_ms = args.burn.as_deref().map(check::burn_ms).transpose()?;
    let session = Session::open(common.home.as_deref())?;
    let ttl_ms = match ttl_ms {
        Some(ms) => ms,
        None => default_ttl_ms(&session)?,
    };
    let (file_name, body) = content(args)?;
    let request = SendRequest {
        to,
        body: Body::new(body),
        ttl_ms,
        burn_ms,
        file_name,
        wait: args.wait,
    };
    let mut told = String::new();
    let reply = session.call_with(ControlRequest::Send(request), |report| {
        let line = describe(&report);
        if line != told {
            progress(&line);
            told = line;
        }
    })?;
    let result = match reply {
        ControlReply::Sent(result) => result,
        other => return Err(unexpected(&other)),
    };
    if args.json {
        out.json(&result)?;
    } else {
        out.line(describe(&result))?;
        if !result.note.is_empty() {
            out.line(escape_line(&result.note))?;
        }
    }
    match result.state {
        DeliveryState::Expired => Err(Failure::failed(
            "the message expired before it was stored",
            "send it again with a longer --ttl",
        )),
        _ => Ok(()),
    }
}

/// Returns the name of the file, if it is one, and the bytes to send.
fn content(args: &SendArgs) -> Result<(Option<String>, Vec<u8>), Failure> {
    if let Some(path) = &args.file {
        let (name, bytes) = check::file(path)?;
        return Ok((Some(name), bytes));
    }
    let bytes = match args.text.as_slice() {
        [dash] if dash == "-" => check::standard_input()?,
        words => check::body(words.join(" ").into_bytes(), "the text")?,
    };
    Ok((None, bytes))
}

fn default_ttl_ms(session: &Session) -> Result<u64, Failure> {
    let file = session.home().config_file();
    let loaded = Loaded::load(&Config::default(), &file, RawConfig::default())?;
    Ok(loaded.config.ttl_ms)
}

fn describe(result: &SendResult) -> String {
    let id: String = result.message_id.chars().take(16).collect();
    let until = relative(now_ms(), result.until_ms);
    let keepers = format!("{} of {} keepers", result.stored_with, result.stored_of);
    let line = match result.state {
        DeliveryState::Waiting if result.stored_with == 0 => {
            format!("message {id} waits in the outbox until a keeper takes it, expires {until}")
        }
        DeliveryState::Waiting => {
            format!("message {id} is with {keepers}, more are being asked, expires {until}")
        }
        DeliveryState::Stored => format!("message {id} is stored with {keepers}, expires {until}"),
        DeliveryState::Delivered => format!("message {id} is delivered"),
        DeliveryState::Expired => format!("message {id} has expired"),
    };
    escape_line(&line)
}
