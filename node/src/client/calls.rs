//! The person's commands.

use restante_interface::{Reply, Request};

use super::Client;
use crate::control::ControlCall;

impl Client {
    /// Carries a command out, or starts to.
    pub(super) async fn on_call(&mut self, call: ControlCall) {
        let ControlCall { request, answer } = call;
        match request {
            Request::Id => answer.finish(Ok(Reply::Id(self.id_info()))),
            Request::Send(request) => self.on_send(request, answer).await,
            Request::Inbox(request) => self.on_inbox(request, answer).await,
            Request::MarkRead { ids } => self.on_mark_read(&ids, answer).await,
            Request::ContactAdd { who, petname } => {
                self.on_contact_add(&who, petname, answer);
            }
            Request::ContactList { after } => {
                let page = self.contact_page(after.as_deref());
                answer.finish(Ok(Reply::Contacts(page)));
            }
            Request::ContactAccept { who } => self.on_contact_accept(&who, answer).await,
            Request::ContactBlock { who } => self.on_contact_block(&who, answer).await,
            Request::ContactVerify { who } => self.on_contact_verify(&who, answer),
            Request::ContactVerified { who } => self.on_contact_verified(&who, answer).await,
            Request::Status => {
                let status = self.status(self.services.clock.now()).await;
                answer.finish(Ok(Reply::Status(Box::new(status))));
            }
            Request::Holdings { after } => self.on_holdings(after, answer).await,
            Request::Doctor => {
                let report = self.examine(self.services.clock.now()).await;
                answer.finish(Ok(Reply::Doctor(report)));
            }
            // The control server answers this one itself.
            Request::Stop => answer.finish(Ok(Reply::Done)),
        }
    }
}
