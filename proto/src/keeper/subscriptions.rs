//! Who wants to be told of what arrives.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnId;
use crate::{
    Address,
    limits::{SECOND_MS, SUBSCRIPTION_MS, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_CONNECTION_MAX},
    request::{Reason, Refusal},
    time::{MonoMillis, Now, UnixMillis},
};

/// Subscriptions by mailbox and by stream; the two maps always hold the same pairs.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_mailbox: BTreeMap<Address, BTreeMap<ConnId, MonoMillis>>,
    by_conn: BTreeMap<ConnId, BTreeSet<Address>>,
    count: usize,
}

impl Subscriptions {
    /// Adds or renews a subscription and returns until when it holds, by the date as it is now.
    pub(super) fn add(
        &mut self,
        now: Now,
        conn: ConnId,
        mailbox: Address,
    ) -> Result<UnixMillis, Refusal> {
        let known = self.by_conn.get(&conn);
        let held = known.map_or(0, BTreeSet::len);
        if !known.is_some_and(|mailboxes| mailboxes.contains(&mailbox)) {
            if held >= SUBSCRIPTIONS_PER_CONNECTION_MAX || self.count >= SUBSCRIPTIONS_MAX {
                return Err(Refusal::until(Reason::Busy, 60 * SECOND_MS));
            }
            self.count += 1;
        }
        self.by_conn.entry(conn).or_default().insert(mailbox);
        self.by_mailbox
            .entry(mailbox)
            .or_default()
            .insert(conn, now.mono.plus(SUBSCRIPTION_MS));
        Ok(now.date.plus(SUBSCRIPTION_MS))
    }

    /// Returns the streams subscribed to `mailbox`.
    pub(super) fn of(&self, now: MonoMillis, mailbox: &Address) -> Vec<ConnId> {
        let Some(conns) = self.by_mailbox.get(mailbox) else {
            return Vec::new();
        };
        conns
            .iter()
            .filter(|(_, until)| **until > now)
            .map(|(conn, _)| *conn)
            .collect()
    }

    /// Drops all subscriptions of a stream.
    pub(super) fn close(&mut self, conn: ConnId) {
        for mailbox in self.by_conn.remove(&conn).unwrap_or_default() {
            self.remove_from_mailbox(&mailbox, conn);
        }
    }

    /// Drops subscriptions that were not renewed.
    pub(super) fn expire(&mut self, now: MonoMillis) {
        let mut over = Vec::new();
        for (mailbox, conns) in &self.by_mailbox {
            let ended = conns.iter().filter(|(_, until)| **until <= now);
            over.extend(ended.map(|(conn, _)| (*mailbox, *conn)));
        }
        for (mailbox, conn) in over {
            self.remove_from_mailbox(&mailbox, conn);
            if let Some(mailboxes) = self.by_conn.get_mut(&conn) {
                mailboxes.remove(&mailbox);
                if mailboxes.is_empty() {
                    self.by_conn.remove(&conn);
                }
            }
        }
    }

    /// Tells whether a stream has any, including those that are over and not dropped yet.
    pub(super) fn is_subscribed(&self, conn: ConnId) -> bool {
        self.by_conn.contains_key(&conn)
    }

    /// Returns how many there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    fn remove_from_mailbox(&mut self, mailbox: &Address, conn: ConnId) {
        if let Some(conns) = self.by_mailbox.get_mut(mailbox) {
            if conns.remove(&conn).is_some() {
                self.count -= 1;
            }
            if conns.is_empty() {
                self.by_mailbox.remove(mailbox);
            }
        }
    }
}
