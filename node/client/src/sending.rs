//! From a person's words to staged envelopes, and back to who waits for them.

use std::collections::BTreeSet;

use bytes::Bytes;
use restante_interface::{
    DeliveryState, Event, Refusal, Reply, SEND_ANSWER_MS, SendRequest, SendResult, Stored,
};
use restante_proto::card::VerifiedCard;
use restante_proto::keys::PublicKey;
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::message::{Content, Message, MessageId, Reference, Text};
use restante_proto::outbox::OUTBOX_COUNT_MAX;
use restante_proto::stamp::EFFORT_MAX;
use restante_proto::time::{MonoMillis, UnixMillis};

use crate::about;
use crate::contacts;
use crate::cx::Cx;
use crate::history;
use crate::io::CallId;
use crate::job::Resolution;
use crate::model::{Sent, Who, Words};
use crate::placing::Placing;
use crate::sealing::{self, Granting};
use crate::signal::{Intent, ResolveError, Signal};
use crate::then::{OwnSend, Sealed, SealedFor, Then};

/// How long a message that is stored waits for the last receipts before its sender is told, in milliseconds.
const LAST_RECEIPTS_MS: u64 = 1_500;

/// Those who wait for messages of theirs.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    call: CallId,
    message: MessageId,
    deadline: Option<MonoMillis>,
}

impl Sending {
    /// Begins to send what somebody asks for.
    pub(crate) fn on_request(&self, cx: &mut Cx<'_>, call: CallId, request: SendRequest) {
        let to = match whom(cx, &request) {
            Ok(to) => to,
            Err(refusal) => return cx.refuse(call, refusal),
        };
        let who = match contacts::addressee(cx.records, &to) {
            Ok(who) => who,
            Err(refusal) => return cx.refuse(call, refusal),
        };
        if let Err(refusal) = check_times(cx, &request) {
            return cx.refuse(call, refusal);
        }
        let waiting = cx.records.outgoing().len();
        if waiting >= OUTBOX_COUNT_MAX {
            let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
            return cx.refuse(call, Refusal::OutboxFull { waiting });
        }
        let may_pay = |effort: u32| (1..=EFFORT_MAX).contains(&effort);
        if !request.effort_max.is_none_or(may_pay) {
            let name = "effort_max".to_owned();
            return cx.refuse(call, Refusal::InvalidParameter { name });
        }
        if who.id == cx.records.account().id {
            return cx.refuse(call, Refusal::OwnId);
        }
        let contact = cx.records.contact_by_id(&who.id);
        if let Some(refusal) = contact.and_then(contacts::refusal_of) {
            return cx.refuse(call, refusal);
        }
        let fresh = contact
            .filter(|contact| who.matches(&contact.account))
            .and_then(|contact| contact.fresh_card(cx.now.date));
        match fresh {
            Some(card) => send_rechecked(cx, call, &who, &card, &request),
            None => cx.signal(Signal::Resolve(Intent::Send(
                call,
                Box::new((who, request)),
            ))),
        }
    }

    /// Sends once the recipient was looked up.
    pub(crate) fn on_resolved(
        &self,
        cx: &mut Cx<'_>,
        call: CallId,
        (who, request): (Who, SendRequest),
        result: Result<Box<Resolution>, ResolveError>,
    ) {
        if cx.shut_out {
            return cx.refuse(call, Refusal::ShutOut);
        }
        let is_found = result.is_ok();
        match contacts::usable_card(cx, &who, result) {
            Ok(card) if is_found => drop(send(cx, call, &who, &card, &request)),
            Ok(card) => send_rechecked(cx, call, &who, &card, &request),
            Err(refusal) => cx.refuse(call, refusal),
        }
    }

    /// Notes who waits, once the message is committed.
    pub(crate) fn on_committed(&mut self, cx: &mut Cx<'_>, message: MessageId, own: &OwnSend) {
        let sent = cx.records.sent().get(&message);
        if let Some(original) = sent.and_then(|sent| sent.replaces) {
            // Earlier forms are offered no longer.
            let versions = about::versions(cx, &original).into_iter();
            let earlier: Vec<_> = versions.filter(|version| *version != message).collect();
            cx.signal(Signal::Withdrawn(earlier));
        }
        let deadline = (!own.wait).then(|| cx.mono().plus(SEND_ANSWER_MS));
        self.waiters.push(Waiter {
            call: own.call,
            message,
            deadline,
        });
    }

    /// Forgets somebody who has gone away.
    pub(crate) fn on_gone(&mut self, call: CallId) {
        self.waiters.retain(|waiter| waiter.call != call);
    }

