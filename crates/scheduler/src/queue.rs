//! Which binding is scheduled next.
//!
//! ```text
//!             push ──▶ active ── next ──▶ in work ── settled ──────▶ gone
//!                       ▲ ▲ ▲              │   │ │
//!        after 1 s … 10 s │ │   pushed ────┘   │ └─ no room ──▶ unschedulable
//!            backoff ─────┘ │   meanwhile      │                     │
//!               ▲           └────────────────── after 5 min ─────────┘
//!               └────────────────────── failed ┘
//! ```
//!
//! A binding is in one place at a time, and in work at most once. Pushing it moves it to the active
//! ones from wherever it waits; those without room are also pushed when a cluster reports more room.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machinery::ObjectKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics;

/// First and longest wait after a failure. Upstream's.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// How long a binding without room waits when nothing that concerns it changes. Upstream's.
const UNSCHEDULABLE_WAIT: Duration = Duration::from_secs(300);

/// What became of a binding that was in work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing more to do until something changes.
    Settled,
    /// No room; to be tried again when something changes, or after a long while.
    Unschedulable,
    /// To be tried again soon.
    Retry,
}

/// The bindings that wait, as a value: time is handed in.
#[derive(Debug, Default)]
struct Waiting {
    /// Order in which bindings are handed out: priority, then first come.
    active: BTreeSet<(Reverse<i32>, u64, ObjectKey)>,
    places: BTreeMap<ObjectKey, (i32, u64)>,
    in_work: BTreeMap<ObjectKey, i32>,
    /// Pushed while in work, with their priority.
    again: BTreeMap<ObjectKey, i32>,
    backoff: BTreeMap<ObjectKey, Delayed>,
    unschedulable: BTreeMap<ObjectKey, Delayed>,
    /// When which of the delayed comes due.
    due: BTreeSet<(Instant, ObjectKey)>,
    failures: BTreeMap<ObjectKey, u32>,
    arrivals: u64,
}

#[derive(Debug, Clone, Copy)]
struct Delayed {
    priority: i32,
    until: Instant,
}

impl Waiting {
    fn push(&mut self, key: ObjectKey, priority: i32) {
        if self.in_work.contains_key(&key) {
            self.again.insert(key, priority);
            return;
        }
        self.forget_delay(&key);
        match self.places.get(&key).copied() {
            Some((known, _)) if known == priority => return,
            Some((known, arrival)) => {
                self.active.remove(&(Reverse(known), arrival, key.clone()));
            }
            None => {}
        }
        self.arrivals += 1;
        self.places.insert(key.clone(), (priority, self.arrivals));
        self.active.insert((Reverse(priority), self.arrivals, key));
    }

    fn forget_delay(&mut self, key: &ObjectKey) {
        for delayed in [self.backoff.remove(key), self.unschedulable.remove(key)].into_iter().flatten() {
            self.due.remove(&(delayed.until, key.clone()));
        }
    }

