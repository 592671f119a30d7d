//! Keys lead to their own values only.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_slab_is_a_map_whose_keys_are_never_given_twice(
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..300),
    ) {
        let (mut slab, mut model, mut gone) = (Slab::new(), BTreeMap::new(), Vec::new());
        for (number, (insert, index)) in steps.into_iter().enumerate() {
            if insert || model.is_empty() {
                let key = slab.insert(number);
                prop_assert!(!gone.contains(&key));
                prop_assert_eq!(model.insert(key, number), None);
            } else {
                let key = *index.get(&model.keys().copied().collect::<Vec<_>>());
                prop_assert_eq!(slab.remove(key), model.remove(&key));
                prop_assert_eq!(slab.remove(key), None);
                gone.push(key);
            }
        }
        prop_assert_eq!(slab.len(), model.len());
        for (key, number) in &mut model {
            prop_assert_eq!(slab.get(*key), Some(&*number));
            prop_assert_eq!(slab.get_mut(*key), Some(number));
        }
        prop_assert!(gone.iter().all(|&key| slab.get(key).is_none()));
    }
}
