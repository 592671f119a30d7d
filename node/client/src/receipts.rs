//! Delivery receipts: telling contacts that their messages have arrived (SPEC 10.6).

use std::collections::BTreeSet;

use restante_interface::ContactState;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DELIVERED_COUNT_MAX, MESSAGE_TTL_MAX_MS, MINUTE_MS, SECOND_MS};
use restante_proto::message::{Content, Message, MessageId};
use restante_proto::time::MonoMillis;
use tracing::debug;

use crate::cx::Cx;
use crate::records::SenderMessage;
use crate::sealing::{self, Granting};
use crate::signal::{Intent, Signal};
use crate::then::{Sealed, Then};

/// How long receipts for a contact are gathered before they are sent, in milliseconds: one envelope says several
/// things.
pub const GATHER_MS: u64 = SECOND_MS;
/// The pause after receipts could not be sent, in milliseconds.
const RETRY_MS: u64 = 10 * MINUTE_MS;

/// When the delivery receipts that are due are sent.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    due_at: Option<MonoMillis>,
}

impl Receipts {
    /// Sends what was due before a restart.
    pub(crate) fn start(&mut self, cx: &Cx<'_>) {
        if !cx.records.due().is_empty() {
            self.due_by(cx.mono());
        }
    }

    /// Gathers receipts that have become due.
    pub(crate) fn on_due(&mut self, cx: &Cx<'_>) {
        if !cx.records.due().is_empty() {
            self.due_by(cx.mono().plus(GATHER_MS));
        }
    }

    /// Sends every contact what it is to hear, and looks up those whose cards are old.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        if self.due_at.is_none_or(|due| due > cx.mono()) {
            return;
        }
        self.due_at = None;
        let due = cx.records.due().iter();
        let accounts: BTreeSet<PublicKey> = due.map(|(account, _)| *account).collect();
        for account in accounts {
            let Some(contact) = cx.records.contacts().get(&account) else {
                continue;
            };
            if contact.state != ContactState::Accepted {
                continue;
            }
            let is_known = contact.fresh_card(cx.now.date).is_some();
            self.due_by(cx.mono().plus(RETRY_MS));
            if is_known {
                self.send(cx, account);
            } else {
                cx.signal(Signal::Resolve(Intent::Receipts(account)));
            }
        }
    }

    /// Seals the receipts due to one contact and stages them.
    pub(crate) fn send(&mut self, cx: &mut Cx<'_>, account: PublicKey) {
        let contact = cx.records.contacts().get(&account);
        let Some(card) = contact.and_then(|contact| contact.card(cx.now.date)) else {
            debug!("a contact cannot be told yet that its messages arrived");
            return;
        };
        let due = cx.records.due().iter().filter(|(to, _)| *to == account);
        let due: Vec<SenderMessage> = due.take(DELIVERED_COUNT_MAX).copied().collect();
        if due.is_empty() {
            return;
        }
        let ids = due.iter().map(|(_, message)| *message).collect();
        let id = MessageId::random(&mut cx.rng);
        let identity = &cx.records.account().identity;
        let message = Message::new(identity, id, cx.now.date, Content::Delivered { ids });
        // As long as the messages it is about may have been under way.
        let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
        let sealed = match sealing::seal(
            cx,
            &card,
            &message,
            expires,
            Granting::WhenDue,
            &BTreeSet::new(),
        ) {
            Ok(sealed) => sealed,
            Err(error) => {
                debug!(%error, "delivery receipts cannot be sealed");
                return;
            }
        };
        for named in due {
            cx.records.drop_due(named);
        }
        let envelopes = sealed
            .iter()
            .map(|outgoing| outgoing.envelope.id())
            .collect();
        cx.records.then(Then::Send(Sealed {
            envelopes,
            own: None,
        }));
        if cx.records.due().iter().any(|(to, _)| *to == account) {
            self.due_by(cx.mono().plus(GATHER_MS));
        } else if cx.records.due().is_empty() {
            self.due_at = None;
        }
    }

    /// Tries again later what could not be committed.
    pub(crate) fn on_failed(&mut self, cx: &Cx<'_>) {
        if !cx.records.due().is_empty() {
            self.due_by(cx.mono().plus(RETRY_MS));
        }
    }

    pub(crate) const fn next_timeout(&self) -> Option<MonoMillis> {
        self.due_at
    }

    fn due_by(&mut self, due: MonoMillis) {
        self.due_at = Some(self.due_at.map_or(due, |earlier| earlier.min(due)));
    }
}
