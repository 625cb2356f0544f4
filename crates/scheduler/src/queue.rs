//! Which binding is scheduled next.
//!
//! ```text
//!             push ──▶ active ── next ──▶ in work ── settled ──────▶ gone
//!                       ▲ ▲ ▲              │   │ ├── no cluster fits ─▶ unfit: until pushed
//!        after 1 s … 10 s │ │   pushed ────┘   │ └── no room ──▶ unschedulable
//!            backoff ─────┘ │   meanwhile      │                      │
//!               ▲           └────────────────── after 5 min ──────────┘
//!               └────────────────────── failed ┘
//! ```
//!
//! A binding is in one place at a time, and in work at most once. Pushing it moves it to the active
//! ones from wherever it waits; those without room are also pushed when a cluster reports more room, and those
//! that found no cluster when a cluster serves other kinds.
//!
//! Without priorities ([`Pace::Fifo`]) it is first come, first served, and failures come back at the pace of a
//! rate-limited work queue.
//!
//! Upstream: [`pkg/scheduler/internal/queue`](https://github.com/karmada-io/karmada/tree/master/pkg/scheduler/internal/queue).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machinery::ObjectKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{RateLimits, metrics};

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
    /// No cluster fits; to be tried again when something changes.
    Unfit,
    /// No room; to be tried again when something changes, or after a long while.
    Unschedulable,
    /// To be tried again soon.
    Retry,
}

/// How failed bindings come back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Pace {
    /// After 1 s, doubled up to 10 s; without room after 5 min.
    #[default]
    Priority,
    /// After a wait that doubles, and not more of them per second than the bucket lets through.
    Fifo(RateLimits),
}

/// Hands out waits so that no more than so many per second end, after a first burst.
#[derive(Debug, Default)]
struct Bucket {
    /// When the bucket is full again.
    full: Option<Instant>,
}

impl Bucket {
    fn wait(&mut self, limits: &RateLimits, now: Instant) -> Duration {
        if limits.qps == 0 {
            return Duration::ZERO;
        }
        let interval = Duration::from_secs(1) / limits.qps;
        let full = self.full.map_or(now, |full| full.max(now));
        self.full = Some(full + interval);
        (full - now).saturating_sub(interval * limits.bucket_size.saturating_sub(1))
    }
}

/// The bindings that wait, as a value: time is handed in.
#[derive(Debug, Default)]
struct Waiting {
    pace: Pace,
    bucket: Bucket,
    /// Order in which bindings are handed out: priority, then first come.
    active: BTreeSet<(Reverse<i32>, u64, ObjectKey)>,
    places: BTreeMap<ObjectKey, (i32, u64)>,
    in_work: BTreeMap<ObjectKey, i32>,
    /// Pushed while in work, with their priority.
    again: BTreeMap<ObjectKey, i32>,
    backoff: BTreeMap<ObjectKey, Delayed>,
    unschedulable: BTreeMap<ObjectKey, Delayed>,
    /// Bindings that no cluster fits.
    unfit: BTreeSet<ObjectKey>,
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
        self.unfit.remove(key);
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
            Verdict::Settled | Verdict::Unfit => {
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
        let place = match verdict {
            Verdict::Settled => return,
            Verdict::Unfit => {
                self.unfit.insert(key.clone());
                return;
            }
            Verdict::Unschedulable => &mut self.unschedulable,
            Verdict::Retry => &mut self.backoff,
        };
        let wait = match &self.pace {
            Pace::Priority if verdict == Verdict::Unschedulable => UNSCHEDULABLE_WAIT,
            Pace::Priority => doubled(BACKOFF_FIRST, failures, BACKOFF_MAX),
            Pace::Fifo(limits) => {
                let wait = doubled(limits.base_delay, failures, limits.max_delay);
                wait.max(self.bucket.wait(limits, now))
            }
        };
        let until = now + wait;
        place.insert(key.clone(), Delayed { priority, until });
        self.due.insert((until, key.clone()));
    }

    fn count(&self) {
        let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        metrics::PENDING.active.set(count(self.active.len()));
        metrics::PENDING.backoff.set(count(self.backoff.len()));
        metrics::PENDING.unschedulable.set(count(self.unschedulable.len()));
    }
}

/// The wait after so many failures in a row, the first of which waits `first`.
fn doubled(first: Duration, failures: u32, max: Duration) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(max)
}

