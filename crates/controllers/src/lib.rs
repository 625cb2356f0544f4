//! The Karmada controllers, one module per controller, under upstream's names.
