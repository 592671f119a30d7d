//! Questions that were asked and not answered yet.
//!
//! Every question is answered exactly once: with what comes under its token, or, when that is lost, with a failure once
//! its time is over. Whatever comes later, or again, finds no question.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use restante_proto::keys::PublicKey;
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use restante_proto::message::MessageId;
use restante_proto::receipt::Claim;
use restante_proto::request::Request;
use restante_proto::time::{MonoMillis, Now, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};

use crate::history::{Page, Previews};
use crate::io::{CallId, Output, Token};

/// What a stamp is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StampFor {
    /// One envelope.
    Envelope(ItemId),
    /// One's own slot at a locator.
    Locator(Address),
}

/// Questions to others that are under way at once; more wait in line, bounded by what each subject asks at a time.
const WINDOW: usize = 64;
/// After how long an answer that did not come counts as lost, in milliseconds. Whoever drives the core bounds each
/// question more tightly, so that this is for answers that went astray.
const ANSWER_MS: u64 = MINUTE_MS;
/// The same for jobs.
const JOB_MS: u64 = HOUR_MS;
/// The same for stamps, which wait for one another: the dearest that may be allowed takes half an hour, and sometimes
/// several times as long.
const STAMP_MS: u64 = DAY_MS;

/// What a question was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A deposit or an offer of an envelope.
    Deposit(ItemId, Asked),
    /// The deposit of a card.
    DepositCard(Address, Asked),
    /// One keeper's records at a locator of one's own.
    OwnCard(Address, NodeId),
    /// The cards at a locator, for a lookup of an ID.
    Cards(u64, Address, NodeId),
    Subscribe(Address, NodeId),
    List(Address, NodeId),
    Get(Address, NodeId, Vec<ItemId>),
    Ack(Address, NodeId),
    /// Keepers of an envelope's mailbox.
    FindKeepers(ItemId),
    /// Keepers of one's own mailbox.
    FindMailbox(Address),
    /// Keepers of one's own card.
    FindCard(Address),
    /// Keepers of a locator, for a lookup of an ID.
    FindLocator(u64, Address),
    MailboxNeighbours(Address, NodeId),
    CardNeighbours(Address, NodeId),
    EnvelopeNeighbours(ItemId, NodeId),
    Locate(u64),
    Choose(u64),
    MakeCard,
    Stamp(StampFor),
    Open(Address, Vec<ItemId>),
    /// A page of the inbox for somebody, of messages in these places.
    Bodies(CallId, Vec<u64>),
    /// A part of what was said with a contact, and whether there is more.
    History(CallId, Page, bool),
    /// The last messages of conversations, and whether there are more of these.
    Conversations(CallId, Previews, bool),
    /// The words of messages of one's own, to be sealed again.
    Words(WordsOf),
}

/// Messages of one's own that are to be sealed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordsOf {
    /// Their recipient.
    pub(crate) account: PublicKey,
    /// Devices of the recipient that cannot follow what they were told inside of a conversation.
    pub(crate) lost: BTreeSet<PublicKey>,
    pub(crate) messages: Vec<MessageId>,
}

/// What a deposit must be answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) keeper: NodeId,
    pub(crate) claim: Claim,
    pub(crate) expires: UnixMillis,
    /// It was only asked whether the keeper holds it.
    pub(crate) offer: bool,
}

impl Question {
    /// Returns the keeper that was shown an owner's proof, which has a date in it.
    const fn owner_asked(&self) -> Option<NodeId> {
        match self {
            Self::Subscribe(_, keeper) | Self::List(_, keeper) | Self::Get(_, keeper, _) => {
                Some(*keeper)
            }
            _ => None,
        }
    }

    const fn patience_ms(&self) -> u64 {
        match self {
            Self::Locate(_)
            | Self::Choose(_)
            | Self::MakeCard
            | Self::Open(..)
            | Self::Bodies(..)
            | Self::History(..)
            | Self::Conversations(..)
            | Self::Words(_) => JOB_MS,
            Self::Stamp(_) => STAMP_MS,
            _ => ANSWER_MS,
        }
    }
}

