//! Making one's own card and keeping it published (SPEC 10.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use restante_interface::Event;
use restante_proto::card::{CardDevice, CardRecord};
use restante_proto::limits::{DAY_MS, LOCATORS, REPLICAS, SECOND_MS, receipts_wanted};
use restante_proto::publisher::{self, Publisher};
use restante_proto::receipt::Claim;
use restante_proto::request::{Reason, Refusal, Request, Response};
use restante_proto::stamp::{EFFORT_DEFAULT, Stamp};
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, NodeId};
use tracing::{debug, info, warn};

use crate::cx::Cx;
use crate::deposit::{Deposited, TooDear, judge};
use crate::io::SEARCH_COUNT;
use crate::job::{Job, JobDone, MadeCard};
use crate::model::OwnCard;
use crate::pending::{Asked, Question, StampFor};
use crate::signal::Signal;
use crate::stamps::Stamps;
use crate::then::Then;

/// How long a node makes no stamp for the next salt epoch after it published or had other stamps to make, in
/// milliseconds: there are thirty days for it, and people who wait come first.
const LATER_MS: u64 = 20 * SECOND_MS;

/// Cards made in the last day with which a start makes no other: a node that is started over and over does not
/// publish each time.
const START_CARDS_MAX: usize = 8;

/// Publication of the card.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    publisher: Publisher,
    /// The records of the card that is committed: the one in [`Records`](crate::records::Records) may not be yet.
    committed: Vec<CardRecord>,
    published: Option<UnixMillis>,
    /// Locators whose keepers ask for more work than may be done.
    too_dear: BTreeMap<Address, TooDear>,
    /// When a stamp for the next salt epoch may be made.
    later_due: Option<MonoMillis>,
    is_started: bool,
    is_making: bool,
}

