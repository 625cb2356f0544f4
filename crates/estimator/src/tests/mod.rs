//! What travels, and a client that asks a server over the loopback interface.

mod loopback;
mod wire;
