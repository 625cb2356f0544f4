//! Which policy governs an object, what it changes on the way, and what is told about it.

mod claims;
mod cluster_wide;
mod events;
mod laziness;
mod migration;
mod overriding;
mod precedence;
mod protection;
mod suspension;
