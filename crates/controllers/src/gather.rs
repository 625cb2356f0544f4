//! How long to wait for what belongs together.

use std::fmt::Debug;
use std::time::Duration;

use runtime::Queue;

/// Changes that follow one another within a time are reported once. Nobody waits for those in between when
/// much is going on, and nobody has to wait when nothing is: the time grows with the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gather {
    /// The wait when nothing else waits.
    pub(crate) idle: Duration,
    /// So much longer per waiting key.
    pub(crate) per_waiting: Duration,
    /// The longest wait.
    pub(crate) most: Duration,
}

impl Gather {
    /// The wait for a key that is put on a queue now.
    pub(crate) fn wait<K: Ord + Clone + Debug + Send + 'static>(&self, queue: &Queue<K>) -> Duration {
        self.after(queue.len())
    }

    fn after(&self, waiting: usize) -> Duration {
        let more = self.per_waiting.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
        self.idle.saturating_add(more).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_with_the_queue_and_has_an_end() {
        let ms = Duration::from_millis;
        let gather = Gather { idle: ms(5), per_waiting: ms(1), most: ms(50) };
        for (waiting, expected) in [(0, 5), (10, 15), (45, 50), (1_000_000, 50)] {
            assert_eq!(gather.after(waiting), ms(expected));
        }
    }
}
