//! Contacts: who they are, and how they and this account stand.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use restante_interface::{
    CONTACT_PAGE_COUNT_MAX, ContactChange, ContactInfo, ContactPage, ContactState, Refusal, Reply,
    Stored, VerifyInfo,
};
use restante_proto::account::{PersonId, account_hash, verification_code};
use restante_proto::card::{Card, VerifiedCard};
use restante_proto::keys::PublicKey;
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::time::UnixMillis;

use crate::about;
use crate::cx::Cx;
use crate::io::CallId;
use crate::job::Resolution;
use crate::model::{Contact, FoundCard, InvalidWho, Sent, Who};
use crate::records::{Records, SenderMessage};
use crate::signal::{Intent, ResolveError, Signal};
use crate::then::Then;

/// Strangers that may wait for an answer at once; further ones stay at the keepers.
const REQUESTS_MAX: usize = 256;
/// Contacts of all kinds, at most.
const CONTACTS_MAX: usize = 10_000;

/// Characters of a text that is no ID which are told back.
const SHOWN_CHARS_MAX: usize = 100;
/// Contacts of one name that are told, at most.
const NAMESAKES_SHOWN_MAX: usize = 8;

fn is_full(records: &Records) -> bool {
    records.contacts().len() >= CONTACTS_MAX
}

fn full() -> Refusal {
    let max = u32::try_from(CONTACTS_MAX).unwrap_or(u32::MAX);
    Refusal::ContactsFull { max }
}

/// Begins to add a contact.
pub(crate) fn on_add(cx: &mut Cx<'_>, call: CallId, text: &str, petname: Option<String>) {
    match text.parse::<Who>() {
        Err(error) => cx.refuse(call, invalid(text, &error)),
        Ok(who) if is_full(cx.records) && cx.records.contact_by_id(&who.id).is_none() => {
            cx.refuse(call, full());
        }
        Ok(who) => {
            let intent = Intent::Add(call, Box::new((who, petname)));
            cx.signal(Signal::Resolve(intent));
        }
    }
}

/// Adds a contact once it was looked up.
pub(crate) fn on_resolved(
    cx: &mut Cx<'_>,
    call: CallId,
    (who, petname): (Who, Option<String>),
    result: Result<Box<Resolution>, ResolveError>,
) {
    let card = match usable_card(cx, &who, result) {
        Ok(card) => card,
        Err(refusal) => return cx.refuse(call, refusal),
    };
    let Some(contact) = cx.records.contacts().get(&card.card().account) else {
        let is_own = card.card().account == cx.records.account().identity.account;
        return cx.refuse(call, if is_own { Refusal::OwnId } else { full() });
    };
    let mut contact = contact.clone();
    contact.petname = petname.or(contact.petname);
    let account = contact.account;
    accept(cx, contact);
    cx.records.then(Then::AnswerContact(call, account));
}

/// Accepts a stranger, or lets a blocked contact in again.
pub(crate) fn on_accept(cx: &mut Cx<'_>, call: CallId, text: &str) {
    match living(cx.records, text) {
        Err(refusal) => cx.refuse(call, refusal),
        Ok((who, mut contact)) => {
            let account = contact.account;
            contact.ids.learn(&who.id, true);
            accept(cx, contact);
            cx.records.then(Then::AnswerContact(call, account));
        }
    }
}

/// Takes nothing from a contact from now on.
pub(crate) fn on_block(cx: &mut Cx<'_>, call: CallId, text: &str) {
    let contact = living(cx.records, text).map(|(_, contact)| contact);
    change(cx, call, contact, |contact| {
        contact.state = ContactState::Blocked
    });
}

/// Notes that the codes were compared.
pub(crate) fn on_verified(cx: &mut Cx<'_>, call: CallId, text: &str) {
    let contact = named(cx.records, text).map(|(_, contact)| contact);
    change(cx, call, contact, |contact| contact.verified = true);
}

