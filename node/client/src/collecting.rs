//! From envelopes at keepers to committed messages (SPEC 10.4, 10.5).

pub(crate) mod about;
mod arrival;
mod opening;
mod owners;
mod senders;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use restante_interface::{ContactState, Event};
use restante_proto::collector::{self, Collector, watched_epochs};
use restante_proto::keys::PublicKey;
use restante_proto::mailbox::{AckEntry, Mailbox, OwnerRequest};
use restante_proto::message;
use restante_proto::request::{Request, Response, Waiting};
use restante_proto::time::{Epoch, MonoMillis, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};
use tracing::debug;

use self::about::Replacing;
pub(crate) use self::about::shown_id;
use self::arrival::Arrival;
use self::opening::Fate;
use self::owners::Owners;
use self::senders::{hear, on_delivered};
use self::waiting::WaitingForEpoch;
use crate::contacts;
use crate::cx::Cx;
use crate::io::{Output, SEARCH_COUNT};
use crate::job::{Job, Opening, named};
use crate::model::{Header, HeaderDraft, Slot};
use crate::pending::Question;
use crate::sealing::DEVICE_MAILBOX;
use crate::signal::Signal;
use crate::then::{Arriving, Taken};

/// Messages kept at once; further ones stay at the keepers.
const INBOX_COUNT_MAX: usize = 10_000;

/// One's own mailboxes, and what is under way from them.
#[derive(Debug)]
pub(crate) struct Collecting {
    collector: Collector,
    owners: Owners,
    waiting: WaitingForEpoch,
    /// The epochs whose mailboxes are watched, from and to, and the device they are of.
    watching: Option<(Epoch, Epoch, PublicKey)>,
    /// Keepers whose connections are kept open.
    held: BTreeSet<NodeId>,
    /// Mailboxes in which something was left because it could not be stored.
    unstored: BTreeSet<Address>,
    /// Messages that are staged and not in the inbox yet, by their places.
    arriving: BTreeMap<u64, Header>,
    /// No other copy of this home is further on: what is taken, or opens nowhere, may be acked.
    is_newest: bool,
}

impl Collecting {
    pub(crate) fn new(taken: BTreeMap<(Address, ItemId), UnixMillis>) -> Self {
        Self {
            collector: Collector::new(taken),
            owners: Owners::default(),
            waiting: WaitingForEpoch::default(),
            watching: None,
            held: BTreeSet::new(),
            unstored: BTreeSet::new(),
            arriving: BTreeMap::new(),
            is_newest: false,
        }
    }

    /// Notes whether another copy of this home may be further on.
    pub(crate) const fn note_newest(&mut self, is_newest: bool) {
        self.is_newest = is_newest;
    }

    /// Acks what was held back, and looks again at what does not open.
    pub(crate) fn on_confirmed(&mut self, cx: &mut Cx<'_>) {
        self.is_newest = true;
        self.handle(cx, collector::Input::Reconsider);
    }

    /// Returns how many envelopes wait that do not open here.
    pub(crate) fn left(&self) -> usize {
        self.collector.left().saturating_sub(self.waiting.len())
    }

    /// Returns how many mailboxes are watched, and at how many of them a keeper pushes.
    pub(crate) fn watched(&self, now: restante_proto::time::Now) -> (usize, usize) {
        self.collector.watched(now)
    }

    /// Tells whether messages are on their way into the inbox.
    pub(crate) fn is_committing(&self) -> bool {
        !self.arriving.is_empty()
    }

