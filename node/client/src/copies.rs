//! Whether this home is the newest copy of its account (SPEC 10.8).
//!
//! A home may be a restored backup, an old copy run by mistake, a virtual machine that was set back, or one of two that
//! run at once. Keepers know: a card there that shows a prekey of this device which this home does not hold was made by
//! another copy. Until its own card was looked up a home acks nothing, publishes nothing and answers nobody; once it
//! finds that it is not the newest copy, it goes on as a device of its own.

use std::collections::BTreeSet;

use restante_interface::ContactState;
use restante_proto::account::Identity;
use restante_proto::card::{Card, CardDevice, CardRecord};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DEVICES_MAX, HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::message::MessageId;
use restante_proto::placement::jittered;
use restante_proto::prekey::Prekey;
use restante_proto::request::{Request, Response};
use restante_proto::time::{MonoMillis, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};
use tracing::{debug, warn};

use crate::cx::Cx;
use crate::dates::DateStanding;
use crate::job::Resolution;
use crate::model::Account;
use crate::pending::Question;
use crate::records::Records;
use crate::signal::{Certainty, Intent, ResolveError, Signal};
use crate::then::Then;

/// The pause after a lookup of one's own card that decides nothing, in milliseconds; it grows.
const RETRY_MS: u64 = 5 * SECOND_MS;
/// The longest such pause, in milliseconds.
const RETRY_MAX_MS: u64 = 10 * MINUTE_MS;
/// How long a lookup of one's own card is good for a new card that is made, in milliseconds.
const FRESH_MS: u64 = MINUTE_MS;
/// How often one keeper is asked whether it holds a card that this device did not make, in milliseconds: it answers
/// with the whole of it, and keepers tell sooner that another copy reads.
const CHECK_MS: u64 = 6 * HOUR_MS;
/// When one is asked after somebody else has begun to read this device's mailboxes, in milliseconds: another copy of
/// this home publishes soon after its start.
const READER_CHECKS_MS: [u64; 2] = [30 * SECOND_MS, 5 * MINUTE_MS];
/// When one is asked after this home has started: a copy that runs already notices that by [`READER_CHECKS_MS`], and
/// makes a card then, one each minute at most.
const START_CHECKS_MS: [u64; 2] = [75 * SECOND_MS, 5 * MINUTE_MS];

/// Records of other writers that are remembered, at most, about: each locator has seven places for them.
const OTHERS_RECORDS_MAX: usize = 64;

/// What is known of other copies of this home, and of other devices of its account.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    state: State,
    is_looking: bool,
    /// When one's own card is looked up again, or one keeper is asked for it.
    due: Option<MonoMillis>,
    failures: u32,
    checks: u32,
    /// When a lookup last said that this home is the newest copy.
    confirmed: Option<MonoMillis>,
    /// A new card waits for that.
    card_wanted: bool,
    /// The highest sequence seen of this account.
    sequence: u64,
    /// The other devices, as the newest card shows them.
    others: Vec<CardDevice>,
    /// When somebody else was last seen to begin to read this device's mailboxes.
    other_reader: Option<MonoMillis>,
    started: Option<MonoMillis>,
    /// Records at one's own locators that other writers have made, as far as they were looked at.
    others_records: BTreeSet<ItemId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nobody knows yet whether another copy is further on.
    #[default]
    Unconfirmed,
    /// No other copy is further on.
    Newest,
    /// Another copy is; the commit by which this home becomes another device is under way.
    Renewing,
    /// The account goes on without any device that there was: its recovery phrase was used elsewhere.
    ShutOut,
}

/// What one's own card at the keepers says of this home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It shows nothing of this device that this home does not know.
    Newest {
        /// It is newer than the one made here.
        is_newer: bool,
        /// It shows the newest prekey made here.
        shows_prekey: bool,
    },
    /// Another copy of this home has published since.
    Older,
    /// A later delegate has.
    ShutOut,
}

impl Verdict {
    /// Tells whether one card alone says it, however few keepers have answered.
    const fn is_decided(self) -> bool {
        matches!(self, Self::Older | Self::ShutOut)
    }
}

impl Copies {
    /// Tells whether no other copy of this home is further on, as far as keepers know.
    pub(crate) fn is_newest(&self) -> bool {
        self.state == State::Newest
    }

