//! From envelopes at keepers to messages shown.

use restante_proto::{
    Address, ItemId, NodeId,
    collector::{self, watched_epochs},
    envelope::{self, Lifetime, OpenError, OpenerIdentity, VerifiedMessage, id_of},
    keys::SecretKey,
    mailbox::{AckEntry, Mailbox, OwnerProof, OwnerRequest, Rule},
    message::{Content, Message},
    placement::CANDIDATES,
    request::{Push, Request, Response, Waiting},
    time::UnixMillis,
};

use super::{Call, Fact, Person};

/// Mailboxes of one device in one epoch that contacts deposit into.
pub(super) const DEVICE_MAILBOXES: u8 = 2;
/// The longest time opening and committing one batch takes, in milliseconds.
const OPEN_MS: u64 = 200;

impl Person {
    /// Watches the mailboxes of the present epochs, and those of past ones as long as mail can wait
    /// there.
    pub(super) fn watch_mailboxes(&mut self, now: UnixMillis) {
        let granted = self
            .disk
            .contacts
            .values()
            .any(|contact| contact.granted.is_some());
        let wanted = watched_epochs(now, now.epoch()).next();
        let wanted = wanted.map(|last| (now.epoch(), last, granted));
        if self.run.watching == wanted {
            return;
        }
        self.run.watching = wanted;
        let identity = &self.disk.identity;
        let since = self.disk.created.epoch().min(now.epoch()).minus(1);
        let mut mailboxes = Vec::new();
        for epoch in watched_epochs(now, since) {
            mailboxes.push(identity.first_contact_mailbox(epoch));
            if granted {
                let own = (0..DEVICE_MAILBOXES).map(|index| identity.device_mailbox(epoch, index));
                mailboxes.extend(own);
            }
        }
        self.collect(now, collector::Input::Watch(mailboxes));
    }

    /// Gives the collector an input and does what it says.
    pub(super) fn collect(&mut self, now: UnixMillis, input: collector::Input) {
        let outputs = self.run.collector.handle(super::both(now), input);
        let mut opening = Vec::new();
        for output in outputs {
            match output {
                collector::Output::Find(mailbox) => {
                    let at = mailbox.address();
                    self.look_up(at, CANDIDATES, Call::MailFound(at));
                }
                collector::Output::AskNeighbours(mailbox, keeper) => {
                    let at = mailbox.address();
                    self.look_up(at, CANDIDATES, Call::Neighbours(at, keeper));
                }
                collector::Output::Subscribe(mailbox, keeper) => {
                    let proof = self.prove(now, &mailbox, &keeper, OwnerRequest::Subscribe);
                    let request = Request::Subscribe { mailbox, proof };
                    self.ask(keeper, request, Call::Subscribe(mailbox.address(), keeper));
                }
                collector::Output::List(mailbox, keeper, after) => {
                    let asked = OwnerRequest::List(after.as_ref());
                    let proof = self.prove(now, &mailbox, &keeper, asked);
                    let request = Request::List {
                        mailbox,
                        proof,
                        after,
                    };
                    self.ask(keeper, request, Call::List(mailbox.address(), keeper));
                }
                collector::Output::Get(mailbox, keeper, ids) => {
                    let proof = self.prove(now, &mailbox, &keeper, OwnerRequest::Get(&ids));
                    let request = Request::Get {
                        mailbox,
                        proof,
                        ids: ids.clone(),
                    };
                    self.ask(keeper, request, Call::Get(mailbox.address(), keeper, ids));
                }
                collector::Output::Ack(mailbox, keeper, ids) => self.ack(mailbox, keeper, &ids),
                collector::Output::Open(mailbox, id, item) => {
                    let known = self.disk.has_taken(mailbox.address(), id);
                    self.tell(Fact::Opening {
                        envelope: id,
                        known,
                    });
                    opening.push((mailbox, id, item));
                }
            }
        }
        if !opening.is_empty() {
            let ms = self.random.between(1, OPEN_MS);
            self.work(ms, Call::Opened(opening));
        }
    }

    fn ack(&mut self, mailbox: Mailbox, keeper: NodeId, ids: &[ItemId]) {
        let (owner, address) = (self.owner_of(&mailbox), mailbox.address());
        let entries = ids
            .iter()
            .map(|id| AckEntry::sign(&owner, &address, *id))
            .collect();
        self.ask(
            keeper,
            Request::Ack { mailbox, entries },
            Call::Ack(address),
        );
    }

    fn prove(
        &mut self,
        now: UnixMillis,
        mailbox: &Mailbox,
        keeper: &NodeId,
        asked: OwnerRequest<'_>,
    ) -> OwnerProof {
        OwnerProof::sign(
            &self.owner_of(mailbox),
            &mailbox.address(),
            keeper,
            now,
            asked,
        )
    }

