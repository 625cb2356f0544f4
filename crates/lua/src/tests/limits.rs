//! Nothing a script does gets past its limits.

use std::cell::Cell;

use super::{run, run_with};
use crate::limits::Limit;
use crate::{Chunk, Error, Limits, Machine, RuntimeError};

fn limit_of(source: &str, limits: Limits<'_>) -> Option<Limit> {
    let chunk = Chunk::compile("test", source).expect("the script is Lua");
    match Machine::new(limits).run(&chunk) {
        Err(Error::Limit(limit)) => Some(limit),
        Ok(_) | Err(_) => None,
    }
}

fn small() -> Limits<'static> {
    Limits { instructions: 100_000, memory: 4 << 20, ..Limits::default() }
}

#[test]
fn endless_loops_of_every_kind_are_stopped() {
    for source in [
        "while true do end",
        "repeat until false",
        "for i = 1, math.huge do end",
        "for i = 2, 1, 0 do end",
        "::top:: goto top",
        "local function f() return f() end f()",
        "for _ in function() return 1 end do end",
        "local t = {1} for k in next, t do t[k] = 1 if not t[k + 1] then t[k + 1] = 1 end end while true do end",
        "while true do pcall(function() end) end",
    ] {
        assert!(limit_of(source, small()).is_some(), "{source}");
    }
}

#[test]
fn pcall_does_not_catch_limits() {
    for source in [
        "pcall(function() while true do end end)",
        "while true do pcall(function() while true do end end) end",
        "xpcall(function() while true do end end, function() return 1 end)",
        "pcall(string.rep, 'x', 1e9)",
        "local function f() pcall(f) end f()",
    ] {
        assert!(limit_of(source, small()).is_some(), "{source}");
    }
}

#[test]
fn growing_strings_end_at_the_memory_limit() {
    let memory = Some(Limit::Memory(4 << 20));
    for source in [
        "local s = 'x' while true do s = s .. s end",
        "local s = ('x'):rep(1000) while true do s = s:rep(10) end",
        "return ('x'):rep(1e15)",
        "local t = {} for i = 1, 30 do t[i] = ('x'):rep(1000000) end",
        "local s = ('x'):rep(100000) local t = {} for i = 1, 100 do t[i] = s end return table.concat(t)",
        "local s = ('x'):rep(1000000) return (s:gsub('x', ('y'):rep(1000)))",
        "local s = ('x'):rep(1000000) return string.format('%s%s%s%s%s', s, s, s, s, s)",
        "local t = {} for i = 1, 1e9 do t[#t + 1] = 'k' .. i end",
    ] {
        let limits = Limits { instructions: 10_000_000, ..small() };
        assert_eq!(limit_of(source, limits), memory, "{source}");
    }
}

#[test]
fn growing_tables_end_at_the_memory_limit() {
    let memory = Some(Limit::Memory(4 << 20));
    for source in [
        "local t = {} t[60000000] = 1",
        "local t = {} while true do t = {t} end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} for i = 1, 1e9 do t[-i] = i end",
        "local t = {} while true do table.insert(t, 1) end",
        "local t = {} while true do t[#t + 1] = function() return t end end",
        "for i = 1, 1e9 do _G[i] = i end",
        "for i = 1, 1e9 do math[-i] = i end",
        "for i = 1, 1e9 do package.loaded[i] = i end",
        "local f while true do local g = f f = function() return g end end",
    ] {
        let limits = Limits { instructions: 100_000_000, ..small() };
        assert_eq!(limit_of(source, limits), memory, "{source}");
    }
}

#[test]
fn deep_recursion_is_an_error_and_never_a_crash() {
    for source in [
        "local function f() return 1 + f() end f()",
        "local function f(n) local t = {f(n + 1)} return t end f(1)",
        "local function f() table.sort({1, 2, 3}, function() f() end) end f()",
        "local function f() local s = ('x'):gsub('x', f) end f()",
        "local function f() return pcall(f) end f() local function g() pcall(g) end g()",
        "local function f() for _ in f do end end f()",
        "function g() return tostring((g())) end g()",
    ] {
        assert_eq!(limit_of(source, Limits::default()), Some(Limit::Depth), "{source}");
    }
}

#[test]
fn deep_recursion_through_the_largest_expressions_stays_on_the_stack() {
    let open = "1 + (".repeat(45);
    let close = ")".repeat(45);
    let source = format!("local function f() return {open} f() {close} end f()");
    assert_eq!(limit_of(&source, Limits::default()), Some(Limit::Depth));
    for (before, link) in [("f()", " + 1"), ("f()", ".x"), ("f()", " and 1"), ("f", "()")] {
        let source = format!("function f() return ({before}{}) end f()", link.repeat(450));
        assert_eq!(limit_of(&source, Limits::default()), Some(Limit::Depth), "{link}");
    }
    for (open, close) in [("{", "}"), ("g(", ")"), ("- ", ""), ("x[", "]")] {
        let (open, close) = (open.repeat(30), close.repeat(30));
        let source = format!("function f() return 1, {open} f() {close} end f()");
        assert_eq!(limit_of(&source, Limits::default()), Some(Limit::Depth), "{open}");
    }
    let nested = "if true then ".repeat(60);
    let ends = "end ".repeat(60);
    let source = format!("local function f() {nested} local x = f() {ends} end f()");
    assert_eq!(limit_of(&source, Limits::default()), Some(Limit::Depth));
}

