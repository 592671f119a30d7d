//! Reading messages, and destroying them when their time has come.

use restante_interface::{
    ContactState, INBOX_PAGE_COUNT_MAX, InboxMessage, InboxPage, InboxRequest, Refusal, Reply,
    Stored,
};
use restante_proto::time::UnixMillis;
use tracing::{debug, info};

use super::Client;
use super::rows::Header;
use crate::control::Answer;
use crate::vault::SlotId;

/// Bodies one page carries, in bytes: as JSON they may be six times as long.
const PAGE_BODY_BYTES_MAX: usize = 64 * 1024;

/// An `inbox --wait` that has not been answered yet.
pub(super) struct InboxWaiter {
    request: InboxRequest,
    answer: Answer,
    deadline: UnixMillis,
}

impl Client {
    /// Answers an `inbox`, now or when there is something.
    pub(super) async fn on_inbox(&mut self, request: InboxRequest, answer: Answer) {
        let now = self.services.clock.now();
        if request.wait_ms > 0 && self.wanted(now, &request).next().is_none() {
            let deadline = now.plus(request.wait_ms);
            self.readers.push(InboxWaiter {
                request,
                answer,
                deadline,
            });
            return;
        }
        let page = self.page(now, &request).await;
        reply(answer, page);
    }

    /// Answers those who wait for messages, as far as there are some.
    pub(super) async fn answer_readers(&mut self, now: UnixMillis) {
        for waiter in std::mem::take(&mut self.readers) {
            if waiter.answer.is_gone() {
                continue;
            }
            if self.wanted(now, &waiter.request).next().is_some() {
                let page = self.page(now, &waiter.request).await;
                reply(waiter.answer, page);
            } else {
                self.readers.push(waiter);
            }
        }
    }

    /// Answers those who have waited long enough.
    pub(super) async fn answer_late_waiters(&mut self, now: UnixMillis) {
        self.answer_late_sends(now);
        for waiter in std::mem::take(&mut self.readers) {
            if waiter.deadline <= now {
                let page = self.page(now, &waiter.request).await;
                reply(waiter.answer, page);
            } else if !waiter.answer.is_gone() {
                self.readers.push(waiter);
            }
        }
    }

    /// Returns when somebody has waited long enough.
    pub(super) fn next_waiter(&self) -> Option<UnixMillis> {
        let readers = self.readers.iter().map(|waiter| waiter.deadline);
        let sends = self.sends.iter().filter_map(|waiter| waiter.deadline);
        readers.chain(sends).min()
    }

    /// Returns the messages a request asks for, oldest first.
    fn wanted<'a>(
        &'a self,
        now: UnixMillis,
        request: &'a InboxRequest,
    ) -> impl Iterator<Item = (u64, &'a Header)> {
        let after = request.after.as_ref().and_then(|after| {
            let mut all = self.inbox.iter();
            all.find(|(_, header)| header.shown_id() == *after)
                .map(|(place, _)| *place)
        });
        self.inbox
            .iter()
            .filter(move |(place, _)| after.is_none_or(|after| **place > after))
            .filter(move |(_, header)| header.destroy_at() > now)
            .filter(|(_, header)| request.all || header.read.is_none())
            .map(|(place, header)| (*place, header))
    }

    async fn page(&self, now: UnixMillis, request: &InboxRequest) -> Option<InboxPage> {
        let wanted: Vec<(u64, Header)> = self
            .wanted(now, request)
            .take(INBOX_PAGE_COUNT_MAX + 1)
            .map(|(place, header)| (place, header.clone()))
            .collect();
        let store = self.store.clone();
        let page = self.commit(move || {
            let (mut found, mut bytes, mut more) = (Vec::new(), 0, false);
            for (place, header) in wanted {
                let Some(body) = store.body(place, header.slot)? else {
                    continue;
                };
                bytes += body.len();
                let full = bytes > PAGE_BODY_BYTES_MAX || found.len() >= INBOX_PAGE_COUNT_MAX;
                if full && !found.is_empty() {
                    more = true;
                    break;
                }
                found.push((header, body));
            }
            Ok((found, more))
        });
        let (found, more) = page.await?;
        // What ended while it was read, or while the disk was busy with what came, is not shown any more.
        let now = self.services.clock.now();
        let messages = found
            .into_iter()
            .filter(|(header, _)| header.destroy_at() > now)
            .map(|(header, body)| self.shown(header, body))
            .collect();
        Some(InboxPage { messages, more })
    }

    fn shown(&self, header: Header, body: Vec<u8>) -> InboxMessage {
        let (text, base64) = InboxMessage::body(body);
        let contact = self.contacts.get(&header.sender);
        InboxMessage {
            id: header.shown_id(),
            from: header.from.to_string(),
            contact: contact.is_some_and(|contact| contact.state == ContactState::Accepted),
            read: header.read.is_some(),
            received_ms: header.received.get(),
            sent_ms: header.sent.get(),
            expires_ms: header.expires.get(),
            burn_ms: (header.burn_ms > 0).then_some(header.burn_ms),
            text,
            base64,
            file_name: (!header.file_name.is_empty()).then_some(header.file_name),
        }
    }

    /// Marks messages as read; those that burn start to.
    pub(super) async fn on_mark_read(&mut self, ids: &[String], answer: Answer) {
        let now = self.services.clock.now();
        let mut changed: Vec<(u64, Header)> = Vec::new();
        for (place, header) in &self.inbox {
            if header.read.is_none() && ids.contains(&header.shown_id()) {
                changed.push((
                    *place,
                    Header {
                        read: Some(now),
                        ..header.clone()
                    },
                ));
            }
        }
        let store = self.store.clone();
        let rows = changed.clone();
        if self
            .commit(move || store.put_headers(&rows))
            .await
            .is_none()
        {
            return answer.refuse(Refusal::NotStored {
                what: Stored::ReadMarks,
            });
        }
        self.inbox.extend(changed);
        answer.finish(Ok(Reply::Done));
    }

    /// Destroys what has expired or burnt.
    pub(super) async fn destroy_due(&mut self, now: UnixMillis) {
        let due = |header: &Header| header.destroy_at() <= now;
        if !self.inbox.values().any(due) {
            return;
        }
        let (places, slots): (Vec<u64>, Vec<SlotId>) = self
            .inbox
            .iter()
            .filter(|(_, header)| due(header))
            .map(|(place, header)| (*place, header.slot))
            .unzip();
        // Out of sight at once, whatever the disk says; what stays on it is destroyed at the next start.
        self.inbox.retain(|_, header| !due(header));
        let (count, store) = (places.len(), self.store.clone());
        match self.commit(move || store.destroy(&places, &slots)).await {
            Some(()) => debug!(count, "messages were destroyed"),
            None => info!(
                count,
                "messages whose time is over could not be destroyed yet"
            ),
        }
    }
}

fn reply(answer: Answer, page: Option<InboxPage>) {
    match page {
        Some(page) => answer.finish(Ok(Reply::Inbox(page))),
        None => answer.refuse(Refusal::NotRead {
            what: Stored::Inbox,
        }),
    }
}
