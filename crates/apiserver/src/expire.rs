//! Events go an hour after they were last written, as nobody deletes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use store::Revision;

use crate::core::Core;

/// How long an event stays.
const LIFE: Duration = Duration::from_secs(3600);

/// How often old events are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// Which revisions were written before which time. Nothing of an event has to be read to know its age;
/// after a restart events live up to an hour longer.
#[derive(Debug, Default)]
struct Marks(VecDeque<(Duration, Revision)>);

impl Marks {
    /// Notes the newest revision at a time, and gives the one up to which everything is too old.
    fn mark(&mut self, now: Duration, revision: Revision) -> Revision {
        self.0.push_back((now, revision));
        let mut old = 0;
        while let Some((at, revision)) = self.0.front().copied() {
            if at + LIFE > now {
                break;
            }
            old = revision;
            self.0.pop_front();
        }
        old
    }
}

/// Deletes old events until shutdown.
pub(crate) async fn run(core: Arc<Core>) {
    let events = core.cache("", "events");
    let mut marks = Marks::default();
    while core.shutdown.or(tokio::time::sleep(EVERY)).await.is_some() {
        let old = marks.mark(core.clock.elapsed(), core.hub.revision());
        if old == 0 {
            continue;
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_an_hour_ago_is_too_old() {
        let mut marks = Marks::default();
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert_eq!(marks.mark(minutes(1), 10), 0);
        assert_eq!(marks.mark(minutes(2), 20), 0);
        assert_eq!(marks.mark(minutes(60), 30), 0);
        assert_eq!(marks.mark(minutes(61), 40), 10);
        assert_eq!(marks.mark(minutes(61), 40), 0, "already told");
        assert_eq!(marks.mark(minutes(200), 50), 40);
    }
}
