//! What a person does at a node, through the same calls as the command line.

use std::time::Duration;

use restante::clock::Clock;
use restante::control::{ControlCall, call};
use restante_interface::{
    Body, ContactInfo, ContactState, InboxMessage, InboxRequest, OutboxEntry, Refusal, Reply,
    Request, SendRequest, SendResult,
};
use restante_proto::limits::HOUR_MS;
use restante_proto::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// How long a person waits before trying again what the node could not do.
const AGAIN: Duration = Duration::from_secs(20);

/// What people tell the director.
pub(super) enum News {
    /// What became of a letter that was handed over.
    Sent {
        letter: usize,
        outcome: Result<SendResult, Refusal>,
    },
    /// A person was shown a message, at this moment, of this date by the own clock.
    Shown {
        person: usize,
        message: Box<InboxMessage>,
        at: Instant,
        date: UnixMillis,
    },
    /// How the messages that a person has sent stand.
    Outbox {
        person: usize,
        outbox: Vec<OutboxEntry>,
        /// Messages under way, listed or not.
        under_way: u32,
    },
    /// A person's node knows that these were read.
    Read { person: usize, ids: Vec<String> },
}

/// The ways of one life of a person's node.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) person: usize,
    pub(super) calls: mpsc::Sender<ControlCall>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) clock: Clock,
}

impl Desk {
    /// Adds those of whom the node does not know that they are friends, one after the other, as often as it takes.
    pub(super) async fn befriend(self, mut ids: Vec<String>) {
        let mut after = None;
        loop {
            let asked = call(&self.calls, Request::ContactList { after }).await;
            let Ok(Reply::Contacts(page)) = asked else {
                return;
            };
            let is_friend = |contact: &ContactInfo, id: &str| {
                contact.id == id && contact.state == ContactState::Accepted
            };
            ids.retain(|id| !page.contacts.iter().any(|contact| is_friend(contact, id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for who in ids {
            loop {
                let petname = None;
                let who = who.clone();
                match call(&self.calls, Request::ContactAdd { who, petname }).await {
                    Ok(_) => break,
                    Err(Refusal::Stopping) => return,
                    Err(_) => sleep(AGAIN).await,
                }
            }
        }
    }

    /// Sends one letter.
    pub(super) async fn send(
        self,
        letter: usize,
        to: String,
        body: Vec<u8>,
        (ttl_ms, burn_ms): (u64, Option<u64>),
    ) {
        let request = SendRequest {
            to,
            body: Body::new(body),
            ttl_ms: Some(ttl_ms),
            burn_ms,
            file_name: None,
            effort_max: None,
            reply_to: None,
            replaces: None,
            wait: false,
        };
        let outcome = match call(&self.calls, Request::Send(request)).await {
            #[cfg(debug_assertions)]
            Ok(Reply::Sent(mut result)) => {
                super::planted::recount(&mut result);
                Ok(result)
            }
            #[cfg(not(debug_assertions))]
            Ok(Reply::Sent(result)) => Ok(result),
            Ok(_) => Err(Refusal::Internal {
                why: "another answer".to_owned(),
            }),
            Err(error) => Err(error),
        };
        self.tell(News::Sent { letter, outcome }).await;
    }

    /// Reads whatever comes, for as long as the node runs.
    pub(super) async fn read(self) {
        loop {
            let request = InboxRequest {
                wait_ms: HOUR_MS,
                ..InboxRequest::default()
            };
            match call(&self.calls, Request::Inbox(request)).await {
                Ok(Reply::Inbox(page)) => self.show(page.messages).await,
                Err(Refusal::Stopping) => return,
                Ok(_) | Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// Looks how what was sent stands.
    pub(super) async fn look(self) {
        let asked = call(&self.calls, Request::Status).await;
        if let Ok(Reply::Status(status)) = asked {
            let person = self.person;
            let (outbox, under_way) = (status.outbox, status.outbox_count);
            self.tell(News::Outbox {
                person,
                outbox,
                under_way,
            })
            .await;
        }
    }

    async fn show(&self, messages: Vec<InboxMessage>) {
        let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
        let person = self.person;
        // The director may hear of it later.
        let (at, date) = (Instant::now(), self.clock.now());
        for message in messages {
            let message = Box::new(message);
            let shown = News::Shown {
                person,
                message,
                at,
                date,
            };
            self.tell(shown).await;
        }
        if ids.is_empty() {
            return;
        }
        let request = Request::MarkRead { ids: ids.clone() };
        match call(&self.calls, request).await {
            Ok(_) => self.tell(News::Read { person, ids }).await,
            // They are shown once more.
            Err(_) => sleep(AGAIN).await,
        }
    }

    async fn tell(&self, news: News) {
        // The director is gone only when the run is over.
        let _over = self.news.send(news).await;
    }
}