/// Changes what is kept of a contact.
pub(crate) fn on_set(cx: &mut Cx<'_>, call: CallId, text: &str, wanted: &ContactChange) {
    let is_too_long = |time: &Option<u64>| time.is_some_and(|ms| ms > MESSAGE_TTL_MAX_MS);
    if [wanted.ttl_ms, wanted.burn_ms].iter().any(is_too_long) {
        let max_ms = MESSAGE_TTL_MAX_MS;
        return cx.refuse(call, Refusal::InvalidLifetime { max_ms });
    }
    let petname = wanted.petname.as_deref().map(str::trim);
    let contact = named(cx.records, text).map(|(_, contact)| contact);
    change(cx, call, contact, |contact| {
        if let Some(petname) = petname {
            contact.petname = Some(petname.to_owned()).filter(|petname| !petname.is_empty());
        }
        let wishes = &mut contact.wishes;
        let time = |ms: u64| Some(ms).filter(|ms| *ms > 0);
        wishes.ttl_ms = wanted.ttl_ms.map_or(wishes.ttl_ms, time);
        wishes.burn_ms = wanted.burn_ms.map_or(wishes.burn_ms, time);
        wishes.tells_read = wanted.tells_read.unwrap_or(wishes.tells_read);
        wishes.is_muted = wanted.muted.unwrap_or(wishes.is_muted);
        wishes.is_pinned = wanted.pinned.unwrap_or(wishes.is_pinned);
    });
}

/// Forgets a contact, with all that was said with it.
pub(crate) fn on_remove(cx: &mut Cx<'_>, call: CallId, text: &str) {
    let account = match named(cx.records, text) {
        Ok((_, contact)) => contact.account,
        Err(refusal) => return cx.refuse(call, refusal),
    };
    let inbox = cx.records.inbox().iter();
    let theirs = inbox.filter(|(_, header)| header.sender == account);
    let theirs: Vec<u64> = theirs.map(|(place, _)| *place).collect();
    for place in theirs {
        cx.records.destroy(place);
    }
    let sent = cx.records.sent().iter();
    let ours = sent.filter(|(_, sent)| sent.to == account);
    let ours: Vec<_> = ours.map(|(id, _)| *id).collect();
    for id in ours {
        cx.records.destroy_words(&id);
        about::drop_reactions(cx, id);
        cx.records.drop_sent(id);
    }
    cx.records.drop_reactions_by(&account);
    let due = cx.records.due().iter().chain(cx.records.read_due());
    let due: Vec<_> = due.filter(|(to, _)| *to == account).copied().collect();
    for named in due {
        cx.records.drop_due(named);
        cx.records.drop_read_due(named);
    }
    let outgoing = cx.records.outgoing().iter();
    let outgoing = outgoing.filter(|(_, it)| it.to == account);
    let left: BTreeSet<_> = outgoing.map(|(_, it)| it.message).collect();
    cx.signal(Signal::Withdrawn(left.into_iter().collect()));
    cx.records.drop_conversations_with(&account);
    cx.records.drop_contact(account);
    cx.records.then(Then::AnswerDone(call, Stored::Contact));
}

/// Finds the account of the contact that a person typed.
pub(crate) fn account_of(records: &Records, text: &str) -> Result<PublicKey, Refusal> {
    named(records, text).map(|(_, contact)| contact.account)
}

/// Tells the code that two people compare.
pub(crate) fn on_verify(cx: &mut Cx<'_>, call: CallId, text: &str) {
    let reply = named(cx.records, text).map(|(_, contact)| {
        let own = cx.records.account().identity.account;
        Reply::Verify(VerifyInfo {
            id: contact.id().to_string(),
            code: verification_code(&own, &contact.account),
            verified: contact.verified,
        })
    });
    cx.reply(call, reply);
}

/// Tells one page of the contacts.
pub(crate) fn on_list(cx: &mut Cx<'_>, call: CallId, after: Option<&str>) {
    let mut contacts: Vec<&Contact> = cx.records.contacts().values().collect();
    contacts.sort_by_cached_key(|contact| contact.id().to_string());
    let mut rest = contacts
        .into_iter()
        .filter(|contact| after.is_none_or(|after| contact.id().to_string().as_str() > after));
    let page = rest.by_ref().take(CONTACT_PAGE_COUNT_MAX);
    let page: Vec<ContactInfo> = page.map(info_of).collect();
    let last = page.last().map(|contact| contact.id.clone());
    let next = rest.next().and(last);
    let contacts = ContactPage {
        contacts: page,
        next,
    };
    cx.reply(call, Ok(Reply::Contacts(contacts)));
}

