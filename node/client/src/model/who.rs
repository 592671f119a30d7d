//! How people name each other: an ID, or a link that also carries the hash of the account key (SPEC 3.4, 3.5).

use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use restante_proto::account::{PersonId, account_hash};
use restante_proto::keys::PublicKey;
use restante_proto::person::IdError;

#[cfg(test)]
mod tests;

/// What a link to a person begins with.
const LINK_PREFIX: &str = "restante:";
/// Letters of a tag, and of one of its groups.
const TAG_CHARS: usize = 12;
const TAG_GROUP_CHARS: usize = 4;

/// Somebody as a person typed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The ID.
    pub id: PersonId,
    hash: Option<[u8; 16]>,
}

/// Why a text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWho {
    /// It is no ID.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The link holds no ID.
    #[error("the link holds no ID: {0}")]
    Link(IdError),
    /// The key in the link does not decode.
    #[error("the link's key is damaged")]
    Key,
}

impl Who {
    /// Names an ID without an account key.
    pub const fn of(id: PersonId) -> Self {
        Self { id, hash: None }
    }

    /// Tells whether `account` is the one the link names; an ID alone names any that its tag does.
    pub fn matches(&self, account: &PublicKey) -> bool {
        self.hash.is_none_or(|hash| hash == account_hash(account))
    }
}

impl FromStr for Who {
    type Err = InvalidWho;

    fn from_str(text: &str) -> Result<Self, InvalidWho> {
        let text = text.trim();
        let scheme = text.get(..LINK_PREFIX.len());
        let is_link = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(LINK_PREFIX));
        let Some(link) = text.get(LINK_PREFIX.len()..).filter(|_| is_link) else {
            return Ok(Self::of(id_of(text)?));
        };
        let (id, parameters) = link.split_once('?').unwrap_or((link, ""));
        let key = parameters
            .split('&')
            .find_map(|part| part.strip_prefix("k="));
        let id = id_of(id).map_err(InvalidWho::Link)?;
        let Some(key) = key else {
            return Ok(Self::of(id));
        };
        let hash = BASE32_NOPAD
            .decode(key.to_ascii_uppercase().as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
            .ok_or(InvalidWho::Key)?;
        Ok(Self {
            id,
            hash: Some(hash),
        })
    }
}

/// Reads an ID as people type it: capitals count as small letters, and hyphens may be left out.
fn id_of(text: &str) -> Result<PersonId, IdError> {
    let text = text.to_ascii_lowercase();
    let Some((handle, tag)) = text.split_once('.') else {
        return text.parse();
    };
    let letters: Vec<char> = tag.chars().filter(|letter| *letter != '-').collect();
    if letters.len() != TAG_CHARS {
        return text.parse();
    }
    let groups = letters.chunks(TAG_GROUP_CHARS).map(String::from_iter);
    let groups: Vec<String> = groups.collect();
    format!("{handle}.{}", groups.join("-")).parse()
}

/// Returns the link that leads to an account (SPEC 3.5).
pub fn link_of(id: &PersonId, account: &PublicKey) -> String {
    let key = BASE32_NOPAD
        .encode(&account_hash(account))
        .to_ascii_lowercase();
    format!("restante:{id}?k={key}")
}
