//! What a message says of its sender, and of what its sender has.

use std::collections::BTreeSet;

use restante_proto::ItemId;
use restante_proto::account::PersonId;
use restante_proto::message::{Message, MessageId};

use crate::cx::Cx;
use crate::then::Taken;

/// Stages what a contact's delivery receipt says.
pub(super) fn on_delivered(
    cx: &mut Cx<'_>,
    message: &Message,
    ids: &[MessageId],
    taken: &mut Taken,
) {
    let is_own = |id: &&MessageId| {
        let sent = cx.records.sent().get(*id);
        sent.is_some_and(|sent| sent.to == message.sender)
    };
    let delivered: BTreeSet<MessageId> = ids.iter().filter(is_own).copied().collect();
    let outgoing = cx.records.outgoing().iter();
    let ended = outgoing.filter(|(_, outgoing)| delivered.contains(&outgoing.message));
    let ended: Vec<ItemId> = ended.map(|(id, _)| *id).collect();
    for id in ended {
        cx.records.drop_outgoing(id);
    }
    for id in delivered {
        if let Some(sent) = cx.records.sent().get(&id) {
            let mut sent = sent.clone();
            sent.state = restante_interface::DeliveryState::Delivered;
            cx.records.put_sent(id, sent);
        }
        taken.delivered.push(id);
    }
}

/// Stages what a message says about its sender: the ID it goes by, what its device grants, and when it was heard of.
pub(super) fn hear(cx: &mut Cx<'_>, message: Message, from: &PersonId) {
    let Some(contact) = cx.records.contacts().get(&message.sender) else {
        return;
    };
    let mut contact = contact.clone();
    let today = cx.date().epoch();
    let certificate = message.certificate;
    let grant = message.grant;
    if let Some(grant) = grant {
        contact.take_grant(today, certificate.device, grant);
    }
    contact.hear_from(&certificate);
    contact.hear_under(from);
    contact.last_seen = Some(cx.date());
    cx.records.put_contact(contact);
}
