//! Finding people: from an ID to a verified card (SPEC 4.4, 10.1).
//!
//! A lookup asks the keepers of all four locators of an ID at once and chooses among what they have; a node that has
//! just started waits a little for its network.

mod asking;

use std::collections::BTreeMap;

use restante_proto::account::PersonId;
use restante_proto::card::{CardError, CardRecord};
use restante_proto::limits::{LOCATORS, REPLICAS, SECOND_MS};
use restante_proto::person::Locators;
use restante_proto::request::{Request, Response};
use restante_proto::time::MonoMillis;
use restante_proto::{Address, NodeId};
use tracing::debug;

use self::asking::Asking;
use crate::cx::Cx;
use crate::io::CallId;
use crate::job::{Before, Choice, Job, JobDone, Resolution, insert_by_distance};
use crate::pending::Question;
use crate::signal::{Certainty, Intent, ResolveError, Signal};

/// How long one locator may take, in milliseconds: keepers that are gone must not hold up those that answer.
const LOCATOR_MS: u64 = 8 * SECOND_MS;
/// Locators with records that are enough if a good card is among them, whatever the others have: no neighbourhood
/// decides alone, and one locator whose keepers are gone does not hold up the others.
const LOCATORS_ENOUGH: usize = LOCATORS - 1;
/// How long a node that has just started waits for the network before it says that there is none, in milliseconds.
const PATIENCE_MS: u64 = 12 * SECOND_MS;
/// The pause between two tries of that, in milliseconds.
const PATIENCE_STEP_MS: u64 = SECOND_MS / 2;

/// All lookups under way.
#[derive(Debug, Default)]
pub(crate) struct Resolving {
    last: u64,
    lookups: BTreeMap<u64, Lookup>,
}

/// One lookup of an ID.
#[derive(Debug)]
struct Lookup {
    id: PersonId,
    before: Before,
    intents: Vec<Intent>,
    give_up_at: MonoMillis,
    locators: Option<Locators>,
    round: Round,
}

/// One round over all locators.
#[derive(Debug, Default)]
struct Round {
    at: BTreeMap<Address, AtLocator>,
    records: Vec<CardRecord>,
    answers: usize,
    /// Answers of other nodes than this one.
    others: usize,
    with_records: usize,
    /// Locators of which enough keepers answered.
    conclusive: usize,
    /// How many records are being chosen among.
    choosing: Option<usize>,
    /// No keeper could be asked: the next round begins then.
    again_at: Option<MonoMillis>,
}

#[derive(Debug)]
struct AtLocator {
    /// None once it is done.
    asking: Option<Asking<CardRecord>>,
    deadline: MonoMillis,
}

