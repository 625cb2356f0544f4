//! The protocol between the scheduler and the accurate estimators: messages, client, server interface.
