//! Contacts: who they are, and how they and this account stand.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use restante_interface::{
    CONTACT_PAGE_COUNT_MAX, ContactInfo, ContactPage, ContactState, Refusal, Reply, Stored,
    VerifyInfo,
};
use restante_proto::account::{PersonId, account_hash, verification_code};
use restante_proto::card::VerifiedCard;
use restante_proto::keys::PublicKey;
use restante_proto::message::MessageId;
use restante_proto::person::IdFault;
use restante_proto::time::UnixMillis;
use tokio::time::Instant;

use super::Client;
use super::directory::{Before, Resolution, ResolveFault, resolve};
use super::rows::Contact;
use super::sending::Intent;
use super::services::Services;
use crate::control::Answer;

/// Strangers that may wait for an answer at once; further ones stay at the keepers.
const REQUESTS_MAX: usize = 256;
/// Contacts of all kinds, at most.
const CONTACTS_MAX: usize = 10_000;
/// How long a node that has just started waits for the network before it says that there is none.
const PATIENCE: Duration = Duration::from_secs(12);
/// The pause between two tries of that.
const PATIENCE_STEP: Duration = Duration::from_millis(500);

/// Somebody as a person typed them: an ID, or a link that also carries the hash of the account key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) id: PersonId,
    hash: Option<[u8; 16]>,
}

impl Who {
    /// Tells whether `account` is the one the link named; an ID alone names any that its tag does.
    pub(super) fn matches(&self, account: &PublicKey) -> bool {
        self.hash.is_none_or(|hash| hash == account_hash(account))
    }
}

/// Reads an ID or a link.
pub(super) fn parse_who(text: &str) -> Result<Who, Refusal> {
    parse(text.trim()).map_err(|why| Refusal::InvalidId {
        text: text.to_owned(),
        why,
    })
}

fn parse(text: &str) -> Result<Who, String> {
    let Some(link) = text.strip_prefix("restante:") else {
        let id = text.parse().map_err(|fault: IdFault| fault.to_string())?;
        return Ok(Who { id, hash: None });
    };
    let (id, parameters) = link.split_once('?').unwrap_or((link, ""));
    let key = parameters
        .split('&')
        .find_map(|part| part.strip_prefix("k="));
    let id = id.parse().map_err(|fault: IdFault| fault.to_string())?;
    let Some(key) = key else {
        return Ok(Who { id, hash: None });
    };
    let hash = BASE32_NOPAD
        .decode(key.to_ascii_uppercase().as_bytes())
        .ok()
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        .ok_or_else(|| "the link's key is damaged".to_owned())?;
    Ok(Who {
        id,
        hash: Some(hash),
    })
}

/// Returns the link that leads to an account (SPEC 3.5).
pub(crate) fn link_of(id: &PersonId, account: &PublicKey) -> String {
    let key = BASE32_NOPAD
        .encode(&account_hash(account))
        .to_ascii_lowercase();
    format!("restante:{id}?k={key}")
}

/// Looks an ID up, and waits a little for the network of a node that has just started.
pub(super) async fn resolve_patiently(
    services: Services,
    id: PersonId,
    before: Before,
) -> Result<Resolution, ResolveFault> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let result = resolve(services.clone(), id.clone(), before).await;
        let offline = matches!(result, Err(ResolveFault::Offline));
        if !offline || Instant::now() + PATIENCE_STEP > deadline {
            return result;
        }
        tokio::time::sleep(PATIENCE_STEP).await;
    }
}

impl Client {
    pub(super) fn contact_by_id(&self, id: &PersonId) -> Option<&Contact> {
        self.contacts.values().find(|contact| contact.id == *id)
    }

    /// Finds the contact a person typed, or says what is wrong.
    fn named(&self, text: &str) -> Result<Contact, Refusal> {
        let who = parse_who(text)?;
        self.contact_by_id(&who.id)
            .filter(|contact| who.matches(&contact.account))
            .cloned()
            .ok_or_else(|| Refusal::NotAContact {
                id: who.id.to_string(),
            })
    }

