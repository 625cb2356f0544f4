//! Work queues: which keys need a look, each of them once at a time.
//!
//! ```text
//!   add ──▶ waiting ── get ──▶ in work ── done ──▶ gone
//!              ▲                 │  │
//!   add_after ─┘ (when due)      │  └─ failed ──▶ delayed (doubling) ──▶ waiting
//!                                └─ added meanwhile ──▶ waiting again
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Shutdown, metrics, spawn};

/// Priority of keys that are looked at when nothing else waits, for example at an informer's start.
pub const LOW_PRIORITY: i32 = -100;

/// First wait after a failure; doubles up to [`RETRY_MAX`]. The same start as client-go's queues.
const RETRY_FIRST: Duration = Duration::from_millis(5);

/// Longest wait after a failure. client-go goes up to 1000 s; a minute costs little and users wait less.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A queue of distinct keys. Cheap to clone; clones are the same queue.
///
/// Keys are de-duplicated, so its length is bounded by the number of distinct objects.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<K> {
    name: &'static str,
    /// A plain lock: held for a few map operations, never across an await.
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    /// Waiting keys in the order they are handed out: priority, then first come.
    order: BTreeSet<(Reverse<i32>, u64, K)>,
    waiting: BTreeMap<K, (i32, u64)>,
    in_work: BTreeSet<K>,
    /// Keys added while in work, with their priority.
    again: BTreeMap<K, i32>,
    /// Keys that come due later, by time.
    delayed: BTreeSet<(Instant, K)>,
    due: BTreeMap<K, Instant>,
    failures: BTreeMap<K, u32>,
    sequence: u64,
}

/// What a successful look at a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more until something changes.
    Done,
    /// Another look after this time.
    After(Duration),
}

