//! The karmadactl command line.
