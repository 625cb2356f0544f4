//! Which policy claims which object.
