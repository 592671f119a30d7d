//! What becomes of envelopes once they were opened, or do not open (SPEC 6.2, 15.7).

use restante_conversation::{ConversationError, ConversationId};
use restante_proto::envelope::OpenError;
use restante_proto::mailbox::Rule;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId, collector};
use tracing::debug;

use super::arrival::{self, Arrival};
use super::{Collecting, INBOX_COUNT_MAX, open};
use crate::cx::Cx;
use crate::job::{Content, JobDone, Opened};
use crate::then::{Taken, Then};

/// What becomes of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is acked once its effects are on the disk.
    Taken,
    /// It is tried again soon.
    Deferred,
    /// It stays where it is, for a copy of this home that is further on.
    Left,
    /// It stays where it is until there is an epoch that it may be of.
    Waiting,
}

impl Collecting {
    /// Stages what was opened.
    pub(crate) fn on_opened(
        &mut self,
        cx: &mut Cx<'_>,
        mailbox: Address,
        asked: Vec<ItemId>,
        done: Option<JobDone>,
    ) {
        let Some(JobDone::Opened(opened, epochs)) = done else {
            return self.defer(cx, mailbox, asked);
        };
        let mut taken = Taken {
            mailbox,
            envelopes: Vec::new(),
            messages: Vec::new(),
            joined: Vec::new(),
            lost: Vec::new(),
            delivered: Vec::new(),
        };
        let mut arrivals = Vec::new();
        for opened in opened {
            let Opened {
                id,
                item,
                of,
                result,
            } = opened;
            let until = item.expires;
            let fate = match result {
                Ok(Content::Message(message, from)) => {
                    arrivals.push((id, until, Arrival::outside(*message, from)));
                    continue;
                }
                Ok(Content::Inside(..)) if !self.has_room(cx, arrivals.len()) => Fate::Deferred,
                Ok(Content::Inside(conversation, epoch, bytes)) => {
                    match Arrival::inside(cx, &conversation, &epoch, &bytes, until) {
                        Ok(Some(arrival)) => {
                            arrivals.push((id, until, arrival));
                            continue;
                        }
                        Ok(None) => Fate::Taken,
                        Err(error) => self.fate_inside(error, mailbox),
                    }
                }
                Err(error) => {
                    debug!(%error, "an envelope does not open");
                    self.fate_of(&error, mailbox, of)
                }
            };
            if fate == Fate::Waiting {
                let of = of.map(|conversation| (conversation, cx.mono()));
                self.waiting.hold((mailbox, id), item, &epochs, of);
            }
            self.settle(cx, (id, until), fate, &mut taken);
        }
        // Identifiers come in no order; what was written first is shown first, but for what was taken back meanwhile.
        arrivals.sort_by_key(|(.., arrival)| (!arrival.is_recall(), arrival.sent));
        arrival::edit(cx, &mut arrivals);
        for (id, until, arrival) in arrivals {
            let fate = self.take(cx, arrival, until, &mut taken);
            self.settle(cx, (id, until), fate, &mut taken);
        }
        if !taken.envelopes.is_empty() {
            cx.records.then(Then::Take(taken));
        }
    }

    /// Does with an envelope what was decided about it.
    fn settle(
        &mut self,
        cx: &mut Cx<'_>,
        (id, until): (ItemId, UnixMillis),
        fate: Fate,
        taken: &mut Taken,
    ) {
        let mailbox = taken.mailbox;
        if fate != Fate::Waiting {
            self.waiting.release(&(mailbox, id));
        }
        match fate {
            Fate::Taken => {
                cx.records.put_taken(mailbox, id, until);
                taken.envelopes.push((id, until));
            }
            Fate::Deferred => self.defer(cx, mailbox, vec![id]),
            Fate::Left | Fate::Waiting => {
                self.handle(cx, collector::Input::Left(mailbox, id, until));
            }
        }
    }

    /// Tells whether the inbox takes another message beside so many.
    pub(super) fn has_room(&self, cx: &Cx<'_>, beside: usize) -> bool {
        cx.records.inbox().len() + self.arriving.len() + beside < INBOX_COUNT_MAX
    }

    /// Opens again what waits for an epoch, if there are epochs that were not tried.
    pub(crate) fn reopen(&mut self, cx: &mut Cx<'_>) {
        let untried = self.waiting.take_untried(cx.records.outer_index());
        for (mailbox, items) in untried {
            let mailbox = self.collector.mailbox(&mailbox);
            if let Some(mailbox) = mailbox {
                open(cx, &mut self.owners, mailbox, items);
            }
        }
    }

    /// Decides about an envelope that does not open (SPEC 6.2).
    ///
    /// One that a keeper handed over with another expiry is as good as ever at the others. Whatever else is wrong with
    /// it, it never opens here; but as long as another copy of this home may be further on, that one may have the key.
    fn fate_of(&self, error: &OpenError, mailbox: Address, of: Option<ConversationId>) -> Fate {
        match error {
            OpenError::OtherExpiry | OpenError::Expired => Fate::Deferred,
            OpenError::NoEpoch if of.is_some() || self.may_be_invited(&mailbox) => Fate::Waiting,
            _ if self.is_newest && self.owners.is_present(&mailbox) => Fate::Taken,
            _ => Fate::Left,
        }
    }

    /// Tells whether an envelope of an unknown conversation may be of one whose invitation is under way: only contacts
    /// deposit into this mailbox.
    fn may_be_invited(&self, mailbox: &Address) -> bool {
        let mailbox = self.collector.mailbox(mailbox);
        mailbox.is_some_and(|mailbox| mailbox.rule == Rule::Capability)
    }

    /// Decides about a message of a conversation that cannot be used (SPEC 15.7).
    fn fate_inside(&self, error: ConversationError, mailbox: Address) -> Fate {
        debug!(%error, "a message of a conversation is worth nothing");
        match error {
            ConversationError::Unknown => Fate::Waiting,
            ConversationError::TooManyEpochs | ConversationError::State => Fate::Deferred,
            _ if self.is_newest && self.owners.is_present(&mailbox) => Fate::Taken,
            _ => Fate::Left,
        }
    }
}
