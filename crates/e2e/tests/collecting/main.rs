//! What comes back from the members: statuses of every kind, as they are or as scripts read them.

mod dependencies;
mod scripts;
mod statuses;
