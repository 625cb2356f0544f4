//! Group commit: one thread takes all writes that wait, makes them durable together, then answers.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot};

use super::core::{Core, Write};
use super::log::Log;
use super::{Options, snapshot};
use crate::{Error, Revision};

/// Writes made durable together at most. Past some hundreds the sync no longer dominates.
const BATCH_WRITES: usize = 512;
/// Bytes made durable together, except that one larger write goes alone: bounds the frame in memory
/// and the time one batch takes.
const BATCH_BYTES: usize = 8 << 20;

/// A write and where its answer goes.
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<Result<Revision, Error>>,
}

/// Writes that wait for the committer. Bounded; closing it lets nobody wait forever, whatever thread
/// they wait on.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    /// A queue for this many requests.
    pub(super) fn new(bound: usize) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), room: Semaphore::new(bound) }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a write, once there is room, and waits for its answer.
    pub(super) async fn ask(&self, write: Write) -> Result<Revision, Error> {
        // The committer gives the room back.
        self.room.acquire().await.map_err(|_| Error::Closed)?.forget();
        let (answer, answered) = oneshot::channel();
        self.push(Request { write, answer })?;
        answered.await.map_err(|_| Error::Closed)?
    }

    fn push(&self, request: Request) -> Result<(), Error> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Error::Closed);
        }
        waiting.requests.push_back(request);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes no more requests; those already queued are served.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.filled.notify_one();
    }

    /// The next requests to commit together, at least one; none when closed and empty. Blocks.
    fn next_batch(&self) -> Vec<Request> {
        let waiting = self.lock();
        let mut waiting = self
            .filled
            .wait_while(waiting, |waiting| waiting.requests.is_empty() && !waiting.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < BATCH_WRITES
            && let Some(request) = waiting.requests.front()
            && (batch.is_empty() || bytes + request.write.size() <= BATCH_BYTES)
        {
            bytes += request.write.size();
            batch.extend(waiting.requests.pop_front());
        }
        drop(waiting);
        self.room.add_permits(batch.len());
        batch
    }
}

pub(super) struct Committer {
    pub(super) core: Arc<Core>,
    pub(super) log: Log,
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) snapshot: Option<Snapshotting>,
}

/// A snapshot being taken on its own thread.
pub(super) struct Snapshotting {
    thread: JoinHandle<()>,
    abort: Arc<AtomicBool>,
}

impl Committer {
    /// Serves requests until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        loop {
            let batch = queue.next_batch();
            if batch.is_empty() {
                break;
            }
            self.commit(batch);
            self.snapshot_when_due();
        }
        if let Some(Snapshotting { thread, abort }) = self.snapshot.take() {
            abort.store(true, Ordering::Relaxed);
            // A snapshot that panicked has said so; the log is complete without it.
            let _ = thread.join();
        }
    }

    fn commit(&mut self, batch: Vec<Request>) {
        let (writes, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|r| (r.write, r.answer)).unzip();
        let plan = self.core.plan(writes);
        let durable = if plan.events.is_empty() { Ok(()) } else { self.log.append(&plan.events) };
        if let Err(error) = durable {
            // Also those that were refused: the refusal may rest on a write that did not happen.
            tracing::error!("{error}");
            for answer in answers {
                let _ = answer.send(Err(Error::Engine(error.to_string())));
            }
            return;
        }
        self.core.apply(plan.events);
        for (answer, result) in answers.into_iter().zip(plan.answers) {
            // Whoever asked may have gone away; the write stands.
            let _ = answer.send(result);
        }
    }

    fn snapshot_when_due(&mut self) {
        if self.log.grown() < self.options.snapshot_bytes.max(self.core.live_bytes()) {
            return;
        }
        if self.snapshot.as_ref().is_some_and(|running| !running.thread.is_finished()) {
            return;
        }
        self.log.set_grown(0);
        let start = self.core.revision();
        if let Err(error) = self.log.rotate(start + 1) {
            tracing::warn!("no snapshot could be begun: {error}");
            return;
        }
        let (core, dir) = (self.core.clone(), self.dir.clone());
        let abort = Arc::new(AtomicBool::new(false));
        let aborted = abort.clone();
        let work = move || {
            if let Err(error) = snapshot::take(&core, &dir, start, &aborted) {
                tracing::warn!("no snapshot could be taken, the log stays longer: {error}");
            }
        };
        match std::thread::Builder::new().name("store-snapshot".into()).spawn(work) {
            Ok(thread) => self.snapshot = Some(Snapshotting { thread, abort }),
            Err(error) => tracing::warn!("no snapshot could be begun: {error}"),
        }
    }
}