    /// Tells whether this home is none of its account's devices any more, and never will be.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.state == State::ShutOut
    }

    /// Returns how many other devices the account has.
    pub(crate) const fn others(&self) -> usize {
        self.others.len()
    }

    pub(crate) fn start(&mut self, cx: &Cx<'_>) {
        self.due = Some(cx.mono());
        self.started = Some(cx.mono());
        if cx.records.account().shut_out {
            self.state = State::ShutOut;
        }
    }

    /// The process did not run for a while, or was set back with its machine.
    pub(crate) fn on_resumed(&mut self, cx: &mut Cx<'_>) {
        if self.state == State::Newest {
            self.state = State::Unconfirmed;
        }
        self.doubt(cx);
    }

    pub(crate) fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        if self.state == State::Unconfirmed {
            self.doubt(cx);
        }
    }

    /// The store takes changes again, as the one by which this home becomes another device.
    pub(crate) fn on_store_back(&mut self, cx: &mut Cx<'_>) {
        if self.state == State::Unconfirmed {
            self.doubt(cx);
        }
    }

    /// A new card is wanted: it is made once it is known what the present one shows.
    pub(crate) fn on_card_wanted(&mut self, cx: &mut Cx<'_>) {
        self.card_wanted = true;
        let is_fresh = |at: MonoMillis| cx.mono().since(at) < FRESH_MS;
        if self.is_newest() && self.confirmed.is_some_and(is_fresh) {
            self.order_card(cx);
        } else {
            self.doubt(cx);
        }
    }

    /// A keeper holds a record of this account that is newer than the one it was given.
    pub(crate) fn on_superseded(&mut self, cx: &Cx<'_>) {
        let soon = cx.mono().plus(SECOND_MS);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
        self.confirmed = None;
    }

    /// Somebody else has begun to read the mailboxes of this device: another copy of this home may run.
    pub(crate) fn on_other_reader(&mut self, cx: &Cx<'_>) {
        let [_, last] = READER_CHECKS_MS;
        let is_watched = |since: MonoMillis| cx.mono().since(since) < last;
        if self.other_reader.is_some_and(is_watched) {
            return;
        }
        debug!("another copy of this account may have started");
        self.other_reader = Some(cx.mono());
        self.due = self.due.into_iter().chain(self.next_early_check(cx)).min();
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>, nearest: Option<(Address, NodeId)>) {
        let is_due = self.next_timeout().is_some_and(|due| due <= cx.mono());
        if !is_due {
            return;
        }
        let is_doubtful = self.state != State::Newest || self.confirmed.is_none();
        match nearest.filter(|_| !is_doubtful) {
            Some((locator, keeper)) => {
                self.due = Some(self.next_check(cx));
                let question = Question::OwnCard(locator, keeper);
                cx.ask(question, keeper, Request::GetCards { locator });
            }
            None => self.look_up(cx),
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        let is_busy = self.is_looking || self.is_bound();
        self.due.filter(|_| !is_busy)
    }

    /// Looks closer when a keeper holds a card that was not made here.
    pub(crate) fn on_cards(&mut self, cx: &mut Cx<'_>, locator: Address, answer: Option<Response>) {
        let Some(Response::Cards(records)) = answer else {
            return;
        };
        let writer = cx.records.account().identity.writer(&locator).public();
        let known = cx.records.card().map_or(0, |card| card.sequence);
        let known = known.max(self.sequence);
        let here = || records.iter().filter(|record| record.locator == locator);
        let is_news = |record: &CardRecord| record.sequence > known || is_other(cx.records, record);
        let mut own = here().filter(|record| record.writer == writer);
        let has_news = own.any(is_news);
        // A squatter's, or that of a later delegate of this account: who looks it up knows.
        let others = here().filter(|record| record.writer != writer);
        let others: BTreeSet<ItemId> = others.map(CardRecord::id).collect();
        let has_others = !others.is_subset(&self.others_records);
        if self.others_records.len() > OTHERS_RECORDS_MAX {
            self.others_records.clear();
        }
        self.others_records.extend(others);
        if has_news || has_others {
            self.doubt(cx);
        }
    }

    /// Judges what a lookup of one's own card found. A card made by another copy decides at once, also when other
    /// keepers were silent.
    pub(crate) fn on_resolved(
        &mut self,
        cx: &mut Cx<'_>,
        result: Result<Box<Resolution>, ResolveError>,
        certainty: Certainty,
    ) {
        self.is_looking = false;
        // By a date that is wrong a good card looks expired, and one's own may be the only one that does not.
        let certainty = match cx.date {
            DateStanding::Sure => certainty,
            _ => Certainty::Unsure,
        };
        let verdict = match (&result, certainty) {
            (Ok(found), _) if self.judge(cx.records, found).is_decided() => {
                self.judge(cx.records, found)
            }
            (Ok(found), Certainty::Sure) => {
                let card = found.card.card();
                self.sequence = self.sequence.max(card.sequence);
                self.others = others_of(card, &cx.records.account().identity, cx.date());
                self.judge(cx.records, found)
            }
            (Err(ResolveError::NotFound), Certainty::Sure) => Verdict::Newest {
                is_newer: false,
                shows_prekey: false,
            },
            _ => {
                let pause = (RETRY_MS << self.failures.min(8)).min(RETRY_MAX_MS);
                self.failures = self.failures.saturating_add(1);
                let salt = Address::new(*own_device(cx.records).as_bytes());
                self.due = Some(cx.mono().plus(jittered(pause, &salt, self.failures)));
                return;
            }
        };
        self.failures = 0;
        match verdict {
            Verdict::Older => self.renew(cx, result.ok().as_deref()),
            Verdict::ShutOut => self.shut_out(cx),
            Verdict::Newest {
                is_newer,
                shows_prekey,
            } => {
                self.confirm(cx);
                match (is_newer, shows_prekey) {
                    (true, true) => cx.signal(Signal::PublishedElsewhere),
                    (true, false) => cx.signal(Signal::CardOutdated),
                    (false, _) => {}
                }
            }
        }
    }

    /// Goes on as the new device once it is on the disk.
    pub(crate) fn on_renewed(&mut self, cx: &mut Cx<'_>, ok: bool) {
        if !ok {
            self.state = State::Unconfirmed;
            self.due = Some(cx.mono().plus(RETRY_MAX_MS));
            return;
        }
        warn!("this is an older copy of its account: it goes on as a device of its own");
        announce(cx);
        self.confirm(cx);
        cx.signal(Signal::CardOutdated);
    }

    fn judge(&self, records: &Records, found: &Resolution) -> Verdict {
        let own = records.card();
        let card = found.card.card();
        let delegation = records.account().identity.delegation.number;
        if card.delegation.number > delegation {
            return Verdict::ShutOut;
        }
        let device = own_device(records);
        let mut shown = card.devices.iter();
        let shown = shown.find(|it| it.certificate.device == device);
        let shown = shown.map(|it| &it.prekey);
        let mut prekeys = records.prekeys().iter().map(|secret| secret.public());
        let is_own = own.is_some_and(|own| own.records.contains(&found.record));
        let is_newer = !is_own && own.is_none_or(|own| card.sequence >= own.sequence);
        let newest = records.prekeys().iter().map(|secret| secret.public());
        let newest = newest.max_by_key(|prekey| prekey.issued);
        let shows_prekey = shown.is_some() && shown == newest;
        let verdict = Verdict::Newest {
            is_newer,
            shows_prekey,
        };
        match shown {
            _ if !is_newer => verdict,
            Some(shown) if !prekeys.any(|prekey: &Prekey| prekey == shown) => Verdict::Older,
            // A device that left the card while it was not looking: its keys may be used elsewhere.
            None if own.is_some() && self.state != State::Newest => Verdict::Older,
            _ => verdict,
        }
    }

    /// Stays as it is for good: what it sends counts for nothing.
    fn shut_out(&mut self, cx: &mut Cx<'_>) {
        warn!(
            "the account goes on elsewhere, by its recovery phrase: this home is none of its devices any more"
        );
        self.state = State::ShutOut;
        self.card_wanted = false;
        let account = Account {
            shut_out: true,
            ..cx.records.account().as_ref().clone()
        };
        cx.records.put_account(account);
    }

    /// Tells whether nothing that a lookup finds is waited for.
    fn is_bound(&self) -> bool {
        matches!(self.state, State::Renewing | State::ShutOut)
    }

    /// Stages the account as another device. The one it was stays in the card: who has its keys may be alive.
    fn renew(&mut self, cx: &mut Cx<'_>, found: Option<&Resolution>) {
        let renewed = cx.records.account().renew(cx.date(), &mut cx.rng);
        if let Some(card) = found.map(|found| found.card.card()) {
            self.sequence = self.sequence.max(card.sequence);
            self.others = others_of(card, &renewed.identity, cx.date());
        }
        self.state = State::Renewing;
        cx.records.put_account(renewed);
        cx.records.then(Then::Renewed);
    }

    fn confirm(&mut self, cx: &mut Cx<'_>) {
        let is_new = self.state != State::Newest;
        self.state = State::Newest;
        self.confirmed = Some(cx.mono());
        self.due = Some(self.next_check(cx));
        if is_new {
            debug!("no other copy of this account is further on");
            cx.signal(Signal::Confirmed);
        }
        if self.card_wanted {
            self.order_card(cx);
        }
    }

    fn order_card(&mut self, cx: &mut Cx<'_>) {
        self.card_wanted = false;
        cx.signal(Signal::MakeCard {
            above: self.sequence,
            others: self.others.clone(),
        });
    }

    /// Has one's own card looked up as soon as may be.
    fn doubt(&mut self, cx: &mut Cx<'_>) {
        self.confirmed = None;
        match cx.date {
            DateStanding::Sure => self.look_up(cx),
            _ => self.due = Some(cx.mono()),
        }
    }

    fn look_up(&mut self, cx: &mut Cx<'_>) {
        if self.is_looking || self.is_bound() {
            return;
        }
        self.is_looking = true;
        cx.signal(Signal::Resolve(Intent::Own));
    }

    fn next_check(&mut self, cx: &Cx<'_>) -> MonoMillis {
        self.checks = self.checks.wrapping_add(1);
        let salt = Address::new(*own_device(cx.records).as_bytes());
        let regular = cx.mono().plus(jittered(CHECK_MS, &salt, self.checks));
        let early = self.next_early_check(cx);
        early.map_or(regular, |early| early.min(regular))
    }

    /// Returns the next moment at which a copy that may run beside this home is looked for.
    fn next_early_check(&self, cx: &Cx<'_>) -> Option<MonoMillis> {
        let started = self.started.map(|at| (at, &START_CHECKS_MS[..]));
        let reader = self.other_reader.map(|at| (at, &READER_CHECKS_MS[..]));
        let checks = started.into_iter().chain(reader);
        let checks =
            checks.flat_map(|(at, pauses)| pauses.iter().map(move |pause| at.plus(*pause)));
        checks.filter(|at| *at > cx.mono()).min()
    }
}

