//! Time, randomness and new ids as inputs.