    /// Tells how far a message has come.
    pub(crate) fn on_progress(&mut self, cx: &mut Cx<'_>, placing: &Placing, message: MessageId) {
        let Some(result) = result_of(cx, placing, message) else {
            return;
        };
        let is_over = match result.state {
            DeliveryState::Waiting => false,
            DeliveryState::Stored => result.stored_with == result.stored_of,
            DeliveryState::Delivered | DeliveryState::Expired => true,
        };
        let sent = cx.records.sent().get(&message);
        let is_over = is_over || sent.is_some_and(|sent| sent.replaced_by.is_some());
        let soon = cx.mono().plus(LAST_RECEIPTS_MS);
        self.waiters.retain_mut(|waiter| {
            if waiter.message != message {
                return true;
            }
            if is_over {
                cx.reply(waiter.call, Ok(Reply::Sent(result.clone())));
                return false;
            }
            cx.progress(waiter.call, result.clone());
            if result.state == DeliveryState::Stored {
                waiter.deadline = Some(waiter.deadline.map_or(soon, |due| due.min(soon)));
            }
            true
        });
        cx.event(Event::Sent(result));
    }

    /// Answers those who have waited long enough.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>, placing: &Placing) {
        let now = cx.mono();
        self.waiters.retain(|waiter| {
            if waiter.deadline.is_none_or(|deadline| deadline > now) {
                return true;
            }
            let result = result_of(cx, placing, waiter.message);
            let reply = result.map(Reply::Sent).ok_or(Refusal::MessageGone);
            cx.reply(waiter.call, reply);
            false
        });
    }

    /// Tells all who wait how far their messages have come: they go on at the next start.
    pub(crate) fn on_stopping(&mut self, cx: &mut Cx<'_>, placing: &Placing) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(result) = result_of(cx, placing, waiter.message) {
                cx.reply(waiter.call, Ok(Reply::Sent(result)));
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        self.waiters
            .iter()
            .filter_map(|waiter| waiter.deadline)
            .min()
    }
}

/// Sends by a card that was not looked up for it, and has it looked up when no delivery receipt comes.
fn send_rechecked(
    cx: &mut Cx<'_>,
    call: CallId,
    who: &Who,
    card: &VerifiedCard,
    request: &SendRequest,
) {
    if let Some(message) = send(cx, call, who, card, request) {
        cx.signal(Signal::Recheck(message));
    }
}

/// Seals and stages a message, and returns its name.
fn send(
    cx: &mut Cx<'_>,
    call: CallId,
    who: &Who,
    card: &VerifiedCard,
    request: &SendRequest,
) -> Option<MessageId> {
    let account = card.card().account;
    let plan = match plan(cx, &account, request) {
        Ok(plan) => plan,
        Err(refusal) => {
            cx.refuse(call, refusal);
            return None;
        }
    };
    let Plan {
        expires,
        burn_ms,
        reply_to,
        replaces,
        read,
    } = plan;
    let words = Bytes::copy_from_slice(request.body.as_bytes());
    let file_name = request.file_name.clone().unwrap_or_default();
    let content = Content::Text(Text {
        body: words.clone(),
        burn_ms,
        file_name: file_name.clone(),
        reply_to,
        replaces,
    });
    let id = MessageId::random(&mut cx.rng);
    let identity = &cx.records.account().identity;
    let message = Message::new(identity, id, cx.now.date, content);
    let all = BTreeSet::new();
    let sealed = match sealing::seal(cx, card, &message, expires, Granting::WithFirst, &all) {
        Ok(sealed) => sealed,
        Err(error) => {
            cx.refuse(call, sealing::refusal_of(error, who.id.to_string()));
            return None;
        }
    };
    contacts::on_written(cx, &account, &who.id);
    let sent = Sent {
        to: account,
        id: who.id.clone(),
        effort_max: request.effort_max,
        state: DeliveryState::Waiting,
        sent: cx.date(),
        expires,
        is_outdated: false,
        burn_ms,
        file_name,
        reply_to,
        replaces,
        replaced_by: None,
        read,
        recalled: None,
        is_hidden: false,
        place: cx.records.next_place(cx.now.date),
        words: Words::Staged,
    };
    if let Some(original) = replaces {
        replace(cx, &original, id);
    }
    cx.records.put_words(id, sent, words);
    let envelopes = sealed
        .iter()
        .map(|outgoing| outgoing.envelope.id())
        .collect();
    let wait = request.wait;
    cx.records.then(Then::Send(Sealed {
        envelopes,
        what: SealedFor::Person(id, OwnSend { call, wait }),
    }));
    Some(id)
}

/// What a message that is sent is to be beside its words.
struct Plan {
    expires: UnixMillis,
    burn_ms: u64,
    reply_to: Option<Reference>,
    replaces: Option<MessageId>,
    /// When what it replaces was read: it burns as long after that.
    read: Option<UnixMillis>,
}