/// Has all contacts told of this device: who hears from a device that the card known does not show looks it up. What
/// tells them is a delivery receipt for no message.
fn announce(cx: &mut Cx<'_>) {
    let contacts = cx.records.contacts().values();
    let accepted = contacts.filter(|contact| contact.state == ContactState::Accepted);
    let accepted: Vec<PublicKey> = accepted.map(|contact| contact.account).collect();
    for account in accepted {
        let named = (account, MessageId::random(&mut cx.rng));
        cx.records.put_due(named);
    }
    cx.signal(Signal::ReceiptsDue);
}

fn own_device(records: &Records) -> PublicKey {
    records.account().identity.device.public()
}

/// Tells whether a record has the sequence of the card made here and is another one.
fn is_other(records: &Records, record: &CardRecord) -> bool {
    let own = records.card().filter(|own| own.sequence == record.sequence);
    own.is_some_and(|own| !own.records.contains(record))
}

/// Returns the devices that a new card shows beside `own`: those that can be sealed to, the newest prekeys first.
///
/// Those that an earlier delegate has certified are none of the account's any more.
fn others_of(card: &Card, own: &Identity, date: UnixMillis) -> Vec<CardDevice> {
    let device = own.device.public();
    let others = card.devices.iter();
    let others = others.filter(|it| it.certificate.delegation == own.delegation);
    let others = others.filter(|it| it.certificate.device != device && it.prekey.expires > date);
    let mut others: Vec<CardDevice> = others.cloned().collect();
    others.sort_by_key(|it| std::cmp::Reverse(it.prekey.issued));
    others.truncate(DEVICES_MAX - 1);
    others
}
