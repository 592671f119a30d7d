//! What a message says of its sender, and of what its sender has.

use std::collections::BTreeSet;

use restante_proto::ItemId;
use restante_proto::message::MessageId;

use super::arrival::Arrival;
use crate::about;
use crate::conversing;
use crate::cx::Cx;
use crate::then::Taken;

/// Stages what a contact's delivery receipt says.
pub(super) fn on_delivered(
    cx: &mut Cx<'_>,
    arrival: &Arrival,
    (ids, read): (&[MessageId], &[MessageId]),
    taken: &mut Taken,
) {
    // Who has read a message, or what replaces it, has it.
    let own = |ids: &[MessageId]| -> BTreeSet<MessageId> {
        let sent = ids.iter().map(|id| (*id, cx.records.sent().get(id)));
        let own = sent.filter_map(|(id, sent)| Some((id, sent?)));
        let own = own.filter(|(_, sent)| sent.to == arrival.sender);
        own.flat_map(|(id, sent)| [Some(id), sent.replaces])
            .flatten()
            .collect::<BTreeSet<_>>()
    };
    let (mut delivered, mut read) = (own(ids), own(read));
    // It was the message that was read, in whatever form.
    let forms: Vec<_> = read.iter().flat_map(|id| about::versions(cx, id)).collect();
    read.extend(forms);
    delivered.extend(&read);
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
            if read.contains(&id) {
                sent.read.get_or_insert(cx.now.date);
            }
            cx.records.put_sent(id, sent);
        }
        taken.delivered.push(id);
    }
}

/// Stages what a message says about its sender: when it was heard of, and, of one that came outside of a conversation,
/// the ID it goes by, what its device grants, and what it can be invited with.
pub(super) fn hear(cx: &mut Cx<'_>, arrival: &Arrival) {
    let Some(contact) = cx.records.contacts().get(&arrival.sender) else {
        return;
    };
    let mut contact = contact.clone();
    let delegation = contact.delegation;
    if let Some(message) = &arrival.outside {
        let today = cx.date().epoch();
        let certificate = &message.certificate;
        if let Some(grant) = &message.grant {
            contact.take_grant(today, certificate.device, grant.clone());
        }
        contact.hear_from(certificate);
        contact.hear_under(&arrival.from);
        conversing::take_packages(cx, &mut contact, message);
    }
    let is_recovered = delegation.is_some() && contact.delegation != delegation;
    contact.last_seen = Some(cx.date());
    cx.records.put_contact(contact);
    if is_recovered {
        // The devices of an earlier delegate are shut out.
        cx.records.drop_conversations_with(&arrival.sender);
    }
}
