//! RBAC: may this user do this?
