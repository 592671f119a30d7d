//! Values at numbered places that are used again, with keys that know when their value has gone.

/// Where a value is, and which of the values that were there in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Places that are made at a time: nothing is moved when there are more, and few stay empty.
const CHUNK: usize = 256;

/// A vector with holes; places are reused last in, first out, so that runs repeat.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
    live: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            live: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.live
    }

    /// Takes a value in and returns its key.
    ///
    /// # Panics
    ///
    /// At 2^32 values.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        self.live += 1;
        let value = Some(value);
        if let Some(index) = self.free.pop() {
            let slot = &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK];
            slot.value = value;
            let generation = slot.generation;
            return Key { index, generation };
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let index = u32::try_from(self.live - 1).expect("fewer than 2^32 values fit a memory");
        let generation = 0;
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Slot { generation, value });
        }
        Key { index, generation }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let index = key.index as usize;
        let slot = self.chunks.get(index / CHUNK)?.get(index % CHUNK)?;
        (slot.generation == key.generation)
            .then_some(slot.value.as_ref())
            .flatten()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slot_mut(key)?.value.as_mut()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_mut(key)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.live -= 1;
        Some(value)
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot<T>> {
        let index = key.index as usize;
        let slot = self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)?;
        (slot.generation == key.generation).then_some(slot)
    }
}

#[cfg(test)]
mod tests;
