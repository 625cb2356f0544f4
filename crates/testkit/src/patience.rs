//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// Shortest time between two looks; most of what tests wait for takes milliseconds.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest time between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Looks until `condition` holds and returns what it found.
///
/// # Panics
/// When the limit has passed, with the reason why the condition did not hold last.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> anyhow::Result<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        let start = Instant::now();
        match condition() {
            Ok(found) => return found,
            Err(reason) if Instant::now() >= deadline => {
                panic!("not within {limit:?}: {what}\n  at last: {reason:#}")
            }
            // A look that costs much is taken less often: what is waited for needs the processors too.
            Err(_) => std::thread::sleep((start.elapsed() * 2).clamp(PAUSE_MIN, PAUSE_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_condition_found_is_returned() {
        let mut looks = 0;
        let found = eventually(Duration::from_secs(5), "the third look", || {
            looks += 1;
            anyhow::ensure!(looks == 3, "look {looks}");
            Ok(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "at last: it rains")]
    fn the_last_reason_is_told() {
        eventually::<()>(Duration::ZERO, "sunshine", || anyhow::bail!("it rains"));
    }
}