    /// Moves what is due to the active ones and takes the first of them.
    fn take(&mut self, now: Instant) -> Option<ObjectKey> {
        while self.due.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.due.pop_first() else { break };
            let delayed = self.backoff.get(&key).or_else(|| self.unschedulable.get(&key)).copied();
            if let Some(delayed) = delayed {
                self.push(key, delayed.priority);
            }
        }
        let (Reverse(priority), _, key) = self.active.pop_first()?;
        self.places.remove(&key);
        self.in_work.insert(key.clone(), priority);
        Some(key)
    }

    fn finish(&mut self, key: &ObjectKey, verdict: Verdict, now: Instant) {
        let Some(priority) = self.in_work.remove(key) else { return };
        let failures = match verdict {
            Verdict::Settled => {
                self.failures.remove(key);
                0
            }
            Verdict::Retry | Verdict::Unschedulable => {
                let failures = self.failures.entry(key.clone()).or_insert(0);
                *failures = failures.saturating_add(1);
                *failures
            }
        };
        if let Some(priority) = self.again.remove(key) {
            self.push(key.clone(), priority);
            return;
        }
        let (place, wait) = match verdict {
            Verdict::Settled => return,
            Verdict::Unschedulable => (&mut self.unschedulable, UNSCHEDULABLE_WAIT),
            Verdict::Retry => {
                let doubled = BACKOFF_FIRST.saturating_mul(1 << (failures - 1).min(10));
                (&mut self.backoff, doubled.min(BACKOFF_MAX))
            }
        };
        let until = now + wait;
        place.insert(key.clone(), Delayed { priority, until });
        self.due.insert((until, key.clone()));
    }

    fn count(&self) {
        let counts = [
            ("active", self.active.len()),
            ("backoff", self.backoff.len()),
            ("unschedulable", self.unschedulable.len()),
        ];
        for (queue, count) in counts {
            metrics::PENDING.with_label_values(&[queue]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// The queue that workers share.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// A plain lock: held for a few map operations, never across an await.
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a binding active. Its priority is what it is now, not what it was.
    pub(crate) fn push(&self, key: ObjectKey, priority: i32, event: metrics::Incoming) {
        metrics::INCOMING.with_label_values(&[event.name()]).inc();
        {
            let mut waiting = self.waiting();
            waiting.push(key, priority);
            waiting.count();
        }
        self.changed.notify_one();
    }

    /// The bindings that found no room.
    pub(crate) fn unschedulable(&self) -> Vec<ObjectKey> {
        self.waiting().unschedulable.keys().cloned().collect()
    }

    /// Takes the next binding, waiting for one. [`Queue::finish`] must follow.
    pub(crate) async fn next(&self) -> ObjectKey {
        loop {
            let (key, more, due) = {
                let mut waiting = self.waiting();
                let key = waiting.take(Instant::now());
                waiting.count();
                (key, !waiting.active.is_empty(), waiting.due.first().map(|(until, _)| *until))
            };
            if let Some(key) = key {
                if more {
                    self.changed.notify_one();
                }
                return key;
            }
            match due {
                Some(until) => tokio::select! {
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// Ends the work on a binding.
    pub(crate) fn finish(&self, key: &ObjectKey, verdict: Verdict) {
        {
            let mut waiting = self.waiting();
            waiting.finish(key, verdict, Instant::now());
            waiting.count();
        }
        if verdict == Verdict::Retry {
            metrics::INCOMING.with_label_values(&[metrics::Incoming::ScheduleAttemptFailure.name()]).inc();
        }
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ns", name)
    }

    fn take(waiting: &mut Waiting, now: Instant) -> String {
        waiting.take(now).map_or_else(|| "-".to_owned(), |k| k.name)
    }

    #[test]
    fn high_priority_first_then_first_come() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for (name, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)] {
            waiting.push(key(name), priority);
        }
        let order: Vec<String> = (0..6).map(|_| take(&mut waiting, now)).collect();
        assert_eq!(order, ["b", "d", "a", "c", "e", "-"]);
    }

    #[test]
    fn a_binding_waits_once_and_takes_its_latest_priority() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 0);
        waiting.push(key("b"), 0);
        waiting.push(key("a"), 0);
        waiting.push(key("b"), 9);
        assert_eq!(
            [take(&mut waiting, now), take(&mut waiting, now), take(&mut waiting, now)],
            ["b", "a", "-"]
        );
    }

    #[test]
    fn a_binding_in_work_is_not_handed_out_again_until_it_is_finished() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 0);
        assert_eq!(take(&mut waiting, now), "a");
        waiting.push(key("a"), 0);
        assert_eq!(take(&mut waiting, now), "-");
        waiting.finish(&key("a"), Verdict::Retry, now);
        assert_eq!(take(&mut waiting, now), "a", "pushed meanwhile: no waiting");
        waiting.finish(&key("a"), Verdict::Settled, now);
        assert_eq!(take(&mut waiting, now), "-");
    }

    #[test]
    fn failures_wait_longer_each_time() {
        let (mut waiting, mut now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 3);
        for secs in [1, 2, 4, 8, 10, 10] {
            assert_eq!(take(&mut waiting, now), "a");
            waiting.finish(&key("a"), Verdict::Retry, now);
            now += Duration::from_secs(secs) - Duration::from_millis(1);
            assert_eq!(take(&mut waiting, now), "-", "{secs} s are not over");
            now += Duration::from_millis(1);
        }
        assert_eq!(take(&mut waiting, now), "a");
        waiting.finish(&key("a"), Verdict::Settled, now);
        waiting.push(key("a"), 3);
        assert_eq!(take(&mut waiting, now), "a");
        waiting.finish(&key("a"), Verdict::Retry, now);
        assert_eq!(take(&mut waiting, now + BACKOFF_FIRST), "a", "success starts over");
    }

    #[test]
    fn without_room_a_binding_waits_for_a_change_or_five_minutes() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 0);
        assert_eq!(take(&mut waiting, now), "a");
        waiting.finish(&key("a"), Verdict::Unschedulable, now);
        assert_eq!(take(&mut waiting, now + Duration::from_secs(299)), "-");
        waiting.push(key("a"), 0);
        assert!(waiting.unschedulable.is_empty());
        assert_eq!(take(&mut waiting, now), "a");
        waiting.finish(&key("a"), Verdict::Unschedulable, now);
        assert_eq!(take(&mut waiting, now + UNSCHEDULABLE_WAIT), "a");
        assert_eq!(take(&mut waiting, now + UNSCHEDULABLE_WAIT * 9), "-", "nothing comes due twice");
    }

    #[tokio::test(start_paused = true)]
    async fn workers_are_woken_by_what_is_pushed_and_by_what_comes_due() {
        let queue = Queue::default();
        queue.push(key("a"), 0, metrics::Incoming::BindingAdd);
        assert_eq!(queue.next().await, key("a"));
        queue.finish(&key("a"), Verdict::Retry);
        let began = Instant::now();
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(began.elapsed().as_secs(), BACKOFF_FIRST.as_secs());
        queue.finish(&key("a"), Verdict::Settled);
        let later = async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            queue.push(key("b"), 0, metrics::Incoming::BindingUpdate);
        };
        let (next, ()) = tokio::join!(queue.next(), later);
        assert_eq!(next, key("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_push_of_many_reaches_every_idle_worker() {
        let queue = std::sync::Arc::new(Queue::default());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let queue = std::sync::Arc::clone(&queue);
                runtime::spawn("test", async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        for name in ["a", "b", "c", "d"] {
            queue.push(key(name), 0, metrics::Incoming::BindingAdd);
        }
        let mut taken = Vec::new();
        for worker in workers {
            taken.push(tokio::time::timeout(Duration::from_secs(1), worker).await.unwrap().unwrap().name);
        }
        taken.sort();
        assert_eq!(taken, ["a", "b", "c", "d"]);
    }
}