impl Resolving {
    /// Begins a lookup, or joins one that is under way.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_>, id: PersonId, intent: Intent) {
        let under_way = self.lookups.values_mut().find(|lookup| lookup.id == id);
        if let Some(lookup) = under_way {
            lookup.intents.push(intent);
            return;
        }
        let before = before(cx, &id);
        self.last += 1;
        let lookup = Lookup {
            id: id.clone(),
            before,
            intents: vec![intent],
            give_up_at: cx.mono().plus(PATIENCE_MS),
            locators: None,
            round: Round::default(),
        };
        self.lookups.insert(self.last, lookup);
        if let Some(locators) = own_locators(cx, &id) {
            return self.on_located(cx, self.last, Some(JobDone::Located(locators)));
        }
        let job = Job::Locate(id, cx.date().salt_epoch());
        cx.compute(Question::Locate(self.last), job);
    }

    /// Forgets what somebody who has gone away asked for.
    pub(crate) fn on_gone(&mut self, call: CallId) {
        for lookup in self.lookups.values_mut() {
            lookup.intents.retain(|intent| match intent {
                Intent::Send(asker, _) | Intent::Add(asker, _) => *asker != call,
                Intent::Receipts(_) | Intent::Recheck(_) | Intent::Own => true,
            });
        }
    }

    pub(crate) fn on_located(&mut self, cx: &mut Cx<'_>, number: u64, done: Option<JobDone>) {
        let Some(lookup) = self.lookups.get_mut(&number) else {
            return;
        };
        let Some(JobDone::Located(locators)) = done else {
            return self.end(cx, number, Err(ResolveError::GivenUp));
        };
        lookup.locators = Some(locators);
        lookup.begin_round(cx, number);
    }

    pub(crate) fn on_near(&mut self, cx: &mut Cx<'_>, number: u64, at: Address, near: Vec<NodeId>) {
        if let Some(asking) = self.asking(number, &at) {
            let new = asking.on_near(near);
            ask(cx, number, at, new);
            self.advance(cx, number, at);
        }
    }

    pub(crate) fn on_found(
        &mut self,
        cx: &mut Cx<'_>,
        number: u64,
        at: Address,
        found: Vec<NodeId>,
    ) {
        if let Some(asking) = self.asking(number, &at) {
            let keepers = insert_by_distance(cx.settings.own_keeper, &at, found, REPLICAS);
            let new = asking.on_keepers(keepers);
            ask(cx, number, at, new);
            self.advance(cx, number, at);
        }
    }

    pub(crate) fn on_cards(
        &mut self,
        cx: &mut Cx<'_>,
        number: u64,
        (at, node): (Address, NodeId),
        answer: Option<Response>,
    ) {
        let records = match answer {
            Some(Response::Cards(mut records)) => {
                records.retain(|record| record.locator == at);
                Some(records)
            }
            _ => None,
        };
        let is_other = records.is_some() && cx.settings.own_keeper != Some(node);
        if let Some(asking) = self.asking(number, &at) {
            asking.on_answer(node, records);
            self.note_other(number, is_other);
            self.advance(cx, number, at);
        }
    }

    pub(crate) fn on_chosen(&mut self, cx: &mut Cx<'_>, number: u64, done: Option<JobDone>) {
        let Some(lookup) = self.lookups.get_mut(&number) else {
            return;
        };
        let among = lookup.round.choosing.take();
        let done = match done {
            Some(JobDone::Chosen(Ok(found))) if is_superseded(cx, &found) => {
                Some(JobDone::Chosen(Err(None)))
            }
            done => done,
        };
        match done {
            Some(JobDone::Chosen(Ok(resolution))) => self.end(cx, number, Ok(resolution)),
            Some(JobDone::Chosen(Err(fault))) => {
                let error = match fault {
                    None => ResolveError::NotFound,
                    Some(CardError::Expired) => ResolveError::OtherDate,
                    Some(fault) => ResolveError::Unusable(fault),
                };
                // What came meanwhile was not among them.
                let is_all = among == Some(lookup.round.records.len());
                match (lookup.round.is_over(), is_all) {
                    (true, true) => self.end(cx, number, Err(error)),
                    (true, false) => lookup.choose(cx, number),
                    (false, _) => {}
                }
            }
            _ => self.end(cx, number, Err(ResolveError::GivenUp)),
        }
    }

    /// Ends the locators whose time is over, and begins the rounds that are due.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        let now = cx.mono();
        let numbers: Vec<u64> = self.lookups.keys().copied().collect();
        for number in numbers {
            let Some(lookup) = self.lookups.get_mut(&number) else {
                continue;
            };
            if lookup.round.again_at.is_some_and(|due| due <= now) {
                lookup.begin_round(cx, number);
                continue;
            }
            let is_late = |at: &AtLocator| at.asking.is_some() && at.deadline <= now;
            let late = lookup.round.at.iter().filter(|(_, at)| is_late(at));
            let late: Vec<Address> = late.map(|(at, _)| *at).collect();
            for at in late {
                debug!("a locator was slow");
                self.finish(cx, number, at);
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        let due = |lookup: &Lookup| {
            let at = lookup.round.at.values();
            let deadlines = at.filter(|at| at.asking.is_some()).map(|at| at.deadline);
            deadlines.chain(lookup.round.again_at).min()
        };
        self.lookups.values().filter_map(due).min()
    }

    fn asking(&mut self, number: u64, at: &Address) -> Option<&mut Asking<CardRecord>> {
        let lookup = self.lookups.get_mut(&number)?;
        lookup.round.at.get_mut(at)?.asking.as_mut()
    }

    fn note_other(&mut self, number: u64, is_other: bool) {
        if let Some(lookup) = self.lookups.get_mut(&number) {
            lookup.round.others += usize::from(is_other);
        }
    }

    /// Ends a locator once enough of its keepers have answered, or no answer is left to come.
    fn advance(&mut self, cx: &mut Cx<'_>, number: u64, at: Address) {
        let is_done = self
            .asking(number, &at)
            .is_some_and(|asking| asking.is_enough() || asking.is_exhausted());
        if is_done {
            self.finish(cx, number, at);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>, number: u64, at: Address) {
        let Some(lookup) = self.lookups.get_mut(&number) else {
            return;
        };
        let round = &mut lookup.round;
        let asking = round.at.get_mut(&at).and_then(|at| at.asking.take());
        let Some(asking) = asking else { return };
        // What answered before the lookup ended is as good where all of it has a record.
        let is_conclusive = asking.is_conclusive() || asking.is_enough();
        let (found, answers) = asking.into_found();
        round.conclusive += usize::from(is_conclusive);
        round.with_records += usize::from(!found.is_empty());
        round.records.extend(found);
        round.answers += answers;
        let is_over = round.is_over();
        if !is_over && round.with_records < LOCATORS_ENOUGH {
            return;
        }
        let next = cx.mono().plus(PATIENCE_STEP_MS);
        let has_waited = next > lookup.give_up_at;
        let is_silent = round.answers == 0 || (round.with_records == 0 && !lookup.is_heard(cx));
        if is_over && is_silent {
            if has_waited {
                return self.end(cx, number, Err(ResolveError::Offline));
            }
            lookup.round.again_at = Some(next);
        } else if lookup.round.choosing.is_none() {
            lookup.choose(cx, number);
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>, number: u64, result: Result<Box<Resolution>, ResolveError>) {
        let Some(lookup) = self.lookups.remove(&number) else {
            return;
        };
        let certainty = match lookup.round.conclusive {
            LOCATORS_ENOUGH.. if lookup.is_heard(cx) => Certainty::Sure,
            _ => Certainty::Unsure,
        };
        // Nobody but this node itself was asked: that says nothing about others.
        let is_alone = lookup.round.others == 0 && matches!(result, Err(ResolveError::NotFound));
        for intent in lookup.intents {
            let result = match &intent {
                Intent::Send(..) | Intent::Add(..) if is_alone => Err(ResolveError::Offline),
                _ => result.clone(),
            };
            cx.signal(Signal::Resolved(intent, result, certainty));
        }
    }
}

impl Lookup {
    fn begin_round(&mut self, cx: &mut Cx<'_>, number: u64) {
        self.round = Round::default();
        let Some(locators) = &self.locators else {
            return;
        };
        for locator in locators.addresses {
            let mut asking = Asking::new();
            let near = asking.on_near(cx.settings.own_keeper.into_iter().collect());
            let at = AtLocator {
                asking: Some(asking),
                deadline: cx.mono().plus(LOCATOR_MS),
            };
            self.round.at.insert(locator, at);
            ask(cx, number, locator, near);
            cx.search(Question::FindLocator(number, locator), locator, REPLICAS);
        }
    }

    /// Tells whether the network has answered. What this node itself keeps says nothing about it, unless it may be the
    /// only one there is.
    fn is_heard(&self, cx: &Cx<'_>) -> bool {
        let has_waited = cx.mono().plus(PATIENCE_STEP_MS) > self.give_up_at;
        let is_new = cx.records.card().is_none();
        self.round.others > 0 || (cx.settings.is_first && (is_new || has_waited))
    }

    fn choose(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(locators) = &self.locators else {
            return;
        };
        self.round.choosing = Some(self.round.records.len());
        let choice = Choice {
            id: self.id.clone(),
            key: locators.record_key.clone(),
            records: self.round.records.clone(),
            before: self.before,
            date: cx.date(),
        };
        cx.compute(Question::Choose(number), Job::Choose(Box::new(choice)));
    }
}

impl Round {
    fn is_over(&self) -> bool {
        self.at.values().all(|at| at.asking.is_none())
    }
}

/// Returns one's own locators, if a card was made under the present salt epoch: nothing is computed then.
fn own_locators(cx: &Cx<'_>, id: &PersonId) -> Option<Locators> {
    let card = cx
        .records
        .card()
        .filter(|_| *id == cx.records.account().id)?;
    let epoch = cx.date().salt_epoch();
    let mut locators = card.locators.iter();
    locators.find(|locators| locators.epoch == epoch).cloned()
}

/// Tells whether a later delegate of the account that was found is known, under whatever ID.
fn is_superseded(cx: &Cx<'_>, found: &Resolution) -> bool {
    let card = found.card.card();
    let contact = cx.records.contacts().get(&card.account);
    let seen = contact.and_then(|contact| contact.delegation);
    seen.is_some_and(|seen| card.delegation.number < seen)
}

/// Returns what is known of an ID before it is looked up; of one's own, whose account it is.
fn before(cx: &Cx<'_>, id: &PersonId) -> Before {
    let account = cx.records.account();
    if *id == account.id {
        return Before {
            account: Some(account.identity.account),
            delegation: Some(account.identity.delegation.number),
            sequence: None,
        };
    }
    let contact = cx.records.contact_by_id(id);
    Before {
        account: contact.map(|contact| contact.account),
        delegation: contact.and_then(|contact| contact.delegation),
        sequence: contact.and_then(|contact| contact.ids.sequence(id)),
    }
}

fn ask(cx: &mut Cx<'_>, number: u64, locator: Address, nodes: Vec<NodeId>) {
    for node in nodes {
        let question = Question::Cards(number, locator, node);
        cx.ask(question, node, Request::GetCards { locator });
    }
}
