//! What keepers must never do.

use std::collections::BTreeMap;

use restante_proto::{
    Address, ItemId,
    card::CardRecord,
    envelope::{expires_of, id_of},
    keeper::{ElementKind, HoldingKind, ItemStore as _, StoreOp, mailbox_budget},
    request::{Request, Response, Waiting},
    time::UnixMillis,
};

use super::{Checker, LINGER_MS};
use crate::{clock::Instant, host::Host};

impl Checker {
    /// A keeper, by its number, answers a request.
    pub(crate) fn on_response(
        &mut self,
        now: Instant,
        number: usize,
        host: &mut Host,
        request: &Request,
        response: &Response,
    ) {
        let date = host.clock.read(now);
        match (request, response) {
            (_, Response::Receipt(receipt)) => {
                self.on_receipt(now, number, host, request, receipt.until);
            }
            (Request::List { mailbox, .. }, Response::Listing { items, .. }) => {
                for item in items {
                    self.on_served(now, number, date, mailbox.address(), item.id, item.expires);
                }
            }
            (Request::Get { mailbox, .. }, Response::Envelopes(items)) => {
                for item in items {
                    self.on_handed_over(now, number, date, mailbox.address(), item);
                }
            }
            (_, Response::Cards(records)) => {
                let over = |record: &CardRecord| record.expires <= date;
                if records.iter().any(over) {
                    self.violate(
                        now,
                        "expiry",
                        format!("keeper {number} served an expired card"),
                    );
                }
            }
            _ => {}
        }
    }

    /// A keeper hands over an envelope, asked or not.
    pub(crate) fn on_handed_over(
        &mut self,
        now: Instant,
        number: usize,
        date: UnixMillis,
        address: Address,
        item: &Waiting,
    ) {
        let expires = expires_of(&item.envelope)
            .unwrap_or(item.expires)
            .min(item.expires);
        self.on_served(now, number, date, address, id_of(&item.envelope), expires);
    }

    fn on_served(
        &mut self,
        now: Instant,
        number: usize,
        date: UnixMillis,
        address: Address,
        id: ItemId,
        expires: UnixMillis,
    ) {
        let expires = self
            .sealed
            .get(&id)
            .map_or(expires, |sealed| sealed.expires.min(expires));
        if expires <= date {
            let late = date.since(expires);
            let what = format!("keeper {number} served {id} {late} ms after its end");
            self.violate(now, "expiry", what);
        }
        if self.acked.contains(&(number, address, id)) {
            self.violate(
                now,
                "acked",
                format!("keeper {number} served {id}, acked there before"),
            );
        }
    }

    fn on_receipt(
        &mut self,
        now: Instant,
        number: usize,
        host: &mut Host,
        request: &Request,
        until: UnixMillis,
    ) {
        let date = host.clock.read(now);
        let (address, id) = match request {
            Request::DepositEnvelope {
                mailbox, envelope, ..
            } => {
                self.rules.insert(mailbox.address(), mailbox.rule);
                (mailbox.address(), id_of(envelope))
            }
            Request::Offer { mailbox, id, .. } => (mailbox.address(), *id),
            Request::DepositCard { record, .. } => {
                if !host.holds_card(date, record.locator, record.id()) {
                    let what = format!("keeper {number} gave a receipt for a card it lacks");
                    self.violate(now, "durable-receipt", what);
                }
                if let Some(what) = self.cards.on_record(date, record) {
                    self.violate(now, "prekey", what);
                }
                return;
            }
            _ => return,
        };
        if until > date && !host.holds(date, address, id) {
            let what = format!("keeper {number} gave a receipt for {id}, which is not on its disk");
            self.violate(now, "durable-receipt", what);
        }
        self.receipts
            .entry(number)
            .or_default()
            .insert((address, id), until);
        self.holders.entry(id).or_default().insert(number);
    }

    /// An operation has reached a keeper's disk.
    pub(crate) fn on_durable(&mut self, number: usize, op: &StoreOp) {
        match op {
            StoreOp::Ack {
                address, entries, ..
            } => self
                .acked
                .extend(entries.iter().map(|entry| (number, *address, entry.id))),
            StoreOp::ApplyTombstone(replica) if replica.key.kind == ElementKind::Ack => {
                let id = ItemId::new(replica.key.name);
                self.acked.insert((number, replica.key.address, id));
            }
            _ => {}
        }
    }

    /// A keeper's disk is gone, and its receipts with it.
    pub(crate) fn on_killed(&mut self, number: usize) {
        self.receipts.remove(&number);
    }

    /// Looks at one keeper's disk.
    pub(crate) fn audit(&mut self, now: Instant, number: usize, host: &mut Host) {
        if host.dead {
            return;
        }
        let date = host.clock.read(now);
        if let Some(receipts) = self.receipts.get_mut(&number) {
            receipts.retain(|_, until| *until > date);
            let lost = receipts
                .keys()
                .find(|(at, id)| !host.holds(date, *at, *id))
                .copied();
            if let Some((_, id)) = lost {
                let what = format!("keeper {number} lost {id}, for which it gave a receipt");
                self.violate(now, "durable-receipt", what);
            }
        }
        let usage = host.store().usage();
        if usage.counted_bytes() > usage.cap_bytes {
            let (got, cap) = (usage.counted_bytes(), usage.cap_bytes);
            self.violate(
                now,
                "budget",
                format!("keeper {number} holds {got} of {cap} bytes"),
            );
        }
        let Ok(page) = host
            .store()
            .holdings(date.minus(LINGER_MS), None, usize::MAX)
        else {
            return;
        };
        let settled = host.is_up() && now.0 > host.since.0 + LINGER_MS;
        if settled && usage.items > page.items.len() as u64 {
            let over = usage.items - page.items.len() as u64;
            let what = format!("keeper {number} keeps {over} items a minute after their end");
            self.violate(now, "expiry", what);
        }
        let mut mailboxes: BTreeMap<Address, (u32, u64)> = BTreeMap::new();
        for held in page
            .items
            .iter()
            .filter(|held| held.kind == HoldingKind::Envelope)
        {
            let (count, bytes) = mailboxes.entry(held.address).or_default();
            *count += 1;
            *bytes += u64::from(held.size_bytes);
        }
        for (address, (count, bytes)) in mailboxes {
            let Some(rule) = self.rules.get(&address) else {
                continue;
            };
            let budget = mailbox_budget(*rule);
            if count > budget.count || bytes > budget.bytes {
                let what = format!("keeper {number} has {count} envelopes at {address}");
                self.violate(now, "budget", what);
            }
        }
    }
}