impl Publishing {
    /// Makes a card once this home may publish: by its new prekey a copy of this home learns of this run (SPEC 10.8).
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>) {
        if std::mem::replace(&mut self.is_started, true) {
            return self.on_network_up(cx);
        }
        let yesterday = cx.date().minus(DAY_MS);
        let prekeys = cx.records.prekeys().iter().map(|it| it.public());
        let made = prekeys.filter(|it| it.issued > yesterday).count();
        if cx.records.card().is_some() && made >= START_CARDS_MAX {
            self.begin(cx);
        } else {
            self.handle(cx, publisher::Input::Timer);
        }
    }

    /// Returns when the card was last stored at all its locators in this run.
    pub(crate) const fn published(&self) -> Option<UnixMillis> {
        self.published
    }

    /// Returns which effort would get the card stored, when it is not because keepers ask for more work than may be
    /// paid.
    pub(crate) fn effort_asked(&self, now: Now) -> Option<u32> {
        let (stored, of) = self.publisher.published(now);
        let enough = receipts_wanted(REPLICAS);
        let asked = self.too_dear.values();
        let asked = asked.filter_map(|dear| dear.effort_for(enough)).max();
        asked.filter(|_| stored < of)
    }

    /// Publishes the card as it is: at once where there is a stamp, and elsewhere once there is one.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_>) {
        let Some(card) = cx.records.card() else {
            return;
        };
        let locators: Vec<Address> = card.records.iter().map(|record| record.locator).collect();
        let (present, next) = locators.split_at(LOCATORS.min(locators.len()));
        self.committed.clone_from(&card.records);
        self.too_dear.clear();
        let made = publisher::Input::Made {
            issued: card.issued,
            present: present.to_vec(),
            next: next.to_vec(),
        };
        self.handle(cx, made);
        for locator in &locators {
            if cx.records.stamps().contains_key(locator) {
                self.handle(cx, publisher::Input::Stamped(*locator));
            } else if present.contains(locator) {
                let what = StampFor::Locator(*locator);
                cx.signal(Signal::OrderStamp(what, EFFORT_DEFAULT));
            } else {
                self.later_due = Some(cx.mono().plus(LATER_MS));
            }
        }
    }

    /// Stages a stamp.
    pub(crate) fn on_stamp(&self, cx: &mut Cx<'_>, locator: Address, stamp: Stamp) {
        cx.records.put_stamp(locator, stamp.clone());
        cx.records.then(Then::PublishAt(locator, Box::new(stamp)));
    }

    /// Publishes at a locator whose stamp is committed; without the disk, too: it is made again after a restart.
    pub(crate) fn on_stamped(&mut self, cx: &mut Cx<'_>, locator: Address) {
        self.handle(cx, publisher::Input::Stamped(locator));
    }

    /// Stages a card that was made: the private half of its prekey is on the disk before anybody can seal to it.
    pub(crate) fn on_made(&mut self, cx: &mut Cx<'_>, done: Option<JobDone>) {
        self.is_making = false;
        let Some(JobDone::Made(made)) = done else {
            warn!("the card could not be made; it is tried again in a while");
            return self.handle(cx, publisher::Input::MakeFailed);
        };
        let MadeCard { card, prekey } = *made;
        cx.records.put_card(card, prekey);
        cx.records.then(Then::PublishCard);
    }

    /// Publishes a card that is committed, or tries again later.
    pub(crate) fn on_committed(&mut self, cx: &mut Cx<'_>, ok: bool) {
        if ok {
            self.begin(cx);
        } else {
            self.handle(cx, publisher::Input::MakeFailed);
        }
    }

    pub(crate) fn on_found(&mut self, cx: &mut Cx<'_>, locator: Address, keepers: Vec<NodeId>) {
        if let Some(dear) = self.too_dear.get_mut(&locator) {
            dear.on_found(&keepers);
        }
        self.handle(cx, publisher::Input::Found(locator, keepers));
    }

    pub(crate) fn on_neighbours(
        &mut self,
        cx: &mut Cx<'_>,
        locator: Address,
        keeper: NodeId,
        mut nodes: Vec<NodeId>,
    ) {
        let own = cx.settings.own_keeper;
        nodes.retain(|node| Some(*node) != own);
        self.handle(cx, publisher::Input::Neighbours(locator, keeper, nodes));
    }

    /// A keeper has answered a deposit.
    pub(crate) fn on_answer(
        &mut self,
        cx: &mut Cx<'_>,
        locator: Address,
        asked: &Asked,
        answer: Option<Response>,
    ) {
        if let Some(dear) = self.too_dear.get_mut(&locator) {
            dear.forget(&asked.keeper);
        }
        let input = match judge(asked, answer) {
            Deposited::Held(until) => publisher::Input::Receipt(locator, asked.keeper, until),
            Deposited::Refused(refusal) => {
                if refusal.reason == Reason::Sequence {
                    cx.signal(Signal::Superseded);
                }
                self.pay_more(cx, locator, asked.keeper, refusal);
                publisher::Input::Failed(locator, asked.keeper)
            }
            _ => publisher::Input::Failed(locator, asked.keeper),
        };
        self.handle(cx, input);
    }

    /// Orders a better stamp when a keeper asks for one that may be paid, or notes that it is too dear.
    fn pay_more(&mut self, cx: &mut Cx<'_>, locator: Address, keeper: NodeId, refusal: Refusal) {
        debug!(reason = refusal.reason.name(), "a keeper refuses the card");
        let worth = cx.records.stamps().get(&locator).map_or(0, Stamp::effort);
        if refusal.reason != Reason::Stamp || worth >= u64::from(refusal.effort) {
            return;
        }
        if refusal.effort <= cx.settings.effort_max {
            let what = StampFor::Locator(locator);
            cx.signal(Signal::OrderStamp(what, refusal.effort));
        } else {
            let dear = self.too_dear.entry(locator).or_default();
            dear.note(keeper, refusal.effort);
        }
    }

    /// Has another card made: the present one does not show what it should.
    pub(crate) fn on_outdated(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, publisher::Input::Outdated);
    }

    /// Leaves the card to another device, which has published one.
    pub(crate) fn on_published_elsewhere(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, publisher::Input::PublishedElsewhere);
        self.on_published(cx);
    }

    /// Makes a card with a sequence above the last one and `above`, which shows other devices beside this one.
    pub(crate) fn make_card(&mut self, cx: &mut Cx<'_>, above: u64, others: Vec<CardDevice>) {
        if cx.shut_out || std::mem::replace(&mut self.is_making, true) {
            return;
        }
        let last = cx.records.card().map_or(0, |card: &OwnCard| card.sequence);
        // The date serves when nobody knows the last sequence.
        let sequence = cx.date().get().max(last.max(above).saturating_add(1));
        let job = Job::MakeCard {
            account: Arc::clone(cx.records.account()),
            others,
            sequence,
            date: cx.date(),
        };
        cx.compute(Question::MakeCard, job);
    }

    /// Returns a locator and a keeper that holds the card there.
    pub(crate) fn holder(&self, now: Now) -> Option<(Address, NodeId)> {
        self.publisher.holder(now)
    }

    pub(crate) fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        self.handle(cx, publisher::Input::NetworkUp);
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>, stamps: &Stamps) {
        let due = self.publisher.next_timeout(cx.now);
        if due.is_some_and(|due| due <= cx.mono()) {
            self.handle(cx, publisher::Input::Timer);
        }
        if self.later_due.is_some_and(|due| due <= cx.mono()) {
            self.stamp_later(cx, stamps);
        }
    }

    pub(crate) fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        let publisher = self.publisher.next_timeout(now);
        publisher.into_iter().chain(self.later_due).min()
    }

    /// Orders one stamp for the next salt epoch, when none else is wanted.
    fn stamp_later(&mut self, cx: &mut Cx<'_>, stamps: &Stamps) {
        let records = cx.records.card().into_iter().flat_map(|card| &card.records);
        let mut locators = records.map(|record| record.locator);
        let missing = locators.find(|locator| !cx.records.stamps().contains_key(locator));
        self.later_due = missing.map(|_| cx.mono().plus(LATER_MS));
        if let Some(locator) = missing.filter(|_| stamps.is_idle()) {
            cx.signal(Signal::OrderStamp(
                StampFor::Locator(locator),
                EFFORT_DEFAULT,
            ));
        }
    }

    fn handle(&mut self, cx: &mut Cx<'_>, input: publisher::Input) {
        if cx.shut_out {
            return;
        }
        for output in self.publisher.handle(cx.now, input) {
            match output {
                publisher::Output::Make => cx.signal(Signal::CardWanted),
                publisher::Output::Find(locator) => {
                    cx.search(Question::FindCard(locator), locator, SEARCH_COUNT);
                }
                publisher::Output::AskNeighbours(locator, keeper) => {
                    let question = Question::CardNeighbours(locator, keeper);
                    cx.ask_neighbours(question, keeper, locator);
                }
                publisher::Output::Deposit(locator, keeper) => {
                    let record = self
                        .committed
                        .iter()
                        .find(|record| record.locator == locator);
                    match record {
                        Some(record) => deposit(cx, record, keeper),
                        None => self.handle(cx, publisher::Input::Failed(locator, keeper)),
                    }
                }
                publisher::Output::Published { locators, of } => {
                    debug!(locators, of, "the card is stored");
                    if locators < of {
                        continue;
                    }
                    self.on_published(cx);
                }
            }
        }
    }

    fn on_published(&mut self, cx: &mut Cx<'_>) {
        if self.published.is_none() {
            info!("the card is published; this account can be found");
            cx.event(Event::Published);
        }
        self.published = Some(cx.date());
    }
}

/// Deposits a record.
fn deposit(cx: &mut Cx<'_>, record: &CardRecord, keeper: NodeId) {
    let (nonce, locator) = (cx.nonce(), record.locator);
    let asked = Asked {
        keeper,
        claim: Claim {
            address: locator,
            id: record.id(),
            nonce,
        },
        expires: record.expires,
        offer: false,
    };
    let request = Request::DepositCard {
        record: Box::new(record.clone()),
        stamp: cx.records.stamps().get(&locator).cloned(),
        nonce,
    };
    cx.ask(Question::DepositCard(locator, asked), keeper, request);
}