    /// Watches the mailboxes of the present epochs, and those of past ones as long as mail can wait there.
    pub(crate) fn watch(&mut self, cx: &mut Cx<'_>) {
        let date = cx.date();
        let account = Arc::clone(cx.records.account());
        let last = watched_epochs(date, date.epoch()).next();
        let device = account.identity.device.public();
        let wanted = last.map(|last| (date.epoch(), last, device));
        if self.watching == wanted {
            return;
        }
        if self.watching.is_some_and(|(.., before)| before != device) {
            self.owners = Owners::default();
        }
        self.watching = wanted;
        // A clock that was ahead when the account was made must not hide the present.
        let since = account.created.epoch().min(date.epoch()).minus(1);
        let mut mailboxes = Vec::new();
        // What was granted may be forgotten with a backup that was restored: all are watched.
        for identity in account.identities() {
            for epoch in watched_epochs(date, since) {
                mailboxes.push(identity.first_contact_mailbox(epoch));
                mailboxes.push(identity.device_mailbox(epoch, DEVICE_MAILBOX));
            }
        }
        self.owners.retain(&mailboxes);
        self.handle(cx, collector::Input::Watch(mailboxes));
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        let is_due = |due: Option<MonoMillis>| due.is_some_and(|due| due <= cx.mono());
        if is_due(self.collector.next_timeout()) {
            self.handle(cx, collector::Input::Timer);
        }
        for conversation in self.waiting.take_lost(cx.mono()) {
            cx.signal(Signal::Lost(conversation));
        }
        self.waiting.tidy(cx.settled);
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        let waiting = self.waiting.next_timeout();
        self.collector
            .next_timeout()
            .into_iter()
            .chain(waiting)
            .min()
    }

    pub(crate) fn on_lost(&mut self, cx: &mut Cx<'_>, keeper: NodeId) {
        self.handle(cx, collector::Input::Lost(keeper));
    }

