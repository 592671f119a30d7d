//! A message on its way in, whether it came inside a conversation or outside of one.

use restante_conversation::conversation::Opened;
use restante_conversation::{ConversationError, ConversationId, EpochName};
use restante_interface::ContactState;
use restante_proto::ItemId;
use restante_proto::account::PersonId;
use restante_proto::envelope::VerifiedMessage;
use restante_proto::keys::PublicKey;
use restante_proto::message::{Content, Message, MessageId, Said, What};
use restante_proto::time::UnixMillis;
use tracing::debug;

use crate::conversing::{self, Inside};
use crate::cx::Cx;
use crate::model::{Contact, Header};

/// A message, opened and not looked at yet.
pub(super) struct Arrival {
    pub(super) sender: PublicKey,
    pub(super) id: MessageId,
    pub(super) sent: UnixMillis,
    pub(super) expires: UnixMillis,
    pub(super) content: Content,
    /// The ID of its sender.
    pub(super) from: PersonId,
    /// When its words were changed before it was taken.
    pub(super) edited: Option<UnixMillis>,
    /// The whole message, if it came outside of a conversation.
    pub(super) outside: Option<Box<Message>>,
}

impl Arrival {
    /// Takes a message that was sealed to a prekey.
    pub(super) fn outside(message: VerifiedMessage, from: PersonId) -> Self {
        let expires = message.expires();
        let message = Box::new(message.into_message());
        Self {
            sender: message.sender,
            id: message.id,
            sent: message.sent,
            expires,
            content: message.content.clone(),
            from,
            edited: None,
            outside: Some(message),
        }
    }

    /// Opens a message of a conversation and stages what it does to that; none if it has nothing to say to anybody.
    ///
    /// # Errors
    ///
    /// [`ConversationError`]; nothing is staged then.
    pub(super) fn inside(
        cx: &mut Cx<'_>,
        id: &ConversationId,
        epoch: &EpochName,
        bytes: &[u8],
        until: UnixMillis,
    ) -> Result<Option<Self>, ConversationError> {
        let date = cx.date();
        let Inside {
            conversation,
            opened,
        } = conversing::open(cx, id, epoch, bytes)?;
        let text = match opened {
            Opened::Text { sender, body } => Some((sender, body)),
            Opened::Commit { epoch, .. } => {
                if let Some(committer) = conversation.committer(&epoch) {
                    conversing::hear(cx, id, committer, date);
                }
                None
            }
            Opened::Known => None,
            // It may have lost to another commit; while it stands, this device says nothing.
            Opened::Removed { .. } => {
                debug!("a commit removes this device from a conversation");
                None
            }
        };
        cx.records.put_conversation(conversation);
        let Some((sender, body)) = text else {
            return Ok(None);
        };
        let said = Said::decode(&body);
        let said =
            said.inspect_err(|error| debug!(%error, "a member says nothing that can be read"));
        let Ok(said) = said else {
            return Ok(None);
        };
        conversing::hear(cx, id, sender.device, said.sent);
        let Some(contact) = cx.records.contacts().get(&sender.account) else {
            return Ok(None);
        };
        let from = contact.reach.clone();
        let content = match said.what {
            What::Content(content) => content,
            What::Grant(grant) => {
                let mut contact = contact.clone();
                if contact.take_grant(date.epoch(), sender.device, grant) {
                    cx.records.put_contact(contact);
                }
                return Ok(None);
            }
        };
        Ok(Some(Self {
            sender: sender.account,
            id: said.id,
            sent: said.sent,
            expires: said.expires.min(until),
            content,
            from,
            edited: None,
            outside: None,
        }))
    }

    /// Returns the header that it gets here.
    pub(super) fn header(&self, cx: &Cx<'_>) -> Header {
        let date = cx.date();
        let mut header = Header {
            sender: self.sender,
            message: self.id,
            from: self.from.clone(),
            received: date,
            sent: self.sent,
            expires: self.expires.min(date.plus(cx.settings.retention_ms)),
            burn_ms: 0,
            read: None,
            file_name: String::new(),
            reply_to: None,
            edited: None,
            recalled: None,
            unknown_kind: 0,
            slot: None,
        };
        match &self.content {
            Content::Text(text) => {
                header.burn_ms = text.burn_ms;
                header.file_name.clone_from(&text.file_name);
                header.reply_to = text.reply_to;
                header.edited = self.edited;
            }
            Content::Unknown { kind, .. } => header.unknown_kind = *kind,
            _ => {}
        }
        header
    }

    /// Tells whether it takes other messages back.
    pub(super) const fn is_recall(&self) -> bool {
        matches!(self.content, Content::Recall { .. })
    }

    /// Tells whether it is of a device that its account has shut out.
    pub(super) fn is_shut_out(&self, contact: &Contact) -> bool {
        let message = self.outside.as_ref();
        message.is_some_and(|message| contact.is_shut_out(&message.certificate))
    }

    /// Takes the word of a device that it cannot follow a conversation any more; returns whose device, if it was in it.
    pub(super) fn on_lost(&self, cx: &mut Cx<'_>) -> Option<(PublicKey, PublicKey)> {
        let message = self.outside.as_ref()?;
        let Content::Lost { conversation } = message.content else {
            return None;
        };
        let was_heard = conversing::on_lost(cx, message, conversation);
        was_heard.then_some((self.sender, message.certificate.device))
    }

    /// Joins the conversation that it invites to; returns its name.
    pub(super) fn join(&self, cx: &mut Cx<'_>, welcome: &[u8]) -> Option<ConversationId> {
        let message = self.outside.as_ref()?;
        conversing::join(cx, message, welcome)
    }
}

/// Lets texts that came together with what replaces them say that from the start, so that they stand where they belong.
pub(super) fn edit(cx: &Cx<'_>, arrivals: &mut [(ItemId, UnixMillis, Arrival)]) {
    for at in 0..arrivals.len() {
        let (before, rest) = arrivals.split_at_mut(at);
        let Some((.., edit)) = rest.first() else {
            return;
        };
        let Content::Text(text) = &edit.content else {
            continue;
        };
        let contact = cx.records.contacts().get(&edit.sender);
        let may = |contact: &Contact| {
            contact.state == ContactState::Accepted && !edit.is_shut_out(contact)
        };
        if !contact.is_some_and(may) {
            continue;
        }
        let of = text.replaces.map(|id| (edit.sender, id));
        let replaced = before.iter_mut().map(|(.., arrival)| arrival);
        let mut replaced = replaced.filter(|it| Some((it.sender, it.id)) == of);
        let Some(replaced) = replaced.next() else {
            continue;
        };
        if let Content::Text(words) = &mut replaced.content {
            words.body = text.body.clone();
            replaced.edited = Some(edit.sent);
            replaced.expires = replaced.expires.min(edit.expires);
        }
    }
}
