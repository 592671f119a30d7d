//! What people and programs ask for.

use restante_interface::{Refusal, Reply, Request};

use super::Subjects;
use crate::cx::Cx;
use crate::io::CallId;
use crate::{about, contacts, history, overview};

impl Subjects<'_> {
    /// Passes a request to the subject that it concerns.
    pub(super) fn on_call(&mut self, cx: &mut Cx<'_>, call: CallId, request: Request) {
        match request {
            Request::Id => cx.reply(call, Ok(Reply::Id(overview::id_info(cx.records.account())))),
            Request::Send(_)
            | Request::ContactAdd { .. }
            | Request::React { .. }
            | Request::Recall { .. }
                if cx.shut_out =>
            {
                cx.refuse(call, Refusal::ShutOut);
            }
            Request::Send(_)
            | Request::ContactAdd { .. }
            | Request::React { .. }
            | Request::Recall { .. }
                if cx.wrong_clock().is_some() =>
            {
                let ahead_ms = cx.wrong_clock().unwrap_or_default();
                cx.refuse(call, Refusal::WrongClock { ahead_ms });
            }
            Request::Send(request) => self.sending.on_request(cx, call, request),
            Request::Inbox(request) => self.reading.on_request(cx, call, request),
            Request::MarkRead { ids } => self.reading.on_mark_read(cx, call, &ids),
            Request::ContactAdd { who, petname } => contacts::on_add(cx, call, &who, petname),
            Request::ContactList { after } => contacts::on_list(cx, call, after.as_deref()),
            Request::ContactAccept { who } => contacts::on_accept(cx, call, &who),
            Request::ContactBlock { who } => contacts::on_block(cx, call, &who),
            Request::ContactSet { who, change } => contacts::on_set(cx, call, &who, &change),
            Request::ContactRemove { who } => contacts::on_remove(cx, call, &who),
            Request::Conversations { after } => {
                history::on_conversations(cx, call, after.as_deref());
            }
            Request::History(request) => history::on_request(cx, call, &request),
            Request::React { id, emoji } => about::on_react(cx, call, &id, emoji),
            Request::Recall { ids } => about::on_recall(cx, call, &ids),
            Request::Delete { ids } => about::on_delete(cx, call, &ids),
            Request::ContactVerify { who } => contacts::on_verify(cx, call, &who),
            Request::ContactVerified { who } => contacts::on_verified(cx, call, &who),
            Request::Status
            | Request::Doctor
            | Request::Holdings { .. }
            | Request::Backup(_)
            | Request::Stop => {
                let why = "this request is the driver's to answer".to_owned();
                cx.refuse(call, Refusal::Internal { why });
            }
        }
    }
}
