//! What is done now and then that no subject asks for.

use std::collections::BTreeSet;

use restante_proto::Address;
use restante_proto::message::Reference;
use restante_proto::time::UnixMillis;

use super::{SENT_SHOWN_MS, Subjects, TIDY_MS};
use crate::cx::Cx;
use crate::model::{Header, Words};
use crate::records::REMEMBERED_MS;
use crate::{contacts, conversing};

impl Subjects<'_> {
    /// Forgets what only had to be remembered for a while.
    pub(super) fn tidy(&mut self, cx: &mut Cx<'_>) {
        self.upkeep.tidy_at = cx.mono().plus(TIDY_MS);
        let date = cx.settled;
        let shown = |expires: UnixMillis| expires.plus(SENT_SHOWN_MS) > date;
        let sent = cx.records.sent().iter();
        let over = sent.filter(|(_, sent)| !shown(sent.expires));
        let over: Vec<_> = over.map(|(message, _)| *message).collect();
        for message in over {
            cx.records.drop_sent(message);
        }
        cx.records.forget(date.minus(REMEMBERED_MS));
        conversing::tidy(cx);
        tidy_reactions(cx);
        let card = cx.records.card().into_iter().flat_map(|card| &card.records);
        let locators: Vec<Address> = card.map(|record| record.locator).collect();
        let stale = cx.records.stamps().keys();
        let stale = stale.filter(|at| !locators.is_empty() && !locators.contains(at));
        let stale: Vec<Address> = stale.copied().collect();
        for locator in stale {
            cx.records.drop_stamp(locator);
        }
        if !self.collecting.is_committing() {
            contacts::forget_strangers(cx);
        }
    }
}

/// Forgets reactions to messages that are not here and may not come any more.
fn tidy_reactions(cx: &mut Cx<'_>) {
    let own = cx.records.account().identity.account;
    let received = cx.records.inbox().values().map(Header::reference);
    let sent = cx.records.sent().iter();
    let sent = sent.filter(|(_, sent)| sent.words != Words::Gone);
    let sent = sent.map(|(id, _)| Reference {
        author: own,
        id: *id,
    });
    let here: BTreeSet<Reference> = received.chain(sent).collect();
    let date = cx.settled;
    cx.records
        .tidy_reactions(|to, reaction| reaction.until <= date && !here.contains(to));
}
