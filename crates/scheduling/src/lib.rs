//! Filter, score, select and divide: where a binding's replicas go, and why.