/// A question to others that waits in line.
#[derive(Debug)]
pub(crate) enum ToAsk {
    Keeper(NodeId, Box<Request>),
    Search(Address, usize),
    Neighbours(NodeId, Address),
}

/// All open questions.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    last: u64,
    open: BTreeMap<Token, Open>,
    /// Those that somebody waits for, before the others.
    urgent: VecDeque<(Token, ToAsk)>,
    line: VecDeque<(Token, ToAsk)>,
    /// Questions to others under way.
    asked: usize,
}

#[derive(Debug)]
struct Open {
    question: Question,
    /// When it was made, by the date that is in it.
    made: Now,
    /// None while it waits in line.
    lost_at: Option<MonoMillis>,
    /// It takes a place of the window.
    is_ask: bool,
}

impl Pending {
    /// Puts a question to others in line.
    pub(crate) fn ask(&mut self, now: Now, question: Question, what: ToAsk) {
        let token = self.token();
        let line = match question {
            Question::Cards(..) | Question::FindLocator(..) => &mut self.urgent,
            _ => &mut self.line,
        };
        line.push_back((token, what));
        let open = Open {
            question,
            made: now,
            lost_at: None,
            is_ask: true,
        };
        self.open.insert(token, open);
    }

    /// Names a question that is put at once.
    pub(crate) fn put(&mut self, now: Now, question: Question) -> Token {
        let token = self.token();
        let open = Open {
            lost_at: Some(now.mono.plus(question.patience_ms())),
            question,
            made: now,
            is_ask: false,
        };
        self.open.insert(token, open);
        token
    }

    /// Returns a token that is no question's.
    pub(crate) const fn token(&mut self) -> Token {
        self.last += 1;
        Token(self.last)
    }

    /// Puts the questions for which there is room.
    pub(crate) fn put_next(&mut self, now: MonoMillis, outputs: &mut Vec<Output>) {
        while self.asked < WINDOW {
            let next = self.urgent.pop_front().or_else(|| self.line.pop_front());
            let Some((token, what)) = next else {
                return;
            };
            let Some(open) = self.open.get_mut(&token) else {
                continue;
            };
            open.lost_at = Some(now.plus(open.question.patience_ms()));
            self.asked += 1;
            outputs.push(match what {
                ToAsk::Keeper(keeper, request) => Output::Ask(token, keeper, *request),
                ToAsk::Search(address, count) => Output::Search(token, address, count),
                ToAsk::Neighbours(node, address) => Output::Neighbours(token, node, address),
            });
        }
    }

    /// Returns the keeper that an open question has shown an owner's proof, and when that was made.
    pub(crate) fn shown(&self, token: Token) -> Option<(NodeId, Now)> {
        let open = self.open.get(&token)?;
        Some((open.question.owner_asked()?, open.made))
    }

    /// Ends a question, if it is open.
    pub(crate) fn end(&mut self, token: Token) -> Option<Question> {
        let open = self.open.remove(&token)?;
        self.asked -= usize::from(open.is_ask && open.lost_at.is_some());
        Some(open.question)
    }

    /// Returns a question that stays open, and gives it more time.
    pub(crate) fn go_on(&mut self, now: MonoMillis, token: Token) -> Option<Question> {
        let open = self.open.get_mut(&token)?;
        open.lost_at = Some(now.plus(open.question.patience_ms()));
        Some(open.question.clone())
    }

    /// Ends the questions whose answers are lost.
    pub(crate) fn lost(&mut self, now: MonoMillis) -> Vec<Question> {
        let is_lost = |open: &Open| open.lost_at.is_some_and(|lost_at| lost_at <= now);
        let lost = self.open.iter().filter(|(_, open)| is_lost(open));
        let tokens: Vec<Token> = lost.map(|(token, _)| *token).collect();
        tokens
            .into_iter()
            .filter_map(|token| self.end(token))
            .collect()
    }

    /// Returns when the next answer counts as lost.
    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        self.open.values().filter_map(|open| open.lost_at).min()
    }
}
