//! Time, randomness and new ids as inputs.
//!
//! Nothing else in the project asks the machine for the time or for a random number: programs hand
//! out [`Clock::system`], [`Random::system`] and [`Ids::system`], tests and the simulation hand out
//! settable and seeded ones. All three are handles: cloning one shares its source.

mod random;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use random::{Ids, Random};

/// A source of time. Implement it to bring a clock of your own, for example a simulated one.
pub trait Source: Send + Sync + 'static {
    /// The current time of day. May jump when somebody sets the machine's clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment before the first call. Never goes backwards.
    fn elapsed(&self) -> Duration;
}

/// A handle on a source of time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Source>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(SystemClock::default())
    }

    /// A clock that stands at `start` until the returned [`ManualClock`] moves it.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let manual = ManualClock::new(start);
        (manual.clock(), manual)
    }

    /// A clock that always shows the same time.
    pub fn fixed(at: Timestamp) -> Self {
        ManualClock::new(at).clock()
    }

    /// A clock with a source of one's own.
    pub fn new(source: impl Source) -> Self {
        Self(Arc::new(source))
    }

    /// The current time of day. May jump when somebody sets the machine's clock; measure spans with
    /// [`Clock::elapsed`].
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Time since some fixed moment in the life of this clock. Never goes backwards.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Source for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
        let now = std::time::SystemTime::now();
        // Only a clock set tens of thousands of years off does not fit; MAX is as good an answer as any.
        Timestamp::try_from(now).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Shown>>);

#[derive(Debug)]
struct Shown {
    now: Timestamp,
    elapsed: Duration,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Shown { now: start, elapsed: Duration::ZERO })))
    }

    /// A handle that shows this clock's time.
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    /// Sets the time of day, forwards or backwards, as an administrator would; elapsed time stays.
    pub fn set(&self, now: Timestamp) {
        self.locked(|shown| shown.now = now);
    }

    /// Lets time pass. Stops at the last representable moment.
    pub fn advance(&self, by: Duration) {
        self.locked(|shown| {
            shown.now = shown.now.checked_add(by).unwrap_or(Timestamp::MAX);
            shown.elapsed = shown.elapsed.saturating_add(by);
        });
    }

    fn locked<T>(&self, f: impl FnOnce(&mut Shown) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for ManualClock {
    fn now(&self) -> Timestamp {
        self.locked(|shown| shown.now)
    }

    fn elapsed(&self) -> Duration {
        self.locked(|shown| shown.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, manual) = Clock::manual(at("2030-01-01T00:00:00Z"));
        let copy = clock.clone();
        assert_eq!(clock.now(), at("2030-01-01T00:00:00Z"));
        manual.advance(Duration::from_secs(90));
        assert_eq!(copy.now(), at("2030-01-01T00:01:30Z"));
        assert_eq!(copy.elapsed(), Duration::from_secs(90));
    }

    #[test]
    fn setting_a_clock_back_does_not_make_elapsed_time_run_backwards() {
        let (clock, manual) = Clock::manual(at("2030-01-01T00:00:00Z"));
        manual.advance(Duration::from_secs(5));
        manual.set(at("2020-01-01T00:00:00Z"));
        assert_eq!(clock.now(), at("2020-01-01T00:00:00Z"));
        assert_eq!(clock.elapsed(), Duration::from_secs(5));
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let (clock, manual) = Clock::manual(Timestamp::MAX);
        manual.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn the_system_clock_shows_this_century() {
        assert!(Clock::system().now() > at("2024-01-01T00:00:00Z"));
    }
}