/// Answers somebody who changed a contact, once it is committed.
pub(crate) fn on_committed(cx: &mut Cx<'_>, call: CallId, account: &PublicKey, ok: bool) {
    let contact = cx.records.contacts().get(account).filter(|_| ok);
    let reply = contact.map(|contact| Reply::Contact(info_of(contact)));
    let refusal = Refusal::NotStored {
        what: Stored::Contact,
    };
    cx.reply(call, reply.ok_or(refusal));
}

/// Stages a contact as accepted; the delivery receipts for what it wrote before are due now, whether or not that has
/// burned since.
pub(crate) fn accept(cx: &mut Cx<'_>, mut contact: Contact) {
    contact.state = ContactState::Accepted;
    let account = contact.account;
    cx.records.put_contact(contact);
    let date = cx.date();
    let unheard = cx.records.seen().iter();
    let unheard = unheard.filter(|((sender, _), until)| *sender == account && **until > date);
    let unheard: Vec<SenderMessage> = unheard.map(|(named, _)| *named).collect();
    for named in unheard {
        cx.records.put_due(named);
    }
    cx.signal(Signal::ReceiptsDue);
}

/// Stages that the person writes to somebody: under this ID they are known from now on, and to write to a stranger is
/// to want to hear back.
pub(crate) fn on_written(cx: &mut Cx<'_>, account: &PublicKey, id: &PersonId) {
    let Some(known) = cx.records.contacts().get(account) else {
        return;
    };
    let mut contact = known.clone();
    contact.ids.learn(id, true);
    if contact.state == ContactState::Request {
        accept(cx, contact);
    } else if contact.ids != known.ids {
        cx.records.put_contact(contact);
    }
}

/// Stages somebody as a contact, unless they are one; tells whether they are now.
pub(crate) fn ensure(
    cx: &mut Cx<'_>,
    id: &PersonId,
    account: PublicKey,
    state: ContactState,
) -> bool {
    let contacts = cx.records.contacts();
    if contacts.contains_key(&account) {
        return true;
    }
    let requests = contacts
        .values()
        .filter(|contact| contact.state == ContactState::Request);
    let is_full = state == ContactState::Request && requests.count() >= REQUESTS_MAX;
    if is_full || contacts.len() >= CONTACTS_MAX {
        return false;
    }
    let contact = Contact::new(account, id.clone(), state, cx.date());
    cx.records.put_contact(contact);
    true
}

/// Stages what a lookup says: that its account exists, and its card.
pub(crate) fn learn(cx: &mut Cx<'_>, who: Option<&Who>, found: &Resolution) {
    let card = found.card.card();
    if card.account == cx.records.account().identity.account {
        return;
    }
    if let Some(who) = who.filter(|who| !card.terminated && who.matches(&card.account)) {
        ensure(cx, &who.id, card.account, ContactState::Accepted);
    }
    let Some(contact) = cx.records.contacts().get(&card.account) else {
        return;
    };
    let mut contact = contact.clone();
    let before = contact.last_card(cx.now.date);
    let delegation = contact.delegation;
    // A tombstone is the end, but for a later delegate.
    contact.see_delegation(&card.delegation);
    if card.terminated || (delegation.is_some() && contact.delegation != delegation) {
        // The devices of an earlier delegate are shut out.
        cx.records.drop_conversations_with(&card.account);
    }
    if contact.state == ContactState::Terminated {
        return;
    }
    if who.is_none_or(|who| who.matches(&card.account)) {
        contact.ids.learn(&found.id, who.is_some());
        contact.reach = found.id.clone();
    }
    contact.ids.see(&found.id, card.sequence);
    if card.terminated {
        contact.state = ContactState::Terminated;
        contact.found = None;
        contact.grants.clear();
    } else {
        let devices: Vec<PublicKey> = card
            .devices
            .iter()
            .map(|it| it.certificate.device)
            .collect();
        contact.grants.retain(|device, _| devices.contains(device));
        contact.granted.retain(|device, _| devices.contains(device));
        contact.found = Some(FoundCard {
            id: found.id.clone(),
            record: found.record.clone(),
            key: found.key.clone(),
            devices,
            is_outdated: false,
        });
        if let Some(before) = before {
            outdate(cx, before.card(), card);
        }
    }
    cx.records.put_contact(contact);
}

