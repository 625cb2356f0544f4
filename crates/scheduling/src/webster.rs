//! Dividing replicas in proportion to weights, by Webster's method (Sainte-Laguë).
//!
//! Replicas are handed out one at a time, each to the party with the highest `votes / (2 × seats + 1)`.
//! The method is fair to small and large parties alike and *house monotone*: with more replicas to
//! hand out, nobody ends up with fewer. Upstream: [`pkg/util/helper/webstermethod.go`].
//!
//! [`pkg/util/helper/webstermethod.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/util/helper/webstermethod.go

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use machinery::hash::fnv1a_32;

/// Somebody who takes part in a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// Rank of the party's name among all names; a smaller rank is an earlier name.
    pub rank: u32,
    /// Weight, at least 0.
    pub votes: i64,
    /// Replicas received. What stands here before a division is replaced.
    pub seats: i64,
}

/// Who goes first among parties with equal claim and equally many seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// The earlier name.
    NameAscending,
    /// The later name.
    NameDescending,
}

impl Ties {
    /// The direction for one workload: decided by its uid, so that the odd replicas of many
    /// workloads do not all end up in the cluster with the first name.
    pub fn for_uid(uid: &str) -> Self {
        if uid.is_empty() || fnv1a_32(uid.as_bytes()) & 1 == 0 {
            Self::NameAscending
        } else {
            Self::NameDescending
        }
    }
}

/// A party's claim to the next seat, ordered so that the greatest claim wins.
struct Claim {
    quotient: f64,
    seats: i64,
    /// Name rank, negated when the earlier name goes first.
    preference: i64,
    party: usize,
}

impl Claim {
    fn new(party: usize, of: &Party, ties: Ties) -> Self {
        let preference = match ties {
            Ties::NameAscending => -i64::from(of.rank),
            Ties::NameDescending => i64::from(of.rank),
        };
        Self { quotient: quotient(of.votes, of.seats), seats: of.seats, preference, party }
    }
}

