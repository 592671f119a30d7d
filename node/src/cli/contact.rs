//! `restante contact add`, `list`, `accept`, `block` and `verify`.

use restante_interface::{ContactInfo, ContactState, Reply, Request, VerifyInfo};

use super::args::{Common, ContactCommand};
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, check};
use crate::control::checks::PETNAME_CHARS_MAX;

pub(super) fn contact(
    common: &Common,
    command: &ContactCommand,
    out: &mut Output,
) -> Result<(), Failure> {
    let open = || Session::open(common.home.as_deref());
    match command {
        ContactCommand::Add { who, name, json } => {
            let who = check::who(who)?;
            let petname = name.as_deref().map(petname).transpose()?;
            let contact = one(&open()?, Request::ContactAdd { who, petname })?;
            if *json {
                return out.json(&contact);
            }
            out.line(format!("{} is a contact now", named(&contact)))
        }
        ContactCommand::List { json } => list(&open()?, *json, out),
        ContactCommand::Accept { who, json } => {
            let who = check::somebody(who)?;
            let contact = one(&open()?, Request::ContactAccept { who })?;
            if *json {
                return out.json(&contact);
            }
            out.line(format!("{} is a contact now", named(&contact)))
        }
        ContactCommand::Block { who, json } => {
            let who = check::somebody(who)?;
            let contact = one(&open()?, Request::ContactBlock { who })?;
            if *json {
                return out.json(&contact);
            }
            let who = named(&contact);
            out.line(format!(
                "{who} is blocked: what arrives from them from now on is destroyed unread, until you accept them again"
            ))
        }
        ContactCommand::Verify { who, matched, json } => {
            let who = check::somebody(who)?;
            verify(&open()?, who, *matched, *json, out)
        }
    }
}

fn petname(text: &str) -> Result<String, Failure> {
    let name = text.trim();
    if (1..=PETNAME_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(name.to_owned());
    }
    Err(Failure::usage(
        format!("--name takes 1 to {PETNAME_CHARS_MAX} characters"),
        "give a shorter name",
    ))
}

fn one(session: &Session, request: Request) -> Result<ContactInfo, Failure> {
    match session.call(request)? {
        Reply::Contact(contact) => Ok(contact),
        other => Err(unexpected(&other)),
    }
}

fn list(session: &Session, json: bool, out: &mut Output) -> Result<(), Failure> {
    let mut after = None;
    let mut rows = Vec::new();
    loop {
        let page = match session.call(Request::ContactList { after })? {
            Reply::Contacts(page) => page,
            other => return Err(unexpected(&other)),
        };
        for contact in &page.contacts {
            if json {
                out.json(contact)?;
            } else {
                rows.push(row(contact, now_ms()));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for line in align(&rows) {
        out.line(line)?;
    }
    if rows.is_empty() && !json {
        out.line("no contacts; add one with `restante contact add ID`")?;
    }
    Ok(())
}

/// Returns all IDs that a contact goes by: what is decided about it holds under each.
fn named(contact: &ContactInfo) -> String {
    let mut text = contact.id.clone();
    if !contact.other_ids.is_empty() {
        text.push_str(&format!(" (also {})", contact.other_ids.join(", ")));
    }
    escape_line(&text)
}

/// Returns what is listed of a contact.
pub(super) fn row(contact: &ContactInfo, now_ms: u64) -> Vec<String> {
    let state = match (contact.state, contact.verified) {
        (ContactState::Request, _) => "wants to reach you",
        (ContactState::Accepted, true) => "contact, verified",
        (ContactState::Accepted, false) => "contact",
        (ContactState::Blocked, _) => "blocked",
        (ContactState::Terminated, _) => "account terminated",
    };
    let seen = contact.last_seen_ms.map_or_else(String::new, |ms| {
        format!("heard from {}", relative(now_ms, ms))
    });
    let petname = contact.petname.as_deref().unwrap_or_default();
    vec![named(contact), escape_line(petname), state.to_owned(), seen]
}

fn verify(
    session: &Session,
    who: String,
    matched: bool,
    json: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    if matched {
        let contact = one(session, Request::ContactVerified { who: who.clone() })?;
        if !json {
            return out.line(format!("{} is verified", named(&contact)));
        }
    }
    let info = match session.call(Request::ContactVerify { who })? {
        Reply::Verify(info) => info,
        other => return Err(unexpected(&other)),
    };
    if json {
        return out.json(&info);
    }
    let VerifyInfo { id, code, verified } = info;
    let id = escape_line(&id);
    out.line(escape_line(&code))?;
    if verified {
        return out.line(format!("{id} was verified before"));
    }
    out.line(format!(
        "{id} sees the same code. If it matches: `restante contact verify {id} --match`"
    ))
}
