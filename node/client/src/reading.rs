//! Reading messages, and destroying them when their time has come.

use std::collections::BTreeMap;

use restante_interface::{
    ContactState, Event, INBOX_PAGE_COUNT_MAX, InboxMessage, InboxPage, InboxRequest, Refusal,
    Reply, State, Stored,
};
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::message::{MessageId, Reference};
use restante_proto::time::{MonoMillis, UnixMillis};
use tracing::debug;

use crate::collecting::shown_id;
use crate::cx::Cx;
use crate::io::CallId;
use crate::model::{Contact, Header, Slot, Words};
use crate::overview::{clock_info, clock_state};
use crate::pending::Question;
use crate::records::Records;
use crate::signal::Signal;
use crate::then::Then;

/// Those who wait for messages, and what burns.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    waiters: Vec<Waiter>,
    /// When read messages burn by the timers, whatever the date is.
    burning: BTreeMap<u64, MonoMillis>,
}

#[derive(Debug)]
struct Waiter {
    call: CallId,
    request: InboxRequest,
    deadline: MonoMillis,
}

impl Reading {
    /// What was read before this start has at most all of its time left.
    pub(crate) fn start(&mut self, cx: &Cx<'_>) {
        for (place, header) in cx.records.inbox() {
            if header.read.is_some() && header.burn_ms > 0 {
                let burns = cx.mono().plus(header.burn_ms.min(MESSAGE_TTL_MAX_MS));
                self.burning.insert(*place, burns);
            }
        }
    }

    /// Answers a request for messages, now or when there is one.
    pub(crate) fn on_request(&mut self, cx: &mut Cx<'_>, call: CallId, request: InboxRequest) {
        if request.wait_ms > 0 && self.wanted(cx, &request).next().is_none() {
            let deadline = cx.mono().plus(request.wait_ms);
            self.waiters.push(Waiter {
                call,
                request,
                deadline,
            });
            return;
        }
        self.read(cx, call, &request);
    }

    /// Answers those who wait for messages, as far as there are some.
    pub(crate) fn on_arrived(&mut self, cx: &mut Cx<'_>) {
        let waiters = std::mem::take(&mut self.waiters);
        let (served, waiting): (Vec<Waiter>, Vec<Waiter>) = waiters
            .into_iter()
            .partition(|waiter| self.wanted(cx, &waiter.request).next().is_some());
        for waiter in served {
            self.read(cx, waiter.call, &waiter.request);
        }
        self.waiters = waiting;
    }

    /// Forgets somebody who has gone away.
    pub(crate) fn on_gone(&mut self, call: CallId) {
        self.waiters.retain(|waiter| waiter.call != call);
    }

    /// Makes a page of the bodies that were read.
    pub(crate) fn on_bodies(
        &self,
        cx: &mut Cx<'_>,
        call: CallId,
        places: Vec<u64>,
        bodies: Option<Vec<Option<Vec<u8>>>>,
    ) {
        let Some(bodies) = bodies else {
            let what = Stored::Inbox;
            return cx.refuse(call, Refusal::NotRead { what });
        };
        let more = bodies.len() < places.len() || places.len() > INBOX_PAGE_COUNT_MAX;
        let date = cx.date();
        let found = places.into_iter().zip(bodies).take(INBOX_PAGE_COUNT_MAX);
        let messages = found
            .filter_map(|(place, body)| {
                // What ended while it was read is not shown any more.
                let header = cx.records.inbox().get(&place)?;
                let is_alive = !self.is_over(cx.now.mono, date, (place, header));
                is_alive.then(|| Some(shown(cx, header, body?)))?
            })
            .collect();
        let deaf = deaf(cx);
        let page = InboxPage {
            messages,
            more,
            deaf,
        };
        cx.reply(call, Ok(Reply::Inbox(page)));
    }