/// Returns whom a message is for, as the person says, or as the message that it replaces does.
fn whom(cx: &Cx<'_>, request: &SendRequest) -> Result<String, Refusal> {
    let Some(id) = request.replaces.as_ref().filter(|_| request.to.is_empty()) else {
        return Ok(request.to.clone());
    };
    let own = match history::find(cx, id) {
        Some(history::Item::Own(own)) => cx.records.sent().get(&own),
        _ => None,
    };
    let to = own.map(|sent| sent.id.to_string());
    to.ok_or_else(|| Refusal::NoSuchMessage { id: id.clone() })
}

/// Checks how long a message is to live, as far as its sender says so.
fn check_times(cx: &Cx<'_>, request: &SendRequest) -> Result<(), Refusal> {
    let ttl_ms = request.ttl_ms.unwrap_or(cx.settings.ttl_ms);
    if ttl_ms == 0 || ttl_ms > MESSAGE_TTL_MAX_MS {
        let max_ms = MESSAGE_TTL_MAX_MS;
        return Err(Refusal::InvalidLifetime { max_ms });
    }
    let ttl_ms = request.ttl_ms.unwrap_or(MESSAGE_TTL_MAX_MS);
    match request.burn_ms {
        Some(burn_ms) if burn_ms > ttl_ms => Err(Refusal::BurnsTooLate { ttl_ms }),
        _ => Ok(()),
    }
}

/// Decides how long a message to an account lives, and finds those that it names.
fn plan(cx: &Cx<'_>, account: &PublicKey, request: &SendRequest) -> Result<Plan, Refusal> {
    let wishes = cx.records.contacts().get(account);
    let wishes = wishes.map(|contact| contact.wishes).unwrap_or_default();
    let ttl_ms = request.ttl_ms.or(wishes.ttl_ms);
    let ttl_ms = ttl_ms.unwrap_or(cx.settings.ttl_ms);
    // What is set for all messages gives way to what is said of one.
    let usual = wishes.burn_ms.map(|burn_ms| burn_ms.min(ttl_ms));
    let burn_ms = request.burn_ms.or(usual).unwrap_or(0);
    if burn_ms > ttl_ms {
        return Err(Refusal::BurnsTooLate { ttl_ms });
    }
    let none = |id: &String| Refusal::NoSuchMessage { id: id.clone() };
    let named = |id: &String| {
        let item = history::find(cx, id).ok_or_else(|| none(id))?;
        let found = history::reference(cx, &item);
        let found = found.filter(|(_, with)| with == account);
        found.map(|(of, _)| of).ok_or_else(|| none(id))
    };
    let reply_to = request.reply_to.as_ref().map(named).transpose()?;
    let Some(id) = &request.replaces else {
        return Ok(Plan {
            expires: cx.date().plus(ttl_ms),
            burn_ms,
            reply_to,
            replaces: None,
            read: None,
        });
    };
    let of = named(id)?;
    let (_, newest) = history::newest(cx.records, &of.id).ok_or_else(|| none(id))?;
    let is_own = of.author == cx.records.account().identity.account;
    let is_there = newest.words != Words::Gone && newest.expires > cx.date();
    if !is_own || !is_there || newest.recalled.is_some() {
        return Err(none(id));
    }
    Ok(Plan {
        expires: newest.expires,
        burn_ms: newest.burn_ms,
        reply_to: newest.reply_to,
        replaces: Some(of.id),
        read: newest.read,
    })
}

/// Lets a message take the place of all earlier forms of another.
fn replace(cx: &mut Cx<'_>, original: &MessageId, by: MessageId) {
    for version in about::versions(cx, original) {
        if let Some(mut sent) = cx.records.sent().get(&version).cloned() {
            sent.replaced_by = Some(by);
            // Should the store refuse what replaces them, they stay.
            sent.words = Words::Gone;
            cx.records.put_sent(version, sent);
        }
    }
}

/// Returns what became of a message so far.
pub(crate) fn result_of(cx: &Cx<'_>, placing: &Placing, message: MessageId) -> Option<SendResult> {
    let sent = cx.records.sent().get(&message)?;
    let standing = placing.standing_of(cx.records, cx.settled(), message);
    let shown = placing.shown(cx.records, cx.settled(), message, sent, &standing);
    let next = placing.next_try_of(cx.records, message);
    let next = next.filter(|_| !shown.code.is_over());
    let (with, of) = standing.counts();
    Some(SendResult {
        message_id: message.to_string(),
        state: sent.state,
        stored_with: u32::try_from(with).unwrap_or(u32::MAX),
        stored_of: u32::try_from(of).unwrap_or(u32::MAX),
        until_ms: sent.expires.get(),
        effort_asked: shown.effort_asked,
        code: shown.code,
        obstacles: shown.obstacles,
        next_try_ms: next.map(|at| cx.date().plus(at.since(cx.mono())).get()),
    })
}

/// Tells who waits for a message that it could not be stored.
pub(crate) fn refuse_unstored(cx: &mut Cx<'_>, own: &OwnSend) {
    let what = Stored::Message;
    cx.refuse(own.call, Refusal::NotStored { what });
}