/// The queue that workers share.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// A plain lock: held for a few map operations, never across an await.
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(pace: Pace) -> Self {
        Self { waiting: Mutex::new(Waiting { pace, ..Waiting::default() }), changed: Notify::new() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a binding active. Its priority is what it is now, not what it was.
    pub(crate) fn push(&self, key: ObjectKey, priority: i32, event: metrics::Incoming) {
        metrics::INCOMING.counter(event).inc();
        {
            let mut waiting = self.waiting();
            waiting.push(key, priority);
            waiting.count();
        }
        self.changed.notify_one();
    }

    /// The bindings that found no room, and those in work, which may be about to.
    pub(crate) fn unschedulable(&self) -> Vec<ObjectKey> {
        let waiting = self.waiting();
        waiting.unschedulable.keys().chain(waiting.in_work.keys()).cloned().collect()
    }

    /// The bindings that no cluster fits.
    pub(crate) fn unfit(&self) -> Vec<ObjectKey> {
        self.waiting().unfit.iter().cloned().collect()
    }

    /// Forgets a binding that is gone.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.waiting().unfit.remove(key);
    }

    /// Takes the next binding if there is one. [`Queue::finish`] must follow.
    pub(crate) fn try_next(&self) -> Option<ObjectKey> {
        let mut waiting = self.waiting();
        let key = waiting.take(Instant::now());
        waiting.count();
        key
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
        if matches!(verdict, Verdict::Retry | Verdict::Unschedulable) {
            metrics::INCOMING.counter(metrics::Incoming::ScheduleAttemptFailure).inc();
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

    #[test]
    fn a_binding_that_no_cluster_fits_waits_until_it_is_pushed() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 0);
        assert_eq!(take(&mut waiting, now), "a");
        waiting.finish(&key("a"), Verdict::Unfit, now);
        assert_eq!(take(&mut waiting, now + UNSCHEDULABLE_WAIT * 9), "-");
        assert_eq!(waiting.unfit.len(), 1);
        waiting.push(key("a"), 0);
        assert!(waiting.unfit.is_empty());
        assert_eq!(take(&mut waiting, now), "a");
    }

    #[test]
    fn a_binding_pushed_while_in_work_is_not_left_among_the_unfit() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(key("a"), 0);
        assert_eq!(take(&mut waiting, now), "a");
        waiting.push(key("a"), 0);
        waiting.finish(&key("a"), Verdict::Unfit, now);
        assert_eq!(take(&mut waiting, now), "a");
        assert!(waiting.unfit.is_empty());
    }

    #[test]
    fn without_priorities_it_is_first_come_and_every_failure_waits_longer() {
        let limits = RateLimits { qps: 0, ..RateLimits::default() };
        let mut waiting = Waiting { pace: Pace::Fifo(limits), ..Waiting::default() };
        let mut now = Instant::now();
        for name in ["b", "a", "c"] {
            waiting.push(key(name), 0);
        }
        assert_eq!(
            [take(&mut waiting, now), take(&mut waiting, now), take(&mut waiting, now)],
            ["b", "a", "c"]
        );
        waiting.finish(&key("a"), Verdict::Settled, now);
        waiting.finish(&key("c"), Verdict::Settled, now);
        for (verdict, millis) in [
            (Verdict::Retry, 5),
            (Verdict::Unschedulable, 10),
            (Verdict::Retry, 20),
            (Verdict::Unschedulable, 40),
        ] {
            waiting.finish(&key("b"), verdict, now);
            now += Duration::from_millis(millis - 1);
            assert_eq!(take(&mut waiting, now), "-", "{millis} ms are not over");
            now += Duration::from_millis(1);
            assert_eq!(take(&mut waiting, now), "b");
        }
        assert_eq!(doubled(limits.base_delay, 99, limits.max_delay), limits.max_delay);
    }

    #[test]
    fn the_bucket_lets_a_burst_through_and_then_so_many_per_second() {
        let limits = RateLimits { qps: 10, bucket_size: 3, ..RateLimits::default() };
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        let waits: Vec<u128> = (0..5).map(|_| bucket.wait(&limits, now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        let later = now + Duration::from_secs(60);
        assert_eq!(bucket.wait(&limits, later), Duration::ZERO, "it fills up again");
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