/// Has somebody who was not found looked up under another of their IDs the next time.
pub(crate) fn on_not_found(cx: &mut Cx<'_>, account: &PublicKey) {
    let contact = cx.records.contacts().get(account).cloned();
    if let Some(mut contact) = contact
        && contact.reach_elsewhere()
    {
        cx.records.put_contact(contact);
    }
}

/// Notes that messages under way were sealed for devices that may have lost their keys: the account has got others
/// since.
fn outdate(cx: &mut Cx<'_>, before: &Card, card: &Card) {
    let devices = |card: &Card| -> BTreeSet<PublicKey> {
        card.devices
            .iter()
            .map(|it| it.certificate.device)
            .collect()
    };
    if devices(card).is_subset(&devices(before)) {
        return;
    }
    let sent = cx.records.sent().iter();
    let under_way = sent.filter(|(_, sent)| {
        sent.to == card.account && sent.sent < card.issued && sent.is_under_way()
    });
    let under_way: Vec<_> = under_way.map(|(id, sent)| (*id, sent.clone())).collect();
    for (id, sent) in under_way {
        let is_outdated = true;
        cx.records.put_sent(
            id,
            Sent {
                is_outdated,
                ..sent
            },
        );
    }
}

/// Returns the card to seal to: the one found, or the last one seen if the network is away.
pub(crate) fn usable_card(
    cx: &Cx<'_>,
    who: &Who,
    result: Result<Box<Resolution>, ResolveError>,
) -> Result<VerifiedCard, Refusal> {
    let id = who.id.to_string();
    let card = match result {
        Ok(resolution) => resolution.card,
        Err(error) => {
            let known = cx.records.contact_by_id(&who.id);
            if known.is_some_and(|contact| contact.state == ContactState::Terminated) {
                return Err(Refusal::Terminated { id });
            }
            match (known.and_then(|contact| contact.card(cx.now.date)), error) {
                (Some(card), _) => card,
                (None, ResolveError::OtherDate) => return Err(Refusal::OtherDate { id }),
                (None, ResolveError::NotFound) => return Err(Refusal::UnknownId { id }),
                (None, ResolveError::Unusable(fault)) => {
                    let why = fault.to_string();
                    return Err(Refusal::UnusableCard { id, why });
                }
                (None, ResolveError::Offline) => return Err(Refusal::Offline),
                (None, ResolveError::GivenUp) => return Err(Refusal::Stopping),
            }
        }
    };
    if card.card().terminated {
        return Err(Refusal::Terminated { id });
    }
    if !who.matches(&card.card().account) {
        return Err(Refusal::LinkMismatch { id });
    }
    Ok(card)
}

/// Drops strangers who wrote, were not answered, and of whom no message is left.
pub(crate) fn forget_strangers(cx: &mut Cx<'_>) {
    let inbox = cx.records.inbox();
    let contacts = cx.records.contacts().values();
    let gone: Vec<PublicKey> = contacts
        .filter(|contact| contact.state == ContactState::Request)
        .map(|contact| contact.account)
        .filter(|account| inbox.values().all(|header| header.sender != *account))
        .collect();
    for account in gone {
        cx.records.drop_contact(account);
    }
}

/// Returns why a contact cannot be written to.
pub(crate) fn refusal_of(contact: &Contact) -> Option<Refusal> {
    let id = contact.id().to_string();
    match contact.state {
        ContactState::Blocked => Some(Refusal::Blocked { id }),
        // Looked up again: a later delegate may have brought the account back.
        ContactState::Terminated | ContactState::Request | ContactState::Accepted => None,
    }
}

