//! People: the protocol's outbox, collector and publisher with the little around them that keeps
//! them going.
//!
//! What is here of resolving, sealing, opening and committing follows `node/src/client` in order
//! and in pauses, and is smaller: one device, no blocking, no strangers, no burning. A person's own
//! disk never fails here; what is on it survives an absence, and everything else is lost.

use std::collections::BTreeMap;

use restante_proto::{
    Address, ItemId, NodeId,
    collector::{self, Collector, watched_until},
    keys::{PublicKey, SecretKey},
    mailbox::Mailbox,
    outbox::{self, Outbox},
    publisher::{self, Publisher},
    receipt::Claim,
    request::{Request, Response, Waiting},
    time::{Epoch, MonoMillis, Now, UnixMillis},
};

use crate::{clock::Clock, random::Random};

mod act;
mod collecting;
mod disk;
mod publishing;
mod resolving;
mod sending;
mod words;

pub(crate) use self::act::{Act, Fact, name_of};
pub(crate) use self::disk::Disk;
use self::resolving::Resolution;

/// How long a keeper may take to answer, connecting to it included, in milliseconds.
pub(crate) const DEADLINE_MS: u64 = 10_000;

/// One person with one device.
pub(crate) struct Person {
    /// What this device reads as the time.
    pub(crate) clock: Clock,
    /// What survives an absence.
    pub(crate) disk: Disk,
    /// Whether the node runs.
    pub(crate) online: bool,
    /// How often it was started; what was meant for an earlier start is void.
    pub(crate) incarnation: u64,
    /// The absence that began last.
    pub(crate) away: Option<usize>,
    random: Random,
    run: Run,
    acts: Vec<Act>,
}

/// What an absence destroys.
#[derive(Default)]
struct Run {
    outbox: Outbox,
    collector: Collector,
    publisher: Publisher,
    calls: BTreeMap<u64, Call>,
    resolutions: BTreeMap<PublicKey, Resolution>,
    watching: Option<(Epoch, Epoch, bool)>,
    words_due: Option<UnixMillis>,
    owners: BTreeMap<Mailbox, SecretKey>,
}

/// What an answer, a lookup or a piece of work is for.
enum Call {
    OutboxFound(ItemId),
    Deposit(ItemId, NodeId, Claim),
    MailFound(Address),
    Neighbours(Address, NodeId),
    CardNeighbours(Address, NodeId),
    Subscribe(Address, NodeId),
    List(Address, NodeId),
    Get(Address, NodeId, Vec<ItemId>),
    Ack(Address),
    CardFound(Address),
    CardDeposit(Address, NodeId, Claim),
    LocatorFound(PublicKey, Address),
    Cards(PublicKey, Address),
    Stamp(ItemId),
    CardStamp(Address),
    CardMade,
    Opened(Vec<(Mailbox, ItemId, Waiting)>),
}

impl Person {
    /// Makes a person whose node does not run yet.
    pub(crate) fn new(clock: Clock, disk: Disk, random: Random) -> Self {
        Self {
            clock,
            disk,
            online: false,
            incarnation: 0,
            away: None,
            random,
            run: Run::default(),
            acts: Vec::new(),
        }
    }

    /// Returns the account, by which others know this person.
    pub(crate) fn account(&self) -> PublicKey {
        self.disk.identity.account.public()
    }

    /// Starts the node.
    pub(crate) fn start(&mut self, now: UnixMillis) {
        self.online = true;
        self.incarnation += 1;
        let taken = self
            .disk
            .taken
            .iter()
            .map(|(place, until)| (*place, *until));
        self.run = Run {
            collector: Collector::new(taken),
            ..Run::default()
        };
        self.resume_outbox(now);
        self.resume_card(now);
        self.run.words_due = (!self.disk.words.is_empty()).then_some(now);
        self.on_timer(now);
    }

    /// Stops the node: everything that is not on its disk is gone.
    pub(crate) fn stop(&mut self) {
        self.online = false;
        self.incarnation += 1;
        self.run = Run::default();
        self.acts.clear();
    }

    /// Returns what is to be done since the last time this was asked.
    pub(crate) fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// Returns how many envelopes wait in the outbox for their recipient's word.
    pub(crate) fn awaited(&self) -> usize {
        self.disk
            .outgoing
            .values()
            .filter(|outgoing| outgoing.awaits_word)
            .count()
    }

    /// There are peers to ask, after there were none.
    pub(crate) fn on_network_up(&mut self, now: UnixMillis) {
        self.collect(now, collector::Input::NetworkUp);
        self.publish(now, publisher::Input::NetworkUp);
        self.send_out(now, outbox::Input::NetworkUp);
    }

    /// A keeper's connection is gone.
    pub(crate) fn on_lost(&mut self, now: UnixMillis, keeper: NodeId) {
        self.collect(now, collector::Input::Lost(keeper));
    }

