//! What one subject tells another, passed on.

use super::Subjects;
use crate::contacts;
use crate::cx::Cx;
use crate::job::Resolution;
use crate::pending::StampFor;
use crate::sealing;
use crate::signal::{Certainty, Intent, ResolveError, Signal};

impl Subjects<'_> {
    /// Carries out what subjects tell each other, until they have no more to say.
    pub(super) fn carry_out(&mut self, cx: &mut Cx<'_>) {
        while let Some(signal) = cx.signals.pop_front() {
            self.on_signal(cx, signal);
        }
    }

    fn on_signal(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        match signal {
            Signal::Resolve(intent) => self.resolve(cx, intent),
            Signal::Resolved(intent, result, certainty) => {
                self.on_resolved(cx, intent, result, certainty);
            }
            Signal::OrderStamp(what, effort) => self.stamps.order(cx, what, effort),
            Signal::Stamped(StampFor::Envelope(id), stamp) => self.placing.on_stamp(cx, id, stamp),
            Signal::Stamped(StampFor::Locator(at), stamp) => {
                self.publishing.on_stamp(cx, at, stamp);
            }
            Signal::Recheck(message) => self.rechecking.watch(cx, message),
            Signal::Progress(message) => self.sending.on_progress(cx, self.placing, message),
            Signal::Delivered(message) => self.placing.on_delivered(cx, message),
            Signal::Withdrawn(messages) => self.placing.withdraw(cx, &messages),
            Signal::ReceiptsDue => self.receipts.on_due(cx),
            Signal::ReadDue => self.receipts.on_read_due(cx),
            Signal::Joined(conversation, account) => {
                sealing::renew(cx, &conversation, &account);
            }
            Signal::Lost(conversation) => sealing::tell_lost(cx, &conversation),
            Signal::Resend(account, device) => self.rechecking.resend(cx, &account, &device),
            Signal::Arrived => self.reading.on_arrived(cx),
            Signal::CardWanted => self.copies.on_card_wanted(cx),
            Signal::MakeCard { above, others } => self.publishing.make_card(cx, above, others),
            Signal::PublishedElsewhere => self.publishing.on_published_elsewhere(cx),
            Signal::CardOutdated => self.publishing.on_outdated(cx),
            Signal::Superseded => self.copies.on_superseded(cx),
            Signal::Confirmed => {
                self.publishing.start(cx);
                self.receipts.start(cx);
                self.collecting.on_confirmed(cx);
            }
        }
    }

    /// Passes what a lookup found to whoever wanted it.
    fn on_resolved(
        &mut self,
        cx: &mut Cx<'_>,
        intent: Intent,
        result: Result<Box<Resolution>, ResolveError>,
        certainty: Certainty,
    ) {
        let who = match &intent {
            Intent::Send(_, what) => Some(&what.0),
            Intent::Add(_, what) => Some(&what.0),
            Intent::Receipts(_) | Intent::Recheck(_) | Intent::Own => None,
        };
        match (&result, &intent) {
            (Ok(found), _) => contacts::learn(cx, who, found),
            (
                Err(ResolveError::NotFound | ResolveError::OtherDate | ResolveError::Unusable(_)),
                Intent::Receipts(account) | Intent::Recheck(account),
            ) => contacts::on_not_found(cx, account),
            (Err(_), _) => {}
        }
        match intent {
            Intent::Send(call, what) => self.sending.on_resolved(cx, call, *what, result),
            Intent::Add(call, what) => contacts::on_resolved(cx, call, *what, result),
            Intent::Receipts(account) => self.receipts.send(cx, account),
            Intent::Recheck(account) => self.rechecking.on_resolved(cx, account, result),
            Intent::Own => self.copies.on_resolved(cx, result, certainty),
        }
    }

    fn resolve(&mut self, cx: &mut Cx<'_>, intent: Intent) {
        let id = match &intent {
            Intent::Send(_, what) => what.0.id.clone(),
            Intent::Add(_, what) => what.0.id.clone(),
            Intent::Own => cx.records.account().id.clone(),
            Intent::Receipts(account) | Intent::Recheck(account) => {
                match cx.records.contacts().get(account) {
                    Some(contact) => contact.reach.clone(),
                    None => return,
                }
            }
        };
        self.resolving.begin(cx, id, intent);
    }
}