pub(crate) fn invalid(text: &str, error: &InvalidWho) -> Refusal {
    Refusal::InvalidId {
        text: text.chars().take(SHOWN_CHARS_MAX).collect(),
        why: error.to_string(),
    }
}

fn change(
    cx: &mut Cx<'_>,
    call: CallId,
    contact: Result<Contact, Refusal>,
    change: impl FnOnce(&mut Contact),
) {
    match contact {
        Err(refusal) => cx.refuse(call, refusal),
        Ok(mut contact) => {
            change(&mut contact);
            let account = contact.account;
            cx.records.put_contact(contact);
            cx.records.then(Then::AnswerContact(call, account));
        }
    }
}

/// Finds the recipient that a person names: by ID, link, private name or handle of a contact.
///
/// A stranger who has written is never matched by handle, which may be a friend's too.
pub(crate) fn addressee(records: &Records, text: &str) -> Result<Who, Refusal> {
    match text.parse() {
        Ok(who) => Ok(who),
        Err(error) => called(records, text, &error, |contact| {
            contact.state != ContactState::Request
        }),
    }
}

/// Finds the only contact that is called so: by its private name, or else by its handle.
fn called(
    records: &Records,
    text: &str,
    error: &InvalidWho,
    is_meant: impl Fn(&Contact) -> bool,
) -> Result<Who, Refusal> {
    let name = text.trim().to_lowercase();
    if name.is_empty() || text.contains(['.', ':']) {
        return Err(invalid(text, error));
    }
    let all = || records.contacts().values().filter(|it| is_meant(it));
    let petname = |contact: &&Contact| {
        let petname = contact.petname.as_deref();
        petname.is_some_and(|petname| petname.trim().to_lowercase() == name)
    };
    let mut found: Vec<&PersonId> = all().filter(petname).map(Contact::id).collect();
    if found.is_empty() {
        found.extend(all().filter_map(|contact| contact.ids.called(&name)));
    }
    let name = || text.chars().take(SHOWN_CHARS_MAX).collect();
    match found.as_slice() {
        [only] => Ok(Who::of((*only).clone())),
        [] => Err(Refusal::UnknownName { name: name() }),
        several => Err(Refusal::AmbiguousName {
            name: name(),
            ids: several
                .iter()
                .take(NAMESAKES_SHOWN_MAX)
                .map(ToString::to_string)
                .collect(),
        }),
    }
}

/// Finds the contact that a person typed.
fn named(records: &Records, text: &str) -> Result<(Who, Contact), Refusal> {
    let who: Who = match text.parse() {
        Ok(who) => who,
        Err(error) => called(records, text, &error, |_| true)?,
    };
    let contact = records.contact_by_id(&who.id);
    match contact.filter(|contact| who.matches(&contact.account)) {
        Some(contact) => Ok((who, contact.clone())),
        None => Err(Refusal::NotAContact {
            id: who.id.to_string(),
        }),
    }
}

/// Finds a contact, and refuses one whose account was terminated.
fn living(records: &Records, text: &str) -> Result<(Who, Contact), Refusal> {
    let (who, contact) = named(records, text)?;
    if contact.state == ContactState::Terminated {
        let id = contact.id().to_string();
        return Err(Refusal::Terminated { id });
    }
    Ok((who, contact))
}

pub(crate) fn info_of(contact: &Contact) -> ContactInfo {
    let others = contact.ids.iter().skip(1);
    ContactInfo {
        id: contact.id().to_string(),
        other_ids: others.map(|known| known.id.to_string()).collect(),
        petname: contact.petname.clone(),
        state: contact.state,
        verified: contact.verified,
        fingerprint: Some(HEXLOWER.encode(&account_hash(&contact.account))),
        added_ms: contact.added.get(),
        last_seen_ms: contact.last_seen.map(UnixMillis::get),
        ttl_ms: contact.wishes.ttl_ms,
        burn_ms: contact.wishes.burn_ms,
        tells_read: contact.wishes.tells_read,
        muted: contact.wishes.is_muted,
        pinned: contact.wishes.is_pinned,
    }
}

#[cfg(test)]
mod tests;
