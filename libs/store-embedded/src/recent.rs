//! The values written last, by their revisions, so that what was just written is not read back from
//! the file. A revision is given once and its value never changes, so nothing here grows stale;
//! which revision a document has is for the index to say.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Bytes kept; the oldest go first.
const KEPT: usize = 8 << 20;
/// A larger value would push out too many.
const LARGEST: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Recent {
    values: BTreeMap<u64, Bytes>,
    weight: usize,
}

impl Recent {
    pub(crate) fn get(&self, revision: u64) -> Option<Bytes> {
        self.values.get(&revision).cloned()
    }

    pub(crate) fn keep(&mut self, revision: u64, value: Bytes) {
        if value.len() > LARGEST {
            return;
        }
        self.weight += value.len();
        self.values.insert(revision, value);
        while self.weight > KEPT {
            let Some((_, oldest)) = self.values.pop_first() else { return };
            self.weight -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_values_go_first_and_large_ones_are_not_kept() {
        let mut recent = Recent::default();
        let value = Bytes::from(vec![7; LARGEST]);
        let fit = u64::try_from(KEPT / LARGEST).unwrap();
        (1..=fit + 1).for_each(|revision| recent.keep(revision, value.clone()));
        assert_eq!(recent.get(1), None);
        assert_eq!(recent.get(2), Some(value.clone()));
        assert_eq!(recent.get(fit + 1), Some(value));
        recent.keep(fit + 2, Bytes::from(vec![7; LARGEST + 1]));
        assert_eq!(recent.get(fit + 2), None);
        assert!(recent.weight <= KEPT);
    }
}
