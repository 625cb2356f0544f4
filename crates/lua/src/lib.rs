//! A small Lua machine for interpreter customizations: Lua 5.1 as gopher-lua runs it, within hard limits.