    /// Marks messages as read; those that burn start to.
    pub(crate) fn on_mark_read(&mut self, cx: &mut Cx<'_>, call: CallId, ids: &[String]) {
        let date = cx.date();
        let unread = cx.records.inbox().iter();
        let unread = unread.filter(|(_, header)| header.read.is_none());
        let read: Vec<(u64, Header)> = unread
            .filter(|(_, header)| ids.contains(&header.shown_id()))
            .map(|(place, header)| (*place, header.clone()))
            .collect();
        for (place, header) in read {
            let read = Some(date);
            tell_read(cx, &header);
            if header.burn_ms > 0 {
                let burns = cx.mono().plus(header.burn_ms.min(MESSAGE_TTL_MAX_MS));
                self.burning.insert(place, burns);
            }
            cx.records.put_header(place, Header { read, ..header });
        }
        cx.records.then(Then::AnswerDone(call, Stored::ReadMarks));
    }

    /// Answers those who have waited long enough, and destroys what has expired or burned.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        let now = cx.mono();
        let is_late = |waiter: &mut Waiter| waiter.deadline <= now;
        for waiter in self.waiters.extract_if(.., is_late).collect::<Vec<_>>() {
            self.read(cx, waiter.call, &waiter.request);
        }
        self.destroy_due(cx);
    }

    /// Tells that messages are destroyed.
    pub(crate) fn on_destroyed(&self, cx: &mut Cx<'_>, count: usize, ok: bool) {
        if ok {
            debug!(count, "messages were destroyed");
        } else {
            tracing::warn!(count, "messages are over and not destroyed yet");
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        cx.event(Event::Destroyed { count });
    }

    pub(crate) fn next_timeout(
        &self,
        cx: &Records,
        now: restante_proto::time::Now,
    ) -> Option<MonoMillis> {
        let waiters = self.waiters.iter().map(|waiter| waiter.deadline);
        let ends = cx
            .inbox()
            .values()
            .map(|header| now.when(header.destroy_at()));
        let burning = self.burning.values().copied();
        let words = cx.sent().values().filter(|sent| sent.words != Words::Gone);
        let words = words.map(|sent| now.when(sent.destroy_at()));
        waiters.chain(ends).chain(burning).chain(words).min()
    }

    /// Destroys what is over beyond doubt.
    fn destroy_due(&mut self, cx: &mut Cx<'_>) {
        let (now, date) = (cx.mono(), cx.settled);
        let over = cx.records.inbox().iter();
        let over = over.filter(|(place, header)| self.is_over(now, date, (**place, header)));
        let over: Vec<u64> = over.map(|(place, _)| *place).collect();
        let count = over.len();
        for place in over {
            cx.records.destroy(place);
        }
        let own = cx.records.sent().iter();
        let own = own.filter(|(_, sent)| sent.words != Words::Gone && sent.destroy_at() <= date);
        let own: Vec<MessageId> = own.map(|(id, _)| *id).collect();
        let author = cx.records.account().identity.account;
        for message in own {
            cx.records.destroy_words(&message);
            let sent = cx.records.sent().get(&message);
            let id = sent.and_then(|sent| sent.replaces).unwrap_or(message);
            cx.records.drop_reactions(&Reference { author, id });
        }
        let inbox = cx.records.inbox();
        self.burning
            .retain(|place, burns| *burns > now && inbox.contains_key(place));
        if count > 0 {
            cx.records.then(Then::Destroyed(count));
        }
    }

    /// Tells whether a message has ended by a date, or has burned by the timers.
    fn is_over(&self, now: MonoMillis, date: UnixMillis, (place, header): (u64, &Header)) -> bool {
        let burns = self.burning.get(&place).filter(|_| header.read.is_some());
        header.destroy_at() <= date || burns.is_some_and(|burns| *burns <= now)
    }

    /// Returns the messages that a request asks for, oldest first.
    fn wanted<'a>(
        &'a self,
        cx: &'a Cx<'_>,
        request: &'a InboxRequest,
    ) -> impl Iterator<Item = (u64, &'a Header)> {
        let after = request.after.as_ref().and_then(|after| {
            let mut all = cx.records.inbox().iter();
            all.find(|(_, header)| header.shown_id() == *after)
                .map(|(place, _)| *place)
        });
        let (now, date) = (cx.now.mono, cx.now.date);
        let all = cx.records.inbox().iter();
        all.map(|(place, header)| (*place, header))
            .filter(move |(place, _)| after.is_none_or(|after| *place > after))
            .filter(move |message| !self.is_over(now, date, *message))
            .filter(|(_, header)| header.recalled.is_none())
            .filter(|(_, header)| request.all || header.read.is_none())
            .filter(|(_, header)| {
                let only = request.only.as_ref();
                only.is_none_or(|only| header.shown_id() == *only)
            })
    }

    /// Reads the bodies of a page.
    fn read(&self, cx: &mut Cx<'_>, call: CallId, request: &InboxRequest) {
        let found = self.wanted(cx, request).take(INBOX_PAGE_COUNT_MAX + 1);
        let places = found.filter_map(|(place, header)| Some((place, header.slot?)));
        let places: Vec<(u64, Slot)> = places.collect();
        let asked = places.iter().map(|(place, _)| *place).collect();
        cx.read(Question::Bodies(call, asked), places);
    }
}

