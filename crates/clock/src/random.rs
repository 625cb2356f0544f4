//! Random numbers and ids, from the machine or from a seed.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// The letters of generated name suffixes: no vowels and no look-alikes, so that no words appear.
/// Same alphabet as <https://pkg.go.dev/k8s.io/apimachinery/pkg/util/rand>.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A source of random numbers. Clones of a seeded one continue the same sequence.
#[derive(Clone)]
pub struct Random(Option<Arc<Mutex<StdRng>>>);

impl Random {
    /// The machine's randomness, fit for secrets.
    pub fn system() -> Self {
        Self(None)
    }

    /// The same numbers every time for the same seed. Never for secrets.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    fn with<T>(&self, f: impl FnOnce(&mut dyn RngCore) -> T) -> T {
        match &self.0 {
            Some(seeded) => f(&mut *seeded.lock().unwrap_or_else(PoisonError::into_inner)),
            None => f(&mut rand::rng()),
        }
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        self.with(|rng| rng.next_u64())
    }

    /// A number in the range, evenly spread. An empty range gives its start.
    pub fn within(&self, range: Range<u64>) -> u64 {
        if range.is_empty() { range.start } else { self.with(|rng| rng.random_range(range)) }
    }

    /// An index below `n`, evenly spread; 0 when `n` is 0.
    pub fn below(&self, n: usize) -> usize {
        if n == 0 { 0 } else { self.with(|rng| rng.random_range(0..n)) }
    }

    /// A number from 0 (included) to 1 (excluded), evenly spread.
    pub fn fraction(&self) -> f64 {
        self.with(|rng| rng.random())
    }

    /// True with this probability (0 never, 1 always; values outside are taken as the nearer one).
    pub fn chance(&self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// One of the items, or nothing when there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Brings the items into any order, each order equally likely.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Fills a buffer.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(buffer));
    }

    /// A suffix for a generated object name, for example `x7k2p`.
    pub fn name_suffix(&self, length: usize) -> String {
        (0..length).map(|_| char::from(NAME_LETTERS[self.below(NAME_LETTERS.len())])).collect()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Random(seeded)" } else { "Random(system)" })
    }
}

/// A source of unique ids. Clones of a seeded one continue the same sequence.
#[derive(Debug, Clone)]
pub struct Ids(Random);

impl Ids {
    /// Ids from the machine's randomness.
    pub fn system() -> Self {
        Self(Random::system())
    }

    /// The same ids every time for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Random::seeded(seed))
    }

    /// A new uid: a version 4 UUID in its usual text form.
    pub fn uid(&self) -> String {
        let mut bytes = [0; 16];
        self.0.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A suffix for a generated object name, five letters as Kubernetes has it.
    pub fn name_suffix(&self) -> String {
        self.0.name_suffix(5)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_seed_gives_others() {
        let uids = |seed| {
            let ids = Ids::seeded(seed);
            (0..10).map(|_| ids.uid()).collect::<Vec<_>>()
        };
        assert_eq!(uids(7), uids(7));
        assert_ne!(uids(7), uids(8));
    }

    #[test]
    fn a_clone_continues_the_sequence_of_its_original() {
        let ids = Ids::seeded(1);
        assert_ne!(ids.clone().uid(), ids.uid());
    }

    #[test]
    fn uids_are_version_4_uuids_and_differ() {
        let ids = Ids::system();
        let uids: BTreeSet<String> = (0..100).map(|_| ids.uid()).collect();
        assert_eq!(uids.len(), 100);
        assert!(uids.iter().all(|uid| uuid::Uuid::parse_str(uid).unwrap().get_version_num() == 4));
    }

    #[test]
    fn suffixes_use_only_their_alphabet() {
        let suffix = Random::seeded(3).name_suffix(200);
        assert_eq!(suffix.len(), 200);
        assert!(suffix.bytes().all(|b| NAME_LETTERS.contains(&b)));
    }

    #[test]
    fn empty_choices_have_answers() {
        let random = Random::seeded(1);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.within(4..4), 4);
        assert_eq!(random.pick::<u8>(&[]), None);
        assert!(!random.chance(0.0));
        assert!(random.chance(1.0));
    }

    #[test]
    fn shuffling_keeps_every_item() {
        for seed in 0..50 {
            let mut items: Vec<u32> = (0..20).collect();
            Random::seeded(seed).shuffle(&mut items);
            items.sort_unstable();
            assert_eq!(items, (0..20).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}
