//! `restante contact`.

use restante_interface::{ContactChange, ContactInfo, ContactState, Reply, Request, VerifyInfo};

use super::args::{Common, ContactCommand, ContactSetArgs, Switch};
use super::output::Done;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms, relative};
use super::{Failure, Output, Session, check};
use crate::config::units::approximate_duration_ms;
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
        ContactCommand::Rename { who, name, json } => {
            let petname = match name.as_deref() {
                Some(name) => petname(name)?,
                None => String::new(),
            };
            let change = ContactChange {
                petname: Some(petname),
                ..ContactChange::default()
            };
            set(&open()?, who, change, *json, out)
        }
        ContactCommand::Set(args) => {
            let change = wanted(args)?;
            set(&open()?, &args.who, change, args.json, out)
        }
        ContactCommand::Mute { who, off, json } => {
            let change = ContactChange {
                muted: Some(!off),
                ..ContactChange::default()
            };
            set(&open()?, who, change, *json, out)
        }
        ContactCommand::Remove { who, json } => {
            let who = check::somebody(who)?;
            match open()?.call(Request::ContactRemove { who: who.clone() })? {
                Reply::Done if *json => out.json(&Done::default()),
                Reply::Done => out.line(format!(
                    "{} is forgotten, with all that was said",
                    escape_line(&who)
                )),
                other => Err(unexpected(&other)),
            }
        }
        ContactCommand::Verify { who, matched, json } => {
            let who = check::somebody(who)?;
            verify(&open()?, who, *matched, *json, out)
        }
    }
}

/// Changes what is kept of a contact, and tells how it is treated then.
fn set(
    session: &Session,
    who: &str,
    change: ContactChange,
    json: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let who = check::somebody(who)?;
    let contact = one(session, Request::ContactSet { who, change })?;
    if json {
        return out.json(&contact);
    }
    out.line(treated(&contact))
}

/// Reads the flags of `contact set`.
fn wanted(args: &ContactSetArgs) -> Result<ContactChange, Failure> {
    let ttl_ms = match args.ttl.as_deref() {
        Some("default") => Some(0),
        given => given.map(check::ttl_ms).transpose()?,
    };
    let burn_ms = match args.burn.as_deref() {
        Some("off") => Some(0),
        given => given.map(check::burn_ms).transpose()?,
    };
    let is_on = |switch: Option<Switch>| switch.map(|switch| switch == Switch::On);
    let change = ContactChange {
        petname: None,
        ttl_ms,
        burn_ms,
        tells_read: is_on(args.tell_read),
        muted: is_on(args.mute),
        pinned: is_on(args.pin),
    };
    if change == ContactChange::default() {
        return Err(Failure::usage(
            "nothing is to be changed",
            "give --ttl, --burn, --tell-read, --mute or --pin",
        ));
    }
    Ok(change)
}

/// Returns how messages with a contact are treated.
pub(super) fn treated(contact: &ContactInfo) -> String {
    let mut parts = Vec::new();
    parts.extend(
        contact
            .petname
            .as_ref()
            .map(|name| format!("called {}", escape_line(name))),
    );
    parts.extend(
        contact
            .ttl_ms
            .map(|ms| format!("messages live {}", approximate_duration_ms(ms))),
    );
    parts.extend(contact.burn_ms.map(|ms| {
        let after = approximate_duration_ms(ms);
        format!("messages burn {after} after reading")
    }));
    let switches = [
        (contact.tells_read, "is told what was read"),
        (contact.muted, "muted"),
        (contact.pinned, "pinned"),
    ];
    parts.extend(
        switches
            .iter()
            .filter(|(is_on, _)| *is_on)
            .map(|(_, said)| (*said).to_owned()),
    );
    let who = named(contact);
    match parts.is_empty() {
        true => format!("{who}: nothing special"),
        false => format!("{who}: {}", parts.join(", ")),
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
