//! Elements as keepers compare them and hand them over to each other.

use redb::{Error, ReadableTable};
use restante_proto::{
    keeper::{Element, ElementKey, ElementKind, ElementPage, Replica, StoreOutcome},
    limits::{REPLICA_HEAD_BYTES, REPLICAS_BYTES_MAX},
};

use super::{
    super::tables::{ItemKey, KEY_BYTES, Pointer, PointerValue, TallyValue},
    Reader,
};

impl<P, T, X> Reader<'_, P, T, X>
where
    P: ReadableTable<(u64, u64), &'static [u8]>,
    T: ReadableTable<(u64, u64), TallyValue>,
    X: ReadableTable<&'static [u8; KEY_BYTES], PointerValue>,
{
    /// Returns a page of what is held, in the order of keys.
    pub(in super::super) fn elements(
        &self,
        after: Option<ElementKey>,
        limit: usize,
    ) -> Result<ElementPage, Error> {
        let first = after.map_or([0; KEY_BYTES], |after| after.to_bytes());
        let mut page = ElementPage::default();
        for entry in self.index.range::<&[u8; KEY_BYTES]>(&first..)? {
            let (key, value) = entry?;
            let pointer = Pointer::from_value(value.value());
            let Some(key) = ItemKey::from_bytes(key.value()).map(ItemKey::to_element) else {
                continue;
            };
            if after.is_some_and(|after| key <= after) || !self.is_live(pointer)? {
                continue;
            }
            page.elements.push(element(key, pointer));
            if page.elements.len() >= limit {
                page.next = Some(key);
                break;
            }
        }
        Ok(page)
    }

    pub(super) fn export(&mut self, keys: &[ElementKey]) -> Result<StoreOutcome, Error> {
        let mut replicas = Vec::new();
        let mut bytes = 0_usize;
        for key in keys {
            let at = ItemKey::element(key);
            let Some(pointer) = self.live(at)? else {
                continue;
            };
            let is_grave = matches!(key.kind, ElementKind::Ack | ElementKind::Deletion);
            let size = usize::try_from(pointer.size_bytes).unwrap_or(usize::MAX);
            let Some(content) = self.content(at, pointer)? else {
                continue;
            };
            bytes += size + content.warrant.len() + REPLICA_HEAD_BYTES;
            if bytes > REPLICAS_BYTES_MAX {
                break;
            }
            replicas.push(Replica {
                key: *key,
                until: pointer.expires,
                item: content.payload.slice(..if is_grave { 0 } else { size }),
                deposited: key.kind == ElementKind::Ack && pointer.is_deposited(),
                warrant: content.warrant,
            });
        }
        Ok(StoreOutcome::Replicas(replicas))
    }

    pub(super) fn lacking(&self, elements: &[Element]) -> Result<StoreOutcome, Error> {
        let mut lacking = Vec::new();
        for element in elements {
            let key = ItemKey::element(&element.key);
            let grave = ElementKey {
                kind: ElementKind::Ack,
                ..element.key
            };
            let is_buried = element.key.kind == ElementKind::Envelope
                && self.live(ItemKey::element(&grave))?.is_some();
            let held = self.live(key)?;
            let version = held.map(|held| version_of(element.key.kind, held));
            if !is_buried && version.is_none_or(|version| version < element.version) {
                lacking.push(*element);
            }
        }
        Ok(StoreOutcome::Lacking(lacking))
    }
}

const fn element(key: ElementKey, pointer: Pointer) -> Element {
    Element {
        key,
        expires: pointer.expires,
        version: version_of(key.kind, pointer),
    }
}

const fn version_of(kind: ElementKind, pointer: Pointer) -> u64 {
    match kind {
        ElementKind::Card => pointer.version,
        // What is there tells holders apart, and is nobody else's.
        _ => 0,
    }
}