    /// A lookup has ended.
    pub(crate) fn on_found(&mut self, now: UnixMillis, call: u64, keepers: Vec<NodeId>) {
        match self.run.calls.remove(&call) {
            Some(Call::OutboxFound(id)) => self.send_out(now, outbox::Input::Found(id, keepers)),
            Some(Call::MailFound(at)) => self.collect(now, collector::Input::Found(at, keepers)),
            Some(Call::Neighbours(at, keeper)) => {
                // Whoever is asked leaves itself out.
                let others = keepers.into_iter().filter(|node| *node != keeper).collect();
                self.collect(now, collector::Input::Neighbours(at, keeper, others));
            }
            Some(Call::CardNeighbours(at, keeper)) => {
                let others = keepers.into_iter().filter(|node| *node != keeper).collect();
                self.publish(now, publisher::Input::Neighbours(at, keeper, others));
            }
            Some(Call::CardFound(at)) => self.publish(now, publisher::Input::Found(at, keepers)),
            Some(Call::LocatorFound(account, at)) => {
                self.on_locator_found(now, account, at, &keepers);
            }
            _ => {}
        }
    }

    /// A keeper has answered, or did not in time.
    pub(crate) fn on_answer(&mut self, now: UnixMillis, call: u64, answer: Option<Response>) {
        match self.run.calls.remove(&call) {
            Some(Call::Deposit(id, keeper, claim)) => {
                self.on_deposited(now, id, keeper, &claim, answer);
            }
            Some(Call::CardDeposit(at, keeper, claim)) => {
                self.on_card_answer(now, at, keeper, &claim, answer);
            }
            Some(Call::Cards(account, at)) => self.on_cards(now, account, at, answer),
            Some(Call::Subscribe(at, keeper)) => self.on_subscribed(now, at, keeper, answer),
            Some(Call::List(at, keeper)) => self.on_listed(now, at, keeper, answer),
            Some(Call::Get(at, keeper, asked)) => self.on_got(now, at, keeper, asked, answer),
            // It is made again when the keeper lists the envelope the next time.
            Some(Call::Ack(at)) if answer.is_none() => {
                self.collect(now, collector::Input::NotAcked(at));
            }
            _ => {}
        }
    }

    /// A piece of work is done.
    pub(crate) fn on_worked(&mut self, now: UnixMillis, call: u64) {
        match self.run.calls.remove(&call) {
            Some(Call::Stamp(id)) => self.on_stamped(now, id),
            Some(Call::CardStamp(at)) => self.on_card_stamped(now, at),
            Some(Call::CardMade) => self.on_card_made(now),
            Some(Call::Opened(items)) => self.on_opened(now, items),
            _ => {}
        }
    }

    /// Does what is due.
    pub(crate) fn on_timer(&mut self, now: UnixMillis) {
        self.watch_mailboxes(now);
        if is_due(self.run.outbox.next_timeout(both(now)), now) {
            self.send_out(now, outbox::Input::Timer);
        }
        if is_due(self.run.collector.next_timeout(), now) {
            self.collect(now, collector::Input::Timer);
        }
        if is_due(self.run.publisher.next_timeout(both(now)), now) {
            self.publish(now, publisher::Input::Timer);
        }
        if self.run.words_due.is_some_and(|due| due <= now) {
            self.send_words(now);
        }
        self.send_drafts(now);
        self.disk.forget(now);
    }

    /// Returns when [`Person::on_timer`] is due.
    pub(crate) fn next_timeout(&self, now: UnixMillis) -> UnixMillis {
        let due = [
            self.run.outbox.next_timeout(both(now)).map(date),
            self.run.collector.next_timeout().map(date),
            self.run.publisher.next_timeout(both(now)).map(date),
            self.run.words_due,
            self.disk.drafts.iter().map(|draft| draft.due).min(),
        ];
        let tomorrow = watched_until(now);
        due.into_iter()
            .flatten()
            .min()
            .map_or(tomorrow, |due| due.min(tomorrow))
    }

    fn call(&mut self, purpose: Call) -> u64 {
        let call = self.disk.next_call;
        self.disk.next_call += 1;
        self.run.calls.insert(call, purpose);
        call
    }

    fn look_up(&mut self, address: Address, count: usize, purpose: Call) {
        let call = self.call(purpose);
        self.acts.push(Act::Lookup {
            call,
            address,
            count,
        });
    }

    fn ask(&mut self, keeper: NodeId, request: Request, purpose: Call) {
        let call = self.call(purpose);
        self.acts.push(Act::Ask {
            call,
            keeper,
            request: Box::new(request),
        });
    }

    fn work(&mut self, ms: u64, purpose: Call) {
        let call = self.call(purpose);
        self.acts.push(Act::Work { call, ms });
    }

    fn tell(&mut self, fact: Fact) {
        self.acts.push(Act::Tell(fact));
    }
}

/// Returns both times of a moment: nobody sets clocks on this tier.
pub(crate) const fn both(now: UnixMillis) -> Now {
    Now::new(MonoMillis::new(now.get()), now)
}

const fn date(mono: MonoMillis) -> UnixMillis {
    UnixMillis::new(mono.get())
}

fn is_due(due: Option<MonoMillis>, now: UnixMillis) -> bool {
    due.is_some_and(|due| date(due) <= now)
}