    pub(crate) fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, collector::Input::NetworkUp);
    }

    /// The process did not run for a while: keepers may have forgotten their subscriptions.
    pub(crate) fn on_resumed(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, collector::Input::Resumed);
    }

    /// Fetches again what could not be stored.
    pub(crate) fn on_store_back(&mut self, cx: &mut Cx<'_>) {
        for mailbox in std::mem::take(&mut self.unstored) {
            self.handle(cx, collector::Input::Again(mailbox));
        }
    }

    /// Takes an envelope that a keeper has pushed.
    pub(crate) fn on_push(
        &mut self,
        cx: &mut Cx<'_>,
        (mailbox, keeper): (Address, NodeId),
        item: Waiting,
    ) {
        let (id, item) = named(item);
        self.handle(cx, collector::Input::Pushed(mailbox, keeper, id, item));
    }

    /// Tells whether a mailbox is one of the device that this home is.
    pub(crate) fn is_own(&self, mailbox: &Address) -> bool {
        self.owners.is_present(mailbox)
    }

    pub(crate) fn on_found(&mut self, cx: &mut Cx<'_>, at: Address, keepers: Vec<NodeId>) {
        let own = cx.settings.own_keeper;
        let keepers = crate::job::insert_by_distance(own, &at, keepers, SEARCH_COUNT);
        self.handle(cx, collector::Input::Found(at, keepers));
    }

    pub(crate) fn on_neighbours(
        &mut self,
        cx: &mut Cx<'_>,
        at: Address,
        keeper: NodeId,
        nodes: Vec<NodeId>,
    ) {
        self.handle(cx, collector::Input::Neighbours(at, keeper, nodes));
    }

    /// Takes a keeper's answer to a question about a mailbox.
    pub(crate) fn on_answer(
        &mut self,
        cx: &mut Cx<'_>,
        question: Question,
        answer: Option<Response>,
    ) {
        let input = match (question, answer) {
            (Question::Subscribe(at, keeper), Some(Response::Done { until: Some(until) })) => {
                collector::Input::Subscribed(at, keeper, until)
            }
            (Question::Subscribe(at, keeper), _) => collector::Input::NotSubscribed(at, keeper),
            (Question::List(mailbox, keeper), Some(Response::Listing { items, more })) => {
                collector::Input::Listed {
                    mailbox,
                    keeper,
                    items,
                    more,
                }
            }
            (Question::List(at, keeper), _) => collector::Input::NotListed(at, keeper),
            (Question::Get(mailbox, keeper, asked), Some(Response::Envelopes(items))) => {
                collector::Input::Got {
                    mailbox,
                    keeper,
                    asked,
                    items: items.into_iter().map(named).collect(),
                }
            }
            (Question::Get(at, keeper, asked), _) => collector::Input::NotGot(at, keeper, asked),
            (Question::Ack(..), Some(Response::Done { .. })) => return,
            (Question::Ack(at, _), _) => {
                debug!("a keeper did not take an ack");
                collector::Input::NotAcked(at)
            }
            _ => return,
        };
        self.handle(cx, input);
    }

    /// Shows what is committed, with the slots it got, and acks it; or leaves it where it is.
    pub(crate) fn on_committed(
        &mut self,
        cx: &mut Cx<'_>,
        taken: Taken,
        slots: &mut impl Iterator<Item = Slot>,
        ok: bool,
    ) {
        for message in &taken.messages {
            self.arriving.remove(&message.arrival);
        }
        if !ok {
            let ids = taken.envelopes.into_iter().map(|(id, _)| id).collect();
            self.unstored.insert(taken.mailbox);
            return self.defer(cx, taken.mailbox, ids);
        }
        let arrived = !taken.messages.is_empty();
        for message in taken.messages {
            if let Some(slot) = slots.next() {
                let header = message.header.finish(slot);
                let id = header.shown_id();
                let place = message.arrival;
                let is_gone = message.replaces && !cx.records.inbox().contains_key(&place);
                if is_gone || !cx.records.contacts().contains_key(&header.sender) {
                    // It, or whoever sent it, was destroyed here while it was on its way to the disk.
                    cx.records.discard(place);
                    continue;
                }
                // Its sender may have been accepted while it was on its way to the disk.
                if !message.is_due && is_accepted(cx, &header.sender) {
                    cx.records.put_due((header.sender, message.message));
                }
                let is_changed = cx.records.show(message.arrival, header);
                cx.event(match is_changed {
                    true => Event::Changed { id },
                    false => Event::Received { id },
                });
            }
        }
        for (conversation, account) in taken.joined {
            cx.signal(Signal::Joined(conversation, account));
        }
        for (account, device) in taken.lost {
            cx.signal(Signal::Resend(account, device));
        }
        for message in taken.delivered {
            cx.signal(Signal::Delivered(message));
        }
        if arrived {
            cx.signal(Signal::Arrived);
            cx.signal(Signal::ReceiptsDue);
        }
        let input = collector::Input::Taken(taken.mailbox, taken.envelopes);
        self.handle(cx, input);
    }

    /// Leaves envelopes where they are, to be tried again.
    fn defer(&mut self, cx: &mut Cx<'_>, mailbox: Address, ids: Vec<ItemId>) {
        for id in ids {
            self.handle(cx, collector::Input::Deferred(mailbox, id));
        }
    }

    /// Decides what a message changes and stages it.
    fn take(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: Arrival,
        until: UnixMillis,
        taken: &mut Taken,
    ) -> Fate {
        let contact = cx.records.contacts().get(&arrival.sender);
        let state = contact.map(|contact| contact.state);
        if contact.is_some_and(|contact| arrival.is_shut_out(contact)) {
            debug!("a device has written that its account has shut out");
            return Fate::Taken;
        }
        let is_contact = state == Some(ContactState::Accepted);
        match &arrival.content {
            _ if state == Some(ContactState::Blocked) => Fate::Taken,
            message::Content::Text(text) => {
                let replacing = self.replaced(cx, &arrival, text).filter(|_| is_contact);
                self.take_text(cx, &arrival, is_contact, replacing, until, taken)
            }
            message::Content::Unknown { .. } => {
                self.take_text(cx, &arrival, is_contact, None, until, taken)
            }
            // The rest is a contact's to say.
            _ if !is_contact => Fate::Taken,
            message::Content::Delivered { ids, read } => {
                on_delivered(cx, &arrival, (ids, read), taken);
                hear(cx, &arrival);
                Fate::Taken
            }
            message::Content::Reaction { to, emoji } => {
                about::react(cx, &arrival, *to, emoji, until);
                hear(cx, &arrival);
                Fate::Taken
            }
            message::Content::Recall { ids } => {
                self.recall(cx, &arrival, ids, until);
                hear(cx, &arrival);
                Fate::Taken
            }
            message::Content::Invitation { welcome } => {
                let welcome = welcome.clone();
                hear(cx, &arrival);
                if let Some(id) = arrival.join(cx, &welcome) {
                    taken.joined.push((id, arrival.sender));
                }
                Fate::Taken
            }
            message::Content::Lost { .. } => {
                hear(cx, &arrival);
                let lost = arrival.on_lost(cx);
                if lost.is_some() {
                    about::answer_again(cx, &arrival.sender);
                }
                taken.lost.extend(lost);
                Fate::Taken
            }
        }
    }

    /// Stages a message for the person, in the place of another where it replaces one.
    fn take_text(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        is_contact: bool,
        replacing: Option<Replacing>,
        until: UnixMillis,
        taken: &mut Taken,
    ) -> Fate {
        let named = (arrival.sender, arrival.id);
        if cx.records.seen().contains_key(&named) {
            // Its sender sends it again because it has not heard that it arrived.
            if is_contact {
                cx.records.put_due(named);
                cx.signal(Signal::ReceiptsDue);
            }
            return Fate::Taken;
        }
        let is_new = self.has_room(cx, 0)
            && contacts::ensure(cx, &arrival.from, named.0, ContactState::Request);
        if !is_new {
            return Fate::Deferred;
        }
        let mut header = arrival.header(cx);
        let place = match replacing {
            None => None,
            Some(Replacing::Nothing) => {
                debug!("what a message replaces is gone");
                cx.records.put_seen(named, until);
                cx.records.put_due(named);
                hear(cx, arrival);
                cx.signal(Signal::ReceiptsDue);
                return Fate::Taken;
            }
            Some(Replacing::First(id)) => {
                cx.records.put_seen((arrival.sender, id), until);
                header.message = id;
                header.edited = Some(arrival.sent);
                None
            }
            Some(Replacing::At(place, before)) => {
                header = Header {
                    edited: Some(arrival.sent),
                    expires: header.expires.min(before.expires),
                    ..*before
                };
                Some(place)
            }
        };
        let place = place.unwrap_or_else(|| cx.records.next_place(cx.now.date));
        self.stage_text(cx, arrival, (place, header), is_contact, until, taken);
        Fate::Taken
    }

    fn stage_text(
        &mut self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        (place, header): (u64, Header),
        is_contact: bool,
        until: UnixMillis,
        taken: &mut Taken,
    ) {
        let named = (arrival.sender, arrival.id);
        let body = match &arrival.content {
            message::Content::Text(text) => &text.body,
            message::Content::Unknown { content, .. } => content,
            _ => return,
        };
        // Lets go of the envelope's buffer around it.
        let body = Bytes::copy_from_slice(body);
        let arriving = header.clone();
        let header = HeaderDraft::new(header);
        cx.records.put_message(place, header.clone(), body);
        cx.records.put_seen(named, until);
        if is_contact {
            cx.records.put_due(named);
        }
        hear(cx, arrival);
        taken.messages.push(Arriving {
            replaces: self.arriving.contains_key(&place) || cx.records.inbox().contains_key(&place),
            arrival: place,
            message: arrival.id,
            header,
            is_due: is_contact,
        });
        self.arriving.insert(place, arriving);
    }

    /// Gives the collector an input and carries out what it says.
    fn handle(&mut self, cx: &mut Cx<'_>, input: collector::Input) {
        let mut opening: BTreeMap<Address, (Mailbox, Vec<_>)> = BTreeMap::new();
        let is_newest = self.is_newest;
        let mut acks = BTreeMap::new();
        for output in self.collector.handle(cx.now, input) {
            match output {
                // Gathered, so that one batch is one commit.
                collector::Output::Open(mailbox, id, item) => {
                    let batch = opening.entry(mailbox.address());
                    let (_, items) = batch.or_insert_with(|| (mailbox, Vec::new()));
                    items.push((id, item));
                }
                collector::Output::Ack(mailbox, ..)
                    if !(is_newest && self.owners.of(cx, &mailbox).is_present) =>
                {
                    debug!("an ack is held back");
                }
                other => ask(cx, other, &mut self.owners, &mut acks),
            }
        }
        for (_, (mailbox, items)) in opening {
            open(cx, &mut self.owners, mailbox, items);
        }
        self.hold(cx);
    }

    /// Keeps connections open to exactly those keepers that push.
    fn hold(&mut self, cx: &mut Cx<'_>) {
        let mut pushing = self.collector.pushing(cx.now);
        if let Some(own) = cx.settings.own_keeper {
            pushing.remove(&own);
        }
        if pushing == self.held {
            return;
        }
        let added = pushing
            .difference(&self.held)
            .map(|it| Output::Hold(*it, true));
        let gone = self
            .held
            .difference(&pushing)
            .map(|it| Output::Hold(*it, false));
        cx.outputs.extend(added.chain(gone));
        self.held = pushing;
    }
}