#[test]
fn a_hundred_and_fifty_calls_deep_is_fine_in_any_build() {
    let source = "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(150)";
    assert_eq!(run(source), "150");
}

#[test]
fn tail_calls_do_not_nest() {
    assert_eq!(
        run("local function f(n) if n == 0 then return 'done' end return f(n - 1) end return f(10000)"),
        "done"
    );
}

#[test]
fn pathological_patterns_are_stopped() {
    let limits = Limits { instructions: 200_000, ..Limits::default() };
    for source in [
        "return (('a'):rep(30)):find(('a?'):rep(30) .. ('a'):rep(31))",
        "return (('a'):rep(5000)):find('.-.-.-.-b')",
        "return (('a'):rep(5000)):match('(a*)*(a*)(a*)(a*)b')",
        "return (('('):rep(20000)):find('%b()')",
        "return (('x'):rep(100000)):gsub('x*y', '')",
        "local s = ('a'):rep(100000) return s:find(s .. 'b', 1, true), s:find(('a'):rep(50000) .. 'b', 1, true)",
    ] {
        let answer = run_with(source, limits);
        assert_eq!(answer, "error: script stopped: more than 200000 instructions", "{source}");
    }
}

#[test]
fn long_patterns_do_not_recurse_without_end() {
    let answer = run("return (('a'):rep(1000)):find(('a?'):rep(1000))");
    assert_eq!(answer, "error: test:1: pattern too complex");
    let answer = run("return (('a'):rep(1000)):find(('(a'):rep(40))");
    assert_eq!(answer, "error: test:1: too many captures");
}

#[test]
fn the_clock_of_the_caller_ends_a_run() {
    let asked = Cell::new(0);
    let expired = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let limits = Limits { expired: Some(&expired), ..Limits::default() };
    assert_eq!(limit_of("while true do end", limits), Some(Limit::Expired));
    assert_eq!(asked.get(), 4);
}

#[test]
fn a_short_script_is_not_asked_about_the_time() {
    let expired = || true;
    let limits = Limits { expired: Some(&expired), ..Limits::default() };
    assert_eq!(run_with("return 1", limits), "1");
}

#[test]
fn long_strings_that_died_count_no_more() {
    let source = "local n = 0 for i = 1, 1000 do local s = ('x'):rep(100000) n = n + #s end return n";
    assert_eq!(run_with(source, Limits { memory: 1 << 20, ..Limits::default() }), "100000000");
}

#[test]
fn deep_tables_and_closures_are_freed_without_recursion() {
    assert_eq!(run("local t for i = 1, 100000 do t = {t} end t = nil return 'ok'"), "ok");
    assert_eq!(
        run("local f for i = 1, 100000 do local g = f f = function() return g end end return 'ok'"),
        "ok"
    );
}

#[test]
fn walking_over_what_was_removed_costs_steps() {
    let limits = Limits { instructions: 2_000_000, ..Limits::default() };
    let fill = "local t = {} for i = 1, 50000 do t['k' .. i] = 1 t[i] = 1 end \
        for i = 1, 50000 do t['k' .. i] = nil t[i] = nil end local n = 0 ";
    for scan in [
        "while true do next(t) n = n + 1 end",
        "while true do n = n + #t end",
        "while true do for k in pairs(t) do end end",
    ] {
        let before = std::cell::Cell::new(0);
        let expired = || {
            before.set(before.get() + 1);
            before.get() > 1000
        };
        let limits = Limits { expired: Some(&expired), ..limits };
        assert_eq!(
            limit_of(&format!("{fill}{scan}"), limits),
            Some(Limit::Instructions(2_000_000)),
            "{scan}"
        );
    }
}

#[test]
fn many_arguments_end_at_the_stack() {
    for source in [
        "return unpack({}, 1, 100000)",
        "return (('x'):rep(100000)):byte(1, -1)",
        "local function f(...) return f(1, ...) + 1 end return f(unpack({}, 1, 60000))",
        "local function f(n, ...) return {f(n + 1, ...)} end return f(1, unpack({}, 1, 60000))",
    ] {
        let limit = limit_of(source, Limits::default());
        assert!(matches!(limit, Some(Limit::Depth | Limit::Memory(_))), "{source}: {limit:?}");
    }
    assert_eq!(run("return select('#', unpack({}, 1, 10000))"), "10000");
}

#[test]
fn messages_about_long_keys_are_short() {
    let source = "local big = ('x'):rep(100000) local ok, e = pcall(function() local x; return x[big] end) return #e < 400";
    assert_eq!(run(source), "true");
    let source = "local t = {} for i = 1, 1e9 do local _, e = pcall(error, ('x'):rep(1000)) t[i] = e end";
    assert_eq!(
        limit_of(source, Limits { memory: 1 << 20, ..Limits::default() }),
        Some(Limit::Memory(1 << 20))
    );
}

#[test]
fn a_limit_inside_a_native_function_passes_through() {
    let chunk = Chunk::compile("test", "local m = require('m') pcall(m.f)").expect("Lua");
    let mut machine = Machine::new(small());
    let module = crate::Module::new().function("f", |machine, _| {
        let table = machine.new_table()?;
        loop {
            table.push(crate::Value::Bool(true))?;
        }
    });
    machine.preload("m", module);
    assert_eq!(machine.run(&chunk).err(), Some(Error::Limit(Limit::Memory(4 << 20))));
    assert!(RuntimeError::new("x").as_limit().is_none());
}
