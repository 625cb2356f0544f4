//! What goes with time: events an hour after they were last written, as nobody deletes them, and the store's
//! history after five minutes, so that chunked lists and old versions end the same way on a quiet server as on a
//! busy one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::Revision;

use crate::core::Core;

/// How long an event stays.
const LIFE: Duration = Duration::from_secs(3600);

/// How long the past can be read: the compaction interval of a Kubernetes API server.
const HISTORY: Duration = Duration::from_secs(300);

/// How often old events and old history are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// Which revisions were written before which time. Nothing of an event has to be read to know its age;
/// after a restart events live up to an hour longer.
#[derive(Debug)]
struct Marks {
    life: Duration,
    taken: VecDeque<(Duration, Revision)>,
}

impl Marks {
    fn new(life: Duration) -> Self {
        Self { life, taken: VecDeque::new() }
    }

    /// Notes the newest revision at a time, and gives the one up to which everything is too old.
    fn mark(&mut self, now: Duration, revision: Revision) -> Revision {
        self.taken.push_back((now, revision));
        let mut old = 0;
        while let Some((at, revision)) = self.taken.front().copied() {
            if at + self.life > now {
                break;
            }
            old = revision;
            self.taken.pop_front();
        }
        old
    }
}

/// Deletes old events and forgets old history until shutdown.
pub(crate) async fn run(core: Arc<Core>) {
    let (mut events, mut history) = (Marks::new(LIFE), Marks::new(HISTORY));
    while core.shutdown.or(tokio::time::sleep(EVERY)).await.is_some() {
        let (now, revision) = (core.clock.elapsed(), core.hub.revision());
        delete_events(&core, events.mark(now, revision)).await;
        forget(&core, history.mark(now, revision)).await;
    }
}

async fn forget(core: &Core, old: Revision) {
    if old == 0 {
        return;
    }
    match core.store.compact(old).await {
        Ok(()) => {
            core.forgotten.fetch_max(old, Ordering::Relaxed);
        }
        Err(error) => tracing::warn!(%error, "could not forget old history"),
    }
}

async fn delete_events(core: &Core, old: Revision) {
    if old == 0 {
        return;
    }
    let events = core.cache("", "events");
    for entry in events.list(&events.prefix, None).0.iter().filter(|e| e.revision <= old) {
        // One that was written meanwhile is young again.
        if let Err(error) = core.store.delete(&entry.key, entry.revision).await
            && !matches!(error, store::Error::Unexpected { .. })
        {
            tracing::warn!(%error, "could not delete an old event");
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_an_hour_ago_is_too_old() {
        let mut marks = Marks::new(LIFE);
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert_eq!(marks.mark(minutes(1), 10), 0);
        assert_eq!(marks.mark(minutes(2), 20), 0);
        assert_eq!(marks.mark(minutes(60), 30), 0);
        assert_eq!(marks.mark(minutes(61), 40), 10);
        assert_eq!(marks.mark(minutes(61), 40), 0, "already told");
        assert_eq!(marks.mark(minutes(200), 50), 40);
    }
}