/// Has the sender told that a message was read, if it burns, or the person lets it know.
fn tell_read(cx: &mut Cx<'_>, header: &Header) {
    let contact = cx.records.contacts().get(&header.sender);
    let contact = contact.filter(|contact| contact.state == ContactState::Accepted);
    let burns = header.burn_ms > 0;
    if contact.is_some_and(|contact| burns || contact.wishes.tells_read) {
        cx.records.put_read_due((header.sender, header.message));
        cx.signal(match burns {
            true => Signal::ReceiptsDue,
            false => Signal::ReadDue,
        });
    }
}

fn shown(cx: &Cx<'_>, header: &Header, body: Vec<u8>) -> InboxMessage {
    let records = &cx.records;
    let (text, base64) = InboxMessage::body(body);
    let contact = records.contacts().get(&header.sender);
    let listed = contact.map(Contact::id).filter(|id| **id != header.from);
    InboxMessage {
        id: header.shown_id(),
        from: header.from.to_string(),
        known_as: listed.map(ToString::to_string),
        contact: contact.is_some_and(|contact| contact.state == ContactState::Accepted),
        blocked: contact.is_some_and(|contact| contact.state == ContactState::Blocked),
        read: header.read.is_some(),
        received_ms: header.received.get(),
        sent_ms: header.sent.get(),
        expires_ms: header.expires.get(),
        burn_ms: (header.burn_ms > 0).then_some(header.burn_ms),
        text,
        base64,
        file_name: (!header.file_name.is_empty()).then(|| header.file_name.clone()),
        reply_to: header.reply_to.as_ref().map(|to| shown_id(cx, to)),
        edited_ms: header.edited.map(UnixMillis::get),
        unknown: header.unknown_kind != 0,
    }
}

/// Returns why the inbox may be incomplete: the store takes nothing in, the account goes on without this home, or the
/// date is wrong, so that the mailboxes of another day are read.
fn deaf(cx: &Cx<'_>) -> Option<State> {
    if let Some(trouble) = cx.records.trouble() {
        let trouble = trouble.clone();
        return Some(State::AccountStopped { trouble });
    }
    if cx.shut_out {
        return Some(State::CopiesShutOut);
    }
    let state = clock_state(clock_info(cx.date));
    // Over by a date that nobody has confirmed, so that it is there and not shown.
    let is_hidden = |header: &Header| {
        let end = header.destroy_at();
        end <= cx.date() && end > cx.settled
    };
    let is_wrong = matches!(state, State::ClockContradicted { .. });
    (is_wrong || cx.records.inbox().values().any(is_hidden)).then_some(state)
}
