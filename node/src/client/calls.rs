//! The person's commands.

use super::Client;
use crate::control::ControlCall;
use crate::control::protocol::{ControlReply, ControlRequest};

impl Client {
    /// Carries a command out, or starts to.
    pub(super) async fn on_call(&mut self, call: ControlCall) {
        let ControlCall { request, answer } = call;
        match request {
            ControlRequest::Id => answer.finish(Ok(ControlReply::Id(self.id_info()))),
            ControlRequest::Send(request) => self.on_send(request, answer).await,
            ControlRequest::Inbox(request) => self.on_inbox(request, answer).await,
            ControlRequest::MarkRead { ids } => self.on_mark_read(&ids, answer).await,
            ControlRequest::ContactAdd { who, petname } => {
                self.on_contact_add(&who, petname, answer);
            }
            ControlRequest::ContactList { after } => {
                let page = self.contact_page(after.as_deref());
                answer.finish(Ok(ControlReply::Contacts(page)));
            }
            ControlRequest::ContactAccept { who } => self.on_contact_accept(&who, answer).await,
            ControlRequest::ContactBlock { who } => self.on_contact_block(&who, answer).await,
            ControlRequest::ContactVerify { who } => self.on_contact_verify(&who, answer),
            ControlRequest::ContactVerified { who } => self.on_contact_verified(&who, answer).await,
            ControlRequest::Status => {
                let status = self.status(self.services.clock.now()).await;
                answer.finish(Ok(ControlReply::Status(Box::new(status))));
            }
            ControlRequest::Holdings { after } => self.on_holdings(after, answer).await,
            ControlRequest::Doctor => {
                let report = self.examine(self.services.clock.now()).await;
                answer.finish(Ok(ControlReply::Doctor(report)));
            }
            // The control server answers this one itself.
            ControlRequest::Stop => answer.finish(Ok(ControlReply::Done)),
        }
    }
}