    /// Finds a contact whose account was not terminated: that is for ever.
    fn living(&self, text: &str) -> Result<Contact, Refusal> {
        let contact = self.named(text)?;
        if contact.state == ContactState::Terminated {
            return Err(Refusal::Terminated {
                id: contact.id.to_string(),
            });
        }
        Ok(contact)
    }

    /// Forgets strangers who wrote, were not answered, and of whom nothing is left.
    pub(super) async fn forget_strangers(&mut self) {
        let gone: Vec<PublicKey> = self
            .contacts
            .values()
            .filter(|contact| contact.state == ContactState::Request)
            .map(|contact| contact.account)
            .filter(|account| self.inbox.values().all(|header| header.sender != *account))
            .collect();
        if gone.is_empty() {
            return;
        }
        let (store, rows) = (self.store.clone(), gone.clone());
        if self
            .commit(move || store.drop_contacts(&rows))
            .await
            .is_some()
        {
            self.contacts.retain(|account, _| !gone.contains(account));
            self.index_contacts();
        }
    }

    /// Stores a contact and keeps it in memory; tells whether that worked.
    pub(super) async fn put_contact(&mut self, contact: Contact) -> bool {
        let store = self.store.clone();
        let row = contact.clone();
        if self.commit(move || store.put_contact(&row)).await.is_none() {
            return false;
        }
        self.contacts.insert(contact.account, contact);
        self.index_contacts();
        true
    }

    /// Keeps the list of senders whose ID need not be computed again.
    pub(super) fn index_contacts(&mut self) {
        let known = self
            .contacts
            .iter()
            .map(|(account, contact)| (*account, contact.id.clone()));
        self.known_ids = Arc::new(known.collect());
    }

    /// Notes a card that was found under an ID, and with it that its account exists.
    pub(super) async fn learn_card(&mut self, now: UnixMillis, found: &Resolution) {
        let card = found.card.card();
        if card.account == self.account.identity.account.public() {
            return;
        }
        let Some(contact) = self.contacts.get(&card.account) else {
            return;
        };
        if contact.state == ContactState::Terminated {
            return;
        }
        let mut contact = contact.clone();
        contact.sequence = contact.sequence.max(Some(card.sequence));
        contact.last_seen = contact.last_seen.max(Some(now));
        if card.terminated {
            contact.state = ContactState::Terminated;
            contact.record = None;
            contact.grant = None;
        } else {
            contact.record = Some((found.record.clone(), found.key.clone()));
        }
        self.put_contact(contact).await;
    }

    /// Makes whoever is written to a contact: who writes wants to hear back.
    pub(super) async fn befriend(&mut self, now: UnixMillis, account: &PublicKey) {
        if let Some(contact) = self.contacts.get(account)
            && contact.state == ContactState::Request
        {
            let contact = contact.clone();
            self.accept(now, contact).await;
        }
    }

    pub(super) fn on_contact_add(&mut self, text: &str, petname: Option<String>, answer: Answer) {
        match parse_who(text) {
            Err(refusal) => answer.refuse(refusal),
            Ok(_) if self.contacts.len() >= CONTACTS_MAX => {
                answer.refuse(Refusal::ContactsFull {
                    max: CONTACTS_MAX as u32,
                });
            }
            Ok(who) => self.resolve(Intent::Add {
                who,
                petname,
                answer,
            }),
        }
    }

    pub(super) async fn add_contact(
        &mut self,
        now: UnixMillis,
        card: &VerifiedCard,
        petname: Option<String>,
        answer: Answer,
    ) {
        let Some(contact) = self.contacts.get(&card.card().account) else {
            return answer.refuse(Refusal::OwnId);
        };
        let mut contact = contact.clone();
        contact.petname = petname.or(contact.petname);
        match self.accept(now, contact).await {
            Some(info) => answer.finish(Ok(Reply::Contact(info))),
            None => answer.refuse(NOT_STORED),
        }
    }

