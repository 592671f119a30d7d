//! The core: takes one input at a time, passes it to the subject it concerns, and collects the actions to perform.

mod calls;
mod signals;
mod upkeep;

use std::collections::VecDeque;

use rand_core::CryptoRng;
use restante_interface::{Refusal, Reply, StoreTrouble};
use restante_proto::collector::watched_until;
use restante_proto::limits::{DAY_MS, HOUR_MS, SECOND_MS};
use restante_proto::time::{MonoMillis, Now};
use restante_proto::{NodeId, request};

use crate::about;
use crate::collecting::Collecting;
use crate::contacts;
use crate::copies::Copies;
use crate::cx::Cx;
use crate::dates::{DateStanding, Dates};
use crate::history;
use crate::io::{CommitError, Input, Output, Token};
use crate::job::JobDone;
use crate::model::{Account, Slot};
use crate::overview::{self, Overview};
use crate::pending::{Pending, Question};
use crate::placing::Placing;
use crate::publishing::Publishing;
use crate::reading::Reading;
use crate::receipts::Receipts;
use crate::rechecking::Rechecking;
use crate::records::{Loaded, Records};
use crate::resolving::Resolving;
use crate::sending::{self, Sending};
use crate::settings::Settings;
use crate::signal::Signal;
use crate::stamps::Stamps;
use crate::then::{Sealed, SealedFor, Then};

/// How long changes of the network are passed over after one was acted on, in milliseconds: every retry has its own
/// pause, and only the first change after a quiet time shortens it.
const NETWORK_UP_MS: u64 = 10 * SECOND_MS;
/// How long after its end a message that was sent is still shown with what became of it, in milliseconds.
const SENT_SHOWN_MS: u64 = 7 * DAY_MS;
/// How often records that only remember things are looked through, in milliseconds.
const TIDY_MS: u64 = HOUR_MS;

/// The person's side of a node.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    records: Records,
    pending: Pending,
    resolving: Resolving,
    sending: Sending,
    placing: Placing,
    collecting: Collecting,
    receipts: Receipts,
    stamps: Stamps,
    publishing: Publishing,
    reading: Reading,
    copies: Copies,
    rechecking: Rechecking,
    dates: Dates,
    upkeep: Upkeep,
}

/// When things are done that no subject asks for.
#[derive(Debug)]
struct Upkeep {
    tidy_at: MonoMillis,
    /// When failed lookups were last hurried because the network changed.
    network_up: Option<MonoMillis>,
}

impl Core {
    /// Makes a core of what was read from the disk.
    pub fn new(now: Now, settings: Settings, mut loaded: Loaded) -> Self {
        let dates = Dates::new(now, &loaded);
        let taken = std::mem::take(&mut loaded.taken);
        Self {
            settings,
            records: Records::new(loaded),
            pending: Pending::default(),
            resolving: Resolving::default(),
            sending: Sending::default(),
            placing: Placing::default(),
            collecting: Collecting::new(taken),
            receipts: Receipts::default(),
            stamps: Stamps::default(),
            publishing: Publishing::default(),
            reading: Reading::default(),
            copies: Copies::default(),
            rechecking: Rechecking::default(),
            dates,
            upkeep: Upkeep {
                tidy_at: now.mono.plus(TIDY_MS),
                network_up: None,
            },
        }
    }

    /// Returns the account.
    pub fn account(&self) -> &Account {
        self.records.account()
    }

    /// Returns what keeps the account's store from taking anything in, if something does.
    pub const fn trouble(&self) -> Option<&StoreTrouble> {
        self.records.trouble()
    }

    #[cfg(test)]
    pub(crate) const fn records(&self) -> &Records {
        &self.records
    }

    /// Returns how the account is doing.
    pub fn overview(&self, now: Now) -> Overview {
        overview::of(
            &self.settings,
            &self.records,
            &self.placing,
            &self.collecting,
            &self.publishing,
            (&self.copies, &self.dates),
            now,
        )
    }

    /// Handles one input and returns the actions to perform, in order.
    pub fn handle(&mut self, now: Now, rng: &mut dyn CryptoRng, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut signals = VecDeque::new();
        self.take(now, rng, &mut outputs, &mut signals, input);
        self.pending.put_next(now.mono, &mut outputs);
        let pending = &mut self.pending;
        if let Some((token, changes)) = self.records.begin_commit(now.mono, || pending.token()) {
            outputs.push(Output::Commit(token, changes));
        }
        outputs
    }