impl Ord for Claim {
    fn cmp(&self, other: &Self) -> Ordering {
        self.quotient
            .total_cmp(&other.quotient)
            .then_with(|| other.seats.cmp(&self.seats))
            .then_with(|| self.preference.cmp(&other.preference))
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Claim {}

/// The claim to one more seat. A float on purpose: near-equal claims must compare as upstream's do.
fn quotient(votes: i64, seats: i64) -> f64 {
    votes as f64 / (2 * seats + 1) as f64
}

/// Hands out `seats` replicas and leaves the parties in name order.
///
/// Without parties nothing can be handed out; a negative number counts as none.
pub fn divide(seats: i64, parties: &mut [Party], ties: Ties) {
    parties.sort_unstable_by_key(|p| p.rank);
    let mut left = seats.max(0) - certain_seats(seats.max(0), parties);
    if left == 0 {
        return;
    }
    let mut claims: BinaryHeap<Claim> =
        parties.iter().enumerate().map(|(i, p)| Claim::new(i, p, ties)).collect();
    while left > 0 {
        let Some(mut best) = claims.peek_mut() else { return };
        let winner = best.party;
        parties[winner].seats += 1;
        *best = Claim::new(winner, &parties[winner], ties);
        left -= 1;
    }
}

/// Gives every party the seats it is sure to win, so that only about one seat per party is left to
/// be handed out one by one. Returns how many were given.
///
/// The seats with a claim of at least `T = votes / (2 × seats − parties)` number at most `seats`, so all
/// of them are won whatever the order. `T` is taken a little higher than that to stay clear of rounding.
fn certain_seats(seats: i64, parties: &mut [Party]) -> i64 {
    const CLEARANCE: f64 = 1.0 + 1e-9;
    for party in parties.iter_mut() {
        party.seats = 0;
    }
    let count = parties.len() as i64;
    let votes: f64 = parties.iter().map(|p| p.votes as f64).sum();
    if count == 0 {
        return 0;
    }
    if votes <= 0.0 {
        return even_seats(seats, parties);
    }
    if 2 * seats <= count {
        return 0;
    }
    let threshold = votes / (2 * seats - count) as f64 * CLEARANCE;
    let mut given = 0;
    for party in parties.iter_mut() {
        party.seats = (party.votes as f64 / (2.0 * threshold) + 0.5).floor() as i64;
        given += party.seats;
    }
    given
}

/// Nobody has a vote: all claims are 0 and the fewest seats decide, which is an even split.
fn even_seats(seats: i64, parties: &mut [Party]) -> i64 {
    let each = seats / parties.len() as i64;
    for party in parties.iter_mut() {
        party.seats = each;
    }
    each * parties.len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(seats: i64, votes: &[i64], ties: Ties) -> Vec<i64> {
        let mut parties: Vec<Party> =
            (0..).zip(votes).map(|(rank, &votes)| Party { rank, votes, seats: 0 }).collect();
        divide(seats, &mut parties, ties);
        parties.iter().map(|p| p.seats).collect()
    }

    /// The textbook procedure, seat by seat.
    fn by_hand(seats: i64, votes: &[i64], ties: Ties) -> Vec<i64> {
        let mut parties: Vec<Party> =
            (0..).zip(votes).map(|(rank, &votes)| Party { rank, votes, seats: 0 }).collect();
        for _ in 0..seats {
            let best = (0..parties.len()).max_by_key(|&i| Claim::new(i, &parties[i], ties)).unwrap();
            parties[best].seats += 1;
        }
        parties.iter().map(|p| p.seats).collect()
    }

    /// A small generator with a printed seed: the same numbers on every machine.
    fn next(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn replicas_follow_the_weights() {
        assert_eq!(split(9, &[1, 2], Ties::NameAscending), [3, 6]);
        assert_eq!(split(10, &[1, 1, 1], Ties::NameAscending), [4, 3, 3]);
        assert_eq!(split(7, &[53, 24, 23], Ties::NameAscending), [3, 2, 2]);
    }

    #[test]
    fn the_uid_decides_who_gets_the_odd_replica() {
        assert_eq!(split(3, &[1, 1], Ties::NameAscending), [2, 1]);
        assert_eq!(split(3, &[1, 1], Ties::NameDescending), [1, 2]);
        assert_eq!(Ties::for_uid(""), Ties::NameAscending);
        // FNV-1a of "a" is e40c292c, of "b" e70c2de5.
        assert_eq!(Ties::for_uid("a"), Ties::NameAscending);
        assert_eq!(Ties::for_uid("b"), Ties::NameDescending);
    }

    #[test]
    fn without_votes_everybody_gets_the_same() {
        assert_eq!(split(5, &[0, 0, 0], Ties::NameAscending), [2, 2, 1]);
        assert_eq!(split(5, &[0, 3], Ties::NameAscending), [0, 5]);
        assert_eq!(split(5, &[], Ties::NameAscending), [] as [i64; 0]);
        assert_eq!(split(-1, &[1], Ties::NameAscending), [0]);
    }

    #[test]
    fn the_short_cut_gives_what_the_procedure_gives() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        for round in 0..2_000 {
            let count = 1 + next(&mut seed) % 12;
            let scale = [1, 3, 10, 1_000, 2_000_000][next(&mut seed) as usize % 5];
            let votes: Vec<i64> = (0..count).map(|_| (next(&mut seed) % (scale + 1)) as i64).collect();
            let seats = (next(&mut seed) % 60) as i64;
            let ties = if round % 2 == 0 { Ties::NameAscending } else { Ties::NameDescending };
            assert_eq!(
                split(seats, &votes, ties),
                by_hand(seats, &votes, ties),
                "round {round}: {seats} replicas over {votes:?}"
            );
        }
    }

    #[test]
    fn one_replica_more_takes_none_away() {
        let mut seed = 0x0005_deec_e66d_1234;
        for round in 0..300 {
            let count = 1 + next(&mut seed) % 9;
            let votes: Vec<i64> = (0..count).map(|_| (next(&mut seed) % 50) as i64).collect();
            let mut before = split(0, &votes, Ties::NameDescending);
            for seats in 1..40 {
                let after = split(seats, &votes, Ties::NameDescending);
                assert_eq!(after.iter().sum::<i64>(), seats, "round {round}: {votes:?}");
                assert!(
                    before.iter().zip(&after).all(|(b, a)| b <= a),
                    "round {round}: {votes:?}: {before:?} then {after:?}"
                );
                before = after;
            }
        }
    }

    #[test]
    fn millions_of_replicas_are_no_more_work() {
        let seats =
            split(2_147_483_647, &[i64::from(i32::MAX), 1, 0, i64::from(i32::MAX)], Ties::NameAscending);
        assert_eq!(seats.iter().sum::<i64>(), 2_147_483_647);
    }
}