/// Asks a keeper what the collector wants to know; `acks` keeps signatures that several keepers get.
fn ask(
    cx: &mut Cx<'_>,
    output: collector::Output,
    owners: &mut Owners,
    acks: &mut BTreeMap<(Address, ItemId), AckEntry>,
) {
    match output {
        collector::Output::Find(mailbox) => {
            let at = mailbox.address();
            cx.search(Question::FindMailbox(at), at, SEARCH_COUNT);
        }
        collector::Output::AskNeighbours(mailbox, keeper) => {
            let at = mailbox.address();
            cx.ask_neighbours(Question::MailboxNeighbours(at, keeper), keeper, at);
        }
        collector::Output::Subscribe(mailbox, keeper) => {
            let proof = owners.prove(cx, &mailbox, &keeper, OwnerRequest::Subscribe);
            let question = Question::Subscribe(mailbox.address(), keeper);
            cx.ask(question, keeper, Request::Subscribe { mailbox, proof });
        }
        collector::Output::List(mailbox, keeper, after) => {
            let proof = owners.prove(cx, &mailbox, &keeper, OwnerRequest::List(after.as_ref()));
            let request = Request::List {
                mailbox,
                proof,
                after,
            };
            cx.ask(Question::List(mailbox.address(), keeper), keeper, request);
        }
        collector::Output::Get(mailbox, keeper, ids) => {
            let proof = owners.prove(cx, &mailbox, &keeper, OwnerRequest::Get(&ids));
            let question = Question::Get(mailbox.address(), keeper, ids.clone());
            let request = Request::Get {
                mailbox,
                proof,
                ids,
            };
            cx.ask(question, keeper, request);
        }
        collector::Output::Ack(mailbox, keeper, ids) => {
            let at = mailbox.address();
            let owner = &owners.of(cx, &mailbox).key;
            let mut sign = |id| {
                *acks
                    .entry((at, id))
                    .or_insert_with(|| AckEntry::sign(owner, &at, id))
            };
            let entries = ids.into_iter().map(&mut sign).collect();
            let request = Request::Ack { mailbox, entries };
            cx.ask(Question::Ack(at, keeper), keeper, request);
        }
        collector::Output::Open(mailbox, id, item) => {
            open(cx, owners, mailbox, vec![(id, item)]);
        }
    }
}

fn open(cx: &mut Cx<'_>, owners: &mut Owners, mailbox: Mailbox, items: Vec<(ItemId, Waiting)>) {
    let ids = items.iter().map(|(id, _)| *id).collect();
    let opening = Opening {
        identity: Arc::clone(&owners.of(cx, &mailbox).identity),
        prekeys: Arc::clone(cx.records.prekeys()),
        known: Arc::clone(cx.records.known_ids()),
        epochs: Arc::clone(cx.records.outer_index()),
        mailbox,
        items,
        date: cx.date(),
    };
    let question = Question::Open(mailbox.address(), ids);
    cx.compute(question, Job::Open(Box::new(opening)));
}

fn is_accepted(cx: &Cx<'_>, account: &PublicKey) -> bool {
    let contact = cx.records.contacts().get(account);
    contact.is_some_and(|contact| contact.state == ContactState::Accepted)
}