    /// Returns when [`Input::Timer`] is due. What is due by the date is worth asking for again now and then: a clock
    /// may be set.
    pub fn next_timeout(&self, now: Now) -> Option<MonoMillis> {
        let settled = Now::new(now.mono, self.dates.settled(now));
        let may_publish = self.copies.is_newest() && self.dates.is_sure(now);
        [
            self.pending.next_timeout(),
            self.dates.next_timeout(now),
            self.resolving.next_timeout(),
            self.sending.next_timeout(),
            self.placing.next_timeout(&self.records, settled),
            self.collecting.next_timeout(),
            self.receipts
                .next_timeout()
                .filter(|_| self.copies.is_newest()),
            self.publishing.next_timeout(now).filter(|_| may_publish),
            self.copies
                .next_timeout()
                .filter(|_| self.dates.is_sure(now)),
            self.rechecking.next_timeout(),
            self.reading.next_timeout(&self.records, settled),
            self.records.next_try(),
            Some(self.upkeep.tidy_at),
            self.records.prekeys_end().map(|end| settled.when(end)),
            Some(now.when(watched_until(now.date))),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn take(
        &mut self,
        now: Now,
        rng: &mut dyn CryptoRng,
        outputs: &mut Vec<Output>,
        signals: &mut VecDeque<Signal>,
        input: Input,
    ) {
        let Self {
            settings,
            records,
            pending,
            resolving,
            sending,
            placing,
            collecting,
            receipts,
            stamps,
            publishing,
            reading,
            copies,
            rechecking,
            dates,
            upkeep,
        } = self;
        let mut subjects = Subjects {
            resolving,
            sending,
            placing,
            collecting,
            receipts,
            stamps,
            publishing,
            reading,
            copies,
            rechecking,
            dates,
            upkeep,
        };
        // Before anybody asks what has ended.
        let has_parted = subjects.dates.look(now);
        let mut cx = Cx {
            now,
            settled: subjects.dates.settled(now),
            date: subjects.dates.standing(now),
            shut_out: subjects.copies.is_shut_out(),
            is_newest: subjects.copies.is_newest(),
            rng,
            settings,
            records,
            pending,
            signals,
            outputs,
        };
        subjects.collecting.note_newest(subjects.copies.is_newest());
        if has_parted {
            subjects.on_parted(&mut cx);
        }
        subjects.on_input(&mut cx, input);
        subjects.carry_out(&mut cx);
        subjects.on_timer(&mut cx);
        subjects.carry_out(&mut cx);
        subjects.collecting.watch(&mut cx);
        subjects.collecting.reopen(&mut cx);
        subjects.give_up_unstored(&mut cx);
        subjects.carry_out(&mut cx);
    }
}

/// The subjects, apart from what they share.
struct Subjects<'a> {
    resolving: &'a mut Resolving,
    sending: &'a mut Sending,
    placing: &'a mut Placing,
    collecting: &'a mut Collecting,
    receipts: &'a mut Receipts,
    stamps: &'a mut Stamps,
    publishing: &'a mut Publishing,
    reading: &'a mut Reading,
    copies: &'a mut Copies,
    rechecking: &'a mut Rechecking,
    dates: &'a mut Dates,
    upkeep: &'a mut Upkeep,
}

impl Subjects<'_> {
    fn on_input(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Start => {
                self.placing.start(cx);
                self.reading.start(cx);
                self.copies.start(cx);
            }
            Input::Call(call, request) => self.on_call(cx, call, request),
            Input::CallGone(call) => {
                self.resolving.on_gone(call);
                self.sending.on_gone(call);
                self.reading.on_gone(call);
            }
            Input::Answer(token, answer) => {
                self.hear_of_date(cx, token, answer.as_ref());
                if let Some(question) = cx.pending.end(token) {
                    self.on_answer(cx, question, answer);
                }
            }
            Input::Near(token, nodes) => match cx.pending.go_on(cx.mono(), token) {
                Some(Question::FindKeepers(id)) => self.placing.on_near(cx, id, nodes),
                Some(Question::FindLocator(lookup, at)) => {
                    self.resolving.on_near(cx, lookup, at, nodes);
                }
                _ => {}
            },
            Input::Found(token, nodes) => {
                if let Some(question) = cx.pending.end(token) {
                    self.on_found(cx, question, nodes);
                }
            }
            Input::Done(token, done) => {
                if let Some(question) = cx.pending.end(token) {
                    self.on_done(cx, question, done);
                }
            }
            Input::Bodies(token, bodies) => match cx.pending.end(token) {
                Some(Question::Bodies(call, places)) => {
                    self.reading.on_bodies(cx, call, places, bodies);
                }
                Some(Question::Words(of)) => self.rechecking.on_words(cx, of, bodies),
                Some(Question::History(call, items, more)) => {
                    history::on_words(cx, self.placing, (call, items, more), bodies);
                }
                Some(Question::Conversations(call, page, more)) => {
                    history::on_previews(cx, self.placing, (call, page, more), bodies);
                }
                _ => {}
            },
            Input::Committed(token, result) => self.on_committed(cx, token, result),
            Input::Push(keeper, push) => match push.item {
                Some(item) => self.collecting.on_push(cx, (push.mailbox, keeper), item),
                None if self.collecting.is_own(&push.mailbox) => self.copies.on_other_reader(cx),
                None => {}
            },
            Input::Lost(keeper) => self.collecting.on_lost(cx, keeper),
            Input::NetworkUp => self.on_network_up(cx),
            Input::Stopping => self.sending.on_stopping(cx, self.placing),
            Input::Timer => {}
        }
    }

    fn on_answer(
        &mut self,
        cx: &mut Cx<'_>,
        question: Question,
        answer: Option<request::Response>,
    ) {
        match question {
            Question::Deposit(id, asked) => self.placing.on_answer(cx, id, &asked, answer),
            Question::DepositCard(at, asked) => self.publishing.on_answer(cx, at, &asked, answer),
            Question::OwnCard(at, _) => self.copies.on_cards(cx, at, answer),
            Question::Cards(lookup, at, node) => {
                self.resolving.on_cards(cx, lookup, (at, node), answer);
            }
            other => self.collecting.on_answer(cx, other, answer),
        }
    }

    /// Takes what an answer says of the date in its question.
    fn hear_of_date(&mut self, cx: &Cx<'_>, token: Token, answer: Option<&request::Response>) {
        let Some((keeper, made)) = cx.pending.shown(token) else {
            return;
        };
        // This very node goes by the same clock.
        if Some(keeper) != cx.settings.own_keeper {
            self.dates.on_answer(cx.now, (keeper, made), answer);
        }
    }

    fn on_found(&mut self, cx: &mut Cx<'_>, question: Question, nodes: Vec<NodeId>) {
        match question {
            Question::FindKeepers(id) => self.placing.on_found(cx, id, nodes),
            Question::FindMailbox(at) => self.collecting.on_found(cx, at, nodes),
            Question::FindCard(at) => self.publishing.on_found(cx, at, nodes),
            Question::FindLocator(lookup, at) => self.resolving.on_found(cx, lookup, at, nodes),
            Question::MailboxNeighbours(at, keeper) => {
                self.collecting.on_neighbours(cx, at, keeper, nodes);
            }
            Question::CardNeighbours(at, keeper) => {
                self.publishing.on_neighbours(cx, at, keeper, nodes);
            }
            Question::EnvelopeNeighbours(id, keeper) => {
                self.placing.on_neighbours(cx, id, keeper, nodes);
            }
            _ => {}
        }
    }

    fn on_done(&mut self, cx: &mut Cx<'_>, question: Question, done: Option<JobDone>) {
        match question {
            Question::Locate(lookup) => self.resolving.on_located(cx, lookup, done),
            Question::Choose(lookup) => self.resolving.on_chosen(cx, lookup, done),
            Question::MakeCard => self.publishing.on_made(cx, done),
            Question::Stamp(what) => {
                let stamp = match done {
                    Some(JobDone::Stamped(stamp)) => Some(stamp),
                    _ => None,
                };
                self.stamps.on_made(cx, what, stamp);
            }
            Question::Open(mailbox, ids) => self.collecting.on_opened(cx, mailbox, ids, done),
            _ => {}
        }
    }

    /// Ends a question whose answer is lost, as if it had failed.
    fn on_no_answer(&mut self, cx: &mut Cx<'_>, question: Question) {
        match question {
            Question::Locate(_)
            | Question::Choose(_)
            | Question::MakeCard
            | Question::Stamp(_)
            | Question::Open(..) => self.on_done(cx, question, None),
            Question::Bodies(call, places) => self.reading.on_bodies(cx, call, places, None),
            Question::Words(of) => self.rechecking.on_words(cx, of, None),
            Question::History(call, items, more) => {
                history::on_words(cx, self.placing, (call, items, more), None);
            }
            Question::Conversations(call, page, more) => {
                history::on_previews(cx, self.placing, (call, page, more), None);
            }
            Question::FindKeepers(_)
            | Question::FindMailbox(_)
            | Question::FindCard(_)
            | Question::FindLocator(..)
            | Question::MailboxNeighbours(..)
            | Question::CardNeighbours(..)
            | Question::EnvelopeNeighbours(..) => self.on_found(cx, question, Vec::new()),
            _ => self.on_answer(cx, question, None),
        }
    }

    fn on_committed(
        &mut self,
        cx: &mut Cx<'_>,
        token: Token,
        result: Result<Vec<Slot>, CommitError>,
    ) {
        let was_in_trouble = cx.records.trouble().is_some();
        let follows = cx.records.end_commit(cx.now, token, &result);
        let mut slots = result.unwrap_or_default().into_iter();
        for (then, ok) in follows {
            self.follow(cx, then, ok, &mut slots);
        }
        if was_in_trouble && cx.records.trouble().is_none() {
            self.copies.on_store_back(cx);
            self.collecting.on_store_back(cx);
        }
    }

    /// Fails what waits for staged changes while the store takes nothing in.
    fn give_up_unstored(&mut self, cx: &mut Cx<'_>) {
        for then in cx.records.give_up(cx.now.mono) {
            self.follow(cx, then, false, &mut Vec::new().into_iter());
        }
    }

    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        then: Then,
        ok: bool,
        slots: &mut std::vec::IntoIter<Slot>,
    ) {
        match then {
            Then::Send(sealed) => self.on_sealed(cx, sealed, ok, slots),
            Then::Take(taken) => self.collecting.on_committed(cx, taken, slots, ok),
            Then::AnswerContact(call, account) => contacts::on_committed(cx, call, &account, ok),
            Then::AnswerDone(call, what) => {
                let refusal = Refusal::NotStored { what };
                cx.reply(call, ok.then_some(Reply::Done).ok_or(refusal));
            }
            Then::Recalled(call, messages) => about::on_recalled(cx, call, messages, ok),
            Then::Renewed => self.copies.on_renewed(cx, ok),
            Then::PublishCard => self.publishing.on_committed(cx, ok),
            // A stamp that is not on the disk is as good; it is made again after a restart.
            Then::EnterOutbox(id, stamp) => {
                if !ok {
                    cx.records.note_payment(&id, *stamp);
                }
                self.placing.enter_outbox(cx, id);
            }
            Then::PublishAt(at, stamp) => {
                if !ok {
                    cx.records.note_stamp(at, *stamp);
                }
                self.publishing.on_stamped(cx, at);
            }
            Then::Destroyed(count) => self.reading.on_destroyed(cx, count, ok),
        }
    }

    /// Lets committed envelopes leave, or tells who waits that they could not be stored.
    fn on_sealed(
        &mut self,
        cx: &mut Cx<'_>,
        sealed: Sealed,
        ok: bool,
        slots: &mut std::vec::IntoIter<Slot>,
    ) {
        match (sealed.what, ok) {
            (SealedFor::Person(message, own), true) => {
                if let Some(slot) = slots.next() {
                    cx.records.note_words(&message, slot);
                }
                self.sending.on_committed(cx, message, &own);
            }
            (SealedFor::Person(_, own), false) => return sending::refuse_unstored(cx, &own),
            (_, true) => {}
            // It is made when this device speaks next.
            (SealedFor::Renewal, false) => return,
            // Whoever asked for it is told so.
            (SealedFor::Notice, false) => return,
            (SealedFor::Receipts, false) => return self.receipts.on_failed(cx),
            (SealedFor::OtherDevice(account), false) => return self.rechecking.again(cx, account),
        }
        for id in sealed.envelopes {
            self.placing.begin(cx, id);
        }
    }

    /// The date has parted from the timers: the process or the machine has slept, so that peers are gone, or the clock
    /// was set, so that what failed before may work now.
    fn on_parted(&mut self, cx: &mut Cx<'_>) {
        self.copies.on_resumed(cx);
        cx.records.note_renewed(None);
        self.collecting.on_resumed(cx);
        self.upkeep.network_up = None;
        self.on_network_up(cx);
    }

    fn on_network_up(&mut self, cx: &mut Cx<'_>) {
        let now = cx.mono();
        let last = self.upkeep.network_up;
        if last.is_some_and(|last| now.since(last) < NETWORK_UP_MS) {
            return;
        }
        self.upkeep.network_up = Some(now);
        self.copies.on_network_up(cx);
        self.collecting.on_network_up(cx);
        if cx.date == DateStanding::Sure && self.copies.is_newest() {
            self.publishing.on_network_up(cx);
            self.receipts.start(cx);
        }
        self.placing.on_network_up(cx);
    }

    fn on_timer(&mut self, cx: &mut Cx<'_>) {
        for question in cx.pending.lost(cx.now.mono) {
            self.on_no_answer(cx, question);
        }
        self.resolving.on_timer(cx);
        self.placing.on_timer(cx);
        self.collecting.on_timer(cx);
        let is_sure = cx.date == DateStanding::Sure;
        if is_sure {
            self.copies.on_timer(cx, self.publishing.holder(cx.now));
        }
        if is_sure && self.copies.is_newest() {
            self.publishing.on_timer(cx, self.stamps);
        }
        if self.copies.is_newest() {
            self.receipts.on_timer(cx);
        }
        self.rechecking.on_timer(cx);
        self.reading.on_timer(cx);
        self.sending.on_timer(cx, self.placing);
        cx.records.destroy_prekeys(cx.settled);
        if self.upkeep.tidy_at <= cx.mono() {
            self.tidy(cx);
        }
    }
}