impl<K: Ord + Clone + fmt::Debug + Send + 'static> Queue<K> {
    /// An empty queue. The name stands in metrics and log lines.
    pub fn new(name: &'static str) -> Self {
        let state = State {
            order: BTreeSet::new(),
            waiting: BTreeMap::new(),
            in_work: BTreeSet::new(),
            again: BTreeMap::new(),
            delayed: BTreeSet::new(),
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
            sequence: 0,
        };
        Self { shared: Arc::new(Shared { name, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// The queue's name.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a key. Nothing happens when it already waits; when it is in work it is looked at again.
    pub fn add(&self, key: K) {
        self.add_with_priority(key, 0);
    }

    /// Adds a key with a priority; higher is handed out first. A waiting key keeps the higher of both.
    pub fn add_with_priority(&self, key: K, priority: i32) {
        metrics::QUEUE_ADDS.with_label_values(&[self.shared.name]).inc();
        let depth = {
            let mut state = self.state();
            state.put(key, priority);
            state.waiting.len()
        };
        self.set_depth(depth);
        self.shared.changed.notify_one();
    }

    /// Adds a key once some time has passed. Of several times for one key the earliest counts.
    pub fn add_after(&self, key: K, wait: Duration) {
        if wait.is_zero() {
            self.add(key);
            return;
        }
        let at = Instant::now() + wait;
        {
            let mut state = self.state();
            match state.due.get(&key).copied() {
                Some(earlier) if earlier <= at => return,
                Some(later) => {
                    state.delayed.remove(&(later, key.clone()));
                }
                None => {}
            }
            state.due.insert(key.clone(), at);
            state.delayed.insert((at, key));
        }
        self.shared.changed.notify_one();
    }

    /// Puts a key back after a failure, later with every failure in a row, and returns the wait.
    pub fn retry(&self, key: K) -> Duration {
        metrics::QUEUE_RETRIES.with_label_values(&[self.shared.name]).inc();
        let failures = {
            let mut state = self.state();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures = failures.saturating_add(1);
            *failures
        };
        let wait = RETRY_FIRST.saturating_mul(1 << (failures - 1).min(20)).min(RETRY_MAX);
        self.add_after(key, wait);
        wait
    }

    /// Forgets that a key has failed.
    pub fn forget(&self, key: &K) {
        self.state().failures.remove(key);
    }

    /// How many keys wait (delayed ones not counted).
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether no key waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing waits, is delayed or in work.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.in_work.is_empty() && state.delayed.is_empty()
    }

    /// Takes the next key, waiting for one. [`Queue::done`] must follow.
    pub async fn get(&self) -> K {
        loop {
            let (key, next_due, depth) = {
                let mut state = self.state();
                state.release_due(Instant::now());
                let key = state.take();
                (key, state.delayed.first().map(|(at, _)| *at), state.waiting.len())
            };
            if let Some(key) = key {
                self.set_depth(depth);
                if depth > 0 {
                    self.shared.changed.notify_one();
                }
                return key;
            }
            match next_due {
                Some(at) => tokio::select! {
                    () = self.shared.changed.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.shared.changed.notified().await,
            }
        }
    }

    /// Ends the work on a key; if it was added meanwhile it waits again.
    pub fn done(&self, key: &K) {
        let again = {
            let mut state = self.state();
            state.in_work.remove(key);
            let priority = state.again.remove(key);
            if let Some(priority) = priority {
                state.put(key.clone(), priority);
            }
            priority.is_some() || !state.delayed.is_empty()
        };
        if again {
            self.shared.changed.notify_one();
        }
    }

    fn set_depth(&self, depth: usize) {
        metrics::QUEUE_DEPTH
            .with_label_values(&[self.shared.name])
            .set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}

impl<K: Ord + Clone> State<K> {
    fn put(&mut self, key: K, priority: i32) {
        if self.in_work.contains(&key) {
            let again = self.again.entry(key).or_insert(priority);
            *again = priority.max(*again);
            return;
        }
        match self.waiting.get(&key).copied() {
            Some((old, _)) if old >= priority => return,
            Some((old, sequence)) => {
                self.order.remove(&(Reverse(old), sequence, key.clone()));
            }
            None => {}
        }
        self.sequence += 1;
        self.waiting.insert(key.clone(), (priority, self.sequence));
        self.order.insert((Reverse(priority), self.sequence, key));
    }

    fn release_due(&mut self, now: Instant) {
        while self.delayed.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.delayed.pop_first() else { return };
            self.due.remove(&key);
            self.put(key, 0);
        }
    }

    fn take(&mut self) -> Option<K> {
        let (_, _, key) = self.order.pop_first()?;
        self.waiting.remove(&key);
        self.in_work.insert(key.clone());
        Some(key)
    }
}

/// Works a queue off with `workers` tasks until shutdown, and lets keys in work finish.
///
/// Failures are logged with the whole chain of causes and tried again, later each time; a panic in a
/// reconcile counts as a failure of that key and ends nothing else.
pub async fn run<K, F, Fut, E>(queue: &Queue<K>, workers: usize, shutdown: &Shutdown, reconcile: F)
where
    K: Ord + Clone + fmt::Debug + Send + Sync + 'static,
    F: Fn(K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Outcome, E>> + Send,
    E: std::error::Error + Send,
{
    let tasks: Vec<_> = (0..workers.max(1))
        .map(|_| {
            let (queue, shutdown, reconcile) = (queue.clone(), shutdown.clone(), reconcile.clone());
            spawn(queue.name(), async move {
                while let Some(key) = shutdown.or(queue.get()).await {
                    look(&queue, key, &reconcile).await;
                }
            })
        })
        .collect();
    for task in tasks {
        // The task's own panics are caught inside; all that can fail here is a task cancelled with the runtime.
        let _ = task.await;
    }
}

async fn look<K, F, Fut, E>(queue: &Queue<K>, key: K, reconcile: &F)
where
    K: Ord + Clone + fmt::Debug + Send + Sync + 'static,
    F: Fn(K) -> Fut,
    Fut: Future<Output = Result<Outcome, E>>,
    E: std::error::Error,
{
    let name = queue.name();
    let timer = metrics::RECONCILE_SECONDS.with_label_values(&[name]).start_timer();
    let result = AssertUnwindSafe(reconcile(key.clone())).catch_unwind().await;
    timer.observe_duration();
    let label = match result {
        Ok(Ok(Outcome::Done)) => {
            queue.forget(&key);
            "success"
        }
        Ok(Ok(Outcome::After(wait))) => {
            queue.forget(&key);
            queue.add_after(key.clone(), wait);
            "requeue_after"
        }
        Ok(Err(error)) => {
            let wait = queue.retry(key.clone());
            tracing::debug!(controller = name, ?key, error = %chain(&error), ?wait, "reconcile failed, will try again");
            "error"
        }
        Err(_) => {
            let wait = queue.retry(key.clone());
            tracing::error!(controller = name, ?key, ?wait, "reconcile panicked, will try again");
            "error"
        }
    };
    queue.done(&key);
    metrics::RECONCILES.with_label_values(&[name, label]).inc();
    if label == "error" {
        metrics::RECONCILE_ERRORS.with_label_values(&[name]).inc();
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_is_worked_on_by_one_at_a_time() {
        let queue = Queue::new("test");
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.len(), 1);
        let key = queue.get().await;
        queue.add("a");
        assert_eq!(queue.len(), 0, "it is in work");
        queue.done(&key);
        assert_eq!(queue.get().await, "a", "it was added while in work");
    }

    #[tokio::test(start_paused = true)]
    async fn higher_priority_comes_first_then_first_come() {
        let queue = Queue::new("test");
        queue.add_with_priority("old", LOW_PRIORITY);
        queue.add("first");
        queue.add("second");
        queue.add("old");
        let mut order = Vec::new();
        for _ in 0..3 {
            order.push(queue.get().await);
        }
        assert_eq!(order, ["first", "second", "old"]);
    }

    #[tokio::test(start_paused = true)]
    async fn delayed_keys_come_when_due_the_earliest_time_counts() {
        let queue = Queue::new("test");
        let start = Instant::now();
        queue.add_after("late", Duration::from_secs(9));
        queue.add_after("soon", Duration::from_secs(60));
        queue.add_after("soon", Duration::from_secs(2));
        assert_eq!(queue.get().await, "soon");
        assert_eq!(start.elapsed().as_secs(), 2);
        assert_eq!(queue.get().await, "late");
        assert_eq!(start.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_success_forgets_them() {
        let queue = Queue::new("test");
        let waits: Vec<u128> = (0..4).map(|_| queue.retry("a").as_millis()).collect();
        assert_eq!(waits, [5, 10, 20, 40]);
        for _ in 0..40 {
            queue.retry("a");
        }
        assert_eq!(queue.retry("a"), RETRY_MAX);
        queue.forget(&"a");
        assert_eq!(queue.retry("a").as_millis(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_costs_one_try_of_one_key() {
        let queue = Queue::new("test");
        let shutdown = Shutdown::new();
        let (seen, mut sees) = tokio::sync::mpsc::channel(8);
        queue.add(1);
        queue.add(2);
        let stop = shutdown.clone();
        let worked = queue.clone();
        let running = spawn("test", async move {
            let first = Arc::new(Mutex::new(true));
            run(&worked, 2, &stop, move |key: i32| {
                let (seen, first) = (seen.clone(), Arc::clone(&first));
                async move {
                    let is_first = key == 1 && std::mem::take(&mut *first.lock().unwrap());
                    assert!(!is_first, "the reconcile of 1 breaks once");
                    seen.send(key).await.unwrap();
                    Ok::<_, std::fmt::Error>(Outcome::Done)
                }
            })
            .await;
        });
        let mut keys = [sees.recv().await.unwrap(), sees.recv().await.unwrap()];
        keys.sort_unstable();
        assert_eq!(keys, [1, 2]);
        shutdown.request();
        running.await.unwrap();
    }
}