    /// Makes sure that whoever a card belongs to is a contact.
    pub(super) async fn ensure_contact(
        &mut self,
        now: UnixMillis,
        id: &PersonId,
        account: PublicKey,
        state: ContactState,
    ) -> bool {
        if self.contacts.contains_key(&account) {
            return true;
        }
        let requests = self
            .contacts
            .values()
            .filter(|c| c.state == ContactState::Request);
        let full = state == ContactState::Request && requests.count() >= REQUESTS_MAX;
        if full || self.contacts.len() >= CONTACTS_MAX {
            return false;
        }
        self.put_contact(Contact {
            account,
            id: id.clone(),
            petname: None,
            state,
            verified: false,
            added: now,
            last_seen: None,
            sequence: None,
            record: None,
            grant: None,
            granted: None,
        })
        .await
    }

    pub(super) async fn on_contact_accept(&mut self, text: &str, answer: Answer) {
        match self.living(text) {
            Err(refusal) => answer.refuse(refusal),
            Ok(contact) => match self.accept(self.services.clock.now(), contact).await {
                Some(info) => answer.finish(Ok(Reply::Contact(info))),
                None => answer.refuse(NOT_STORED),
            },
        }
    }

    /// Accepts somebody; the words due for what they wrote before are sent now.
    async fn accept(&mut self, now: UnixMillis, mut contact: Contact) -> Option<ContactInfo> {
        contact.state = ContactState::Accepted;
        let info = info_of(&contact);
        let account = contact.account;
        if !self.put_contact(contact).await {
            return None;
        }
        let unheard: Vec<(PublicKey, MessageId)> = self
            .inbox
            .values()
            .filter(|header| header.sender == account && header.expires > now)
            .map(|header| (account, header.message))
            .collect();
        self.owe_words(now, unheard).await;
        Some(info)
    }

    pub(super) async fn on_contact_block(&mut self, text: &str, answer: Answer) {
        let named = self.living(text);
        self.change(named, answer, |contact| {
            contact.state = ContactState::Blocked
        })
        .await;
    }

    pub(super) fn on_contact_verify(&self, text: &str, answer: Answer) {
        match self.named(text) {
            Err(refusal) => answer.refuse(refusal),
            Ok(contact) => {
                let own = self.account.identity.account.public();
                answer.finish(Ok(Reply::Verify(VerifyInfo {
                    id: contact.id.to_string(),
                    code: verification_code(&own, &contact.account),
                    verified: contact.verified,
                })));
            }
        }
    }

    pub(super) async fn on_contact_verified(&mut self, text: &str, answer: Answer) {
        let named = self.named(text);
        self.change(named, answer, |contact| contact.verified = true)
            .await;
    }

    async fn change(
        &mut self,
        named: Result<Contact, Refusal>,
        answer: Answer,
        change: impl FnOnce(&mut Contact),
    ) {
        let mut contact = match named {
            Ok(contact) => contact,
            Err(refusal) => return answer.refuse(refusal),
        };
        change(&mut contact);
        let info = info_of(&contact);
        if self.put_contact(contact).await {
            answer.finish(Ok(Reply::Contact(info)));
        } else {
            answer.refuse(NOT_STORED);
        }
    }

    pub(super) fn contact_page(&self, after: Option<&str>) -> ContactPage {
        let mut contacts: Vec<&Contact> = self.contacts.values().collect();
        contacts.sort_by_cached_key(|contact| contact.id.to_string());
        let mut rest = contacts
            .into_iter()
            .filter(|contact| after.is_none_or(|after| contact.id.to_string().as_str() > after));
        let page: Vec<ContactInfo> = rest
            .by_ref()
            .take(CONTACT_PAGE_COUNT_MAX)
            .map(info_of)
            .collect();
        let last = page.last().map(|contact| contact.id.clone());
        let next = rest.next().and(last);
        ContactPage {
            contacts: page,
            next,
        }
    }
}

const NOT_STORED: Refusal = Refusal::NotStored {
    what: Stored::Contact,
};

fn info_of(contact: &Contact) -> ContactInfo {
    let hash = account_hash(&contact.account);
    ContactInfo {
        id: contact.id.to_string(),
        petname: contact.petname.clone(),
        state: contact.state,
        verified: contact.verified,
        fingerprint: Some(data_encoding::HEXLOWER.encode(&hash)),
        added_ms: contact.added.get(),
        last_seen_ms: contact.last_seen.map(UnixMillis::get),
    }
}
