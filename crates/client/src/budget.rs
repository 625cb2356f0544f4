//! What one API server may cost its callers.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::{Error, What};

/// Limits of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Requests waiting for an answer at the same time; further ones wait their turn. Watches count
    /// only until they are open.
    pub in_flight_max: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// After this many requests in a row without any answer the server is left alone for a while.
    pub failures_max: u32,
    /// The first such pause; it doubles up to [`Budget::pause_max`] while the server stays silent.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Budget {
    /// For the control plane's own API server: it is local or highly available, and without it there
    /// is nothing to do but try again.
    pub fn control_plane() -> Self {
        Self {
            in_flight_max: 512,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            failures_max: u32::MAX,
            pause: Duration::ZERO,
            pause_max: Duration::ZERO,
        }
    }

    /// For a member cluster. 32 s is the timeout that Karmada gives member requests.
    pub fn member() -> Self {
        Self {
            in_flight_max: 128,
            timeout: Duration::from_secs(32),
            connect_timeout: Duration::from_secs(5),
            failures_max: 5,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(10),
        }
    }
}

/// Lets requests through within a budget.
///
/// ```text
/// open ── failures_max silent requests ──▶ suspended until t ── t reached ──▶ open for one request
///   ▲                                          ▲                                 │        │
///   └───────────── an answer ──────────────────┼──────────── answer ─────────────┘        │
///                                              └───── silence: pause doubles ─────────────┘
/// ```
pub(crate) struct Gate {
    budget: Budget,
    permits: Semaphore,
    /// A plain lock: it is held for a few instructions and never across an await.
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    pause: Duration,
    until: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(budget: Budget) -> Self {
        let permits = Semaphore::new(budget.in_flight_max);
        Self { budget, permits, health: Mutex::new(Health::default()) }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.health().until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) async fn enter(&self, what: What<'_>) -> Result<SemaphorePermit<'_>, Error> {
        {
            let mut health = self.health();
            if let Some(until) = health.until {
                let now = Instant::now();
                if now < until {
                    return Err(Error::Suspended { what: what(), retry_in: until - now });
                }
                // One request tries the server; the others stay out until it has answered.
                health.until = Some(now + health.pause);
            }
        }
        Ok(self.permits.acquire().await.expect("the semaphore is never closed"))
    }

    pub(crate) fn answered(&self) {
        let mut health = self.health();
        if health.failures > 0 {
            *health = Health::default();
        }
    }

    pub(crate) fn failed(&self) {
        let mut health = self.health();
        health.failures = health.failures.saturating_add(1);
        if health.failures >= self.budget.failures_max {
            health.pause = (health.pause * 2).clamp(self.budget.pause, self.budget.pause_max);
            health.until = Some(Instant::now() + health.pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what() -> String {
        "get pods".into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_left_alone_and_tried_again_by_one_request() {
        let gate = Gate::new(Budget { failures_max: 2, ..Budget::member() });
        gate.failed();
        assert!(gate.enter(&what).await.is_ok(), "one failure is not a pattern");
        gate.failed();
        assert!(matches!(gate.enter(&what).await, Err(Error::Suspended { .. })));
        tokio::time::advance(Duration::from_millis(501)).await;
        assert!(gate.enter(&what).await.is_ok(), "the pause is over");
        assert!(gate.enter(&what).await.is_err(), "the first one is still trying");
        gate.failed();
        tokio::time::advance(Duration::from_millis(501)).await;
        assert!(gate.is_suspended(), "the pause has doubled");
        tokio::time::advance(Duration::from_millis(501)).await;
        assert!(gate.enter(&what).await.is_ok());
        gate.answered();
        assert!(gate.enter(&what).await.is_ok() && !gate.is_suspended());
    }

    #[tokio::test(start_paused = true)]
    async fn the_control_plane_is_never_suspended() {
        let gate = Gate::new(Budget::control_plane());
        for _ in 0..100 {
            gate.failed();
        }
        assert!(gate.enter(&what).await.is_ok());
    }
}