    fn owner_of(&mut self, mailbox: &Mailbox) -> SecretKey {
        if let Some(owner) = self.run.owners.get(mailbox) {
            return owner.clone();
        }
        let owner = self.derive_owner(mailbox);
        self.run.owners.insert(*mailbox, owner.clone());
        owner
    }

    fn derive_owner(&self, mailbox: &Mailbox) -> SecretKey {
        let identity = &self.disk.identity;
        if mailbox.rule == Rule::Stamp {
            return identity.first_contact();
        }
        (0..DEVICE_MAILBOXES)
            .map(|index| identity.device_mailbox_owner(mailbox.epoch, index))
            .find(|owner| owner.public() == mailbox.owner)
            .unwrap_or_else(|| identity.first_contact())
    }

    pub(super) fn on_subscribed(
        &mut self,
        now: UnixMillis,
        at: Address,
        keeper: NodeId,
        answer: Option<Response>,
    ) {
        let input = match answer {
            Some(Response::Done { until: Some(until) }) => {
                collector::Input::Subscribed(at, keeper, until)
            }
            _ => collector::Input::NotSubscribed(at, keeper),
        };
        self.collect(now, input);
    }

    pub(super) fn on_listed(
        &mut self,
        now: UnixMillis,
        mailbox: Address,
        keeper: NodeId,
        answer: Option<Response>,
    ) {
        let input = match answer {
            Some(Response::Listing { items, more }) => collector::Input::Listed {
                mailbox,
                keeper,
                items,
                more,
            },
            _ => collector::Input::NotListed(mailbox, keeper),
        };
        self.collect(now, input);
    }

    pub(super) fn on_got(
        &mut self,
        now: UnixMillis,
        mailbox: Address,
        keeper: NodeId,
        asked: Vec<ItemId>,
        answer: Option<Response>,
    ) {
        let input = match answer {
            Some(Response::Envelopes(items)) => {
                let items = items.into_iter().map(named).collect();
                collector::Input::Got {
                    mailbox,
                    keeper,
                    asked,
                    items,
                }
            }
            _ => collector::Input::NotGot(mailbox, keeper, asked),
        };
        self.collect(now, input);
    }

    /// A keeper sent an envelope unasked.
    pub(crate) fn on_push(&mut self, now: UnixMillis, keeper: NodeId, push: Push) {
        let (id, item) = named(push.item);
        self.collect(
            now,
            collector::Input::Pushed(push.mailbox, keeper, id, item),
        );
    }

    /// Opens envelopes, commits what was inside, and only then lets the collector ack them.
    pub(super) fn on_opened(&mut self, now: UnixMillis, items: Vec<(Mailbox, ItemId, Waiting)>) {
        for (mailbox, id, item) in items {
            match self.open(now, &mailbox, &item) {
                Err(fault) => {
                    self.tell(Fact::Worthless {
                        envelope: id,
                        why: fault.to_string(),
                    });
                    if !is_worthless(&fault) {
                        self.collect(now, collector::Input::Deferred(mailbox.address(), id));
                        continue;
                    }
                }
                Ok(message) => self.on_message(now, message),
            }
            self.disk
                .taken
                .insert((mailbox.address(), id), item.expires);
            self.tell(Fact::Taken { envelope: id });
            let taken = vec![(id, item.expires)];
            self.collect(now, collector::Input::Taken(mailbox.address(), taken));
        }
    }

    fn open(
        &self,
        now: UnixMillis,
        mailbox: &Mailbox,
        item: &Waiting,
    ) -> Result<VerifiedMessage, OpenError> {
        let lifetime = Lifetime {
            now,
            expires: item.expires,
        };
        let opener = OpenerIdentity::from(&self.disk.identity);
        envelope::open(
            &item.envelope,
            mailbox,
            lifetime,
            &opener,
            self.disk.prekeys.iter(),
        )
    }

    fn on_message(&mut self, now: UnixMillis, message: VerifiedMessage) {
        let expires = message.expires();
        let Message {
            sender,
            id,
            content,
            grant,
            ..
        } = message.into_message();
        if let Some(grant) = grant {
            self.on_grant(sender, grant);
        }
        match content {
            Content::Delivered { ids } => self.on_word(now, sender, &ids),
            Content::Text { body, .. } => {
                if self.disk.seen.insert((sender, id), expires).is_none() {
                    self.tell(Fact::Shown {
                        sender,
                        message: id,
                        body,
                        expires,
                    });
                    self.owe_word(now, sender, id);
                }
            }
        }
    }
}

/// Tells whether an envelope that does not open may go, as the node decides it.
const fn is_worthless(fault: &OpenError) -> bool {
    !matches!(
        fault,
        OpenError::OtherExpiry | OpenError::Version(..) | OpenError::Expired
    )
}

fn named(item: Waiting) -> (ItemId, Waiting) {
    (id_of(&item.envelope), item)
}
