//! The keys that own one's mailboxes, on each device that this home was (SPEC 5.1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use restante_proto::account::Identity;
use restante_proto::keys::SecretKey;
use restante_proto::mailbox::{Mailbox, OwnerProof, OwnerRequest, Rule};
use restante_proto::{Address, NodeId};

use crate::cx::Cx;
use crate::model::Account;
use crate::sealing::DEVICE_MAILBOX;

/// The keys of one's own mailboxes, derived when they are first needed.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<Address, Owner>);

/// Whose a mailbox is.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) key: SecretKey,
    pub(super) identity: Arc<Identity>,
    /// It is of the device that this home is, and not of one that it was.
    pub(super) is_present: bool,
}

impl Owners {
    pub(super) fn prove(
        &mut self,
        cx: &Cx<'_>,
        mailbox: &Mailbox,
        keeper: &NodeId,
        request: OwnerRequest<'_>,
    ) -> OwnerProof {
        let owner = &self.of(cx, mailbox).key;
        OwnerProof::sign(owner, &mailbox.address(), keeper, cx.date(), request)
    }

    pub(super) fn of(&mut self, cx: &Cx<'_>, mailbox: &Mailbox) -> &Owner {
        let account = cx.records.account();
        let owner = || Owner::derive(account, mailbox);
        self.0.entry(mailbox.address()).or_insert_with(owner)
    }

    /// Tells whether a mailbox is of the device that this home is.
    pub(super) fn is_present(&self, at: &Address) -> bool {
        self.0.get(at).is_some_and(|owner| owner.is_present)
    }

    /// Forgets the keys of mailboxes that are not watched any more.
    pub(super) fn retain(&mut self, watched: &[Mailbox]) {
        let watched: BTreeSet<Address> = watched.iter().map(Mailbox::address).collect();
        self.0.retain(|address, _| watched.contains(address));
    }
}

impl Owner {
    fn derive(account: &Account, mailbox: &Mailbox) -> Self {
        let key_under = |identity: &Identity| match mailbox.rule {
            Rule::Stamp => identity.first_contact(),
            Rule::Capability => identity.device_mailbox_owner(mailbox.epoch, DEVICE_MAILBOX),
        };
        let owners = account.identities().enumerate();
        let owners = owners.map(|(place, it)| (place, key_under(&it), it));
        let mut owners = owners.filter(|(_, key, _)| key.public() == mailbox.owner);
        let (place, key, identity) = owners.next().unwrap_or_else(|| {
            let identity = account.identity.clone();
            (0, identity.first_contact(), identity)
        });
        Self {
            key,
            identity: Arc::new(identity),
            is_present: place == 0,
        }
    }
}
