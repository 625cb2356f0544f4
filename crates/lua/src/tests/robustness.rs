//! Whatever the source, nothing panics.

use crate::{Chunk, Limits, Machine};

/// A small generator of reproducible noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}

const TOKENS: [&str; 62] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
    "nil", "not", "or", "repeat", "return", "then", "true", "until", "while", "+", "-", "*", "/", "%", "^",
    "#", "==", "~=", "<=", ">=", "<", ">", "=", "(", ")", "{", "}", "[", "]", ";", ":", ",", ".", "..",
    "...", "::", "x", "y", "t", "f", "1", "2.5", "'s'", "[[l]]", "\n", "--c\n", "string", "pairs", "self",
];

fn try_source(source: &str) {
    let limits = Limits { instructions: 20_000, memory: 1 << 20, ..Limits::default() };
    if let Ok(chunk) = Chunk::compile("noise", source) {
        let mut machine = Machine::new(limits);
        if let Ok(values) = machine.run(&chunk) {
            for value in values {
                let _ = value.to_json().map_err(|error| error.to_string());
            }
        }
    }
}

#[test]
fn random_bytes_never_panic_the_compiler() {
    for seed in 0..1500 {
        let mut noise = Noise(seed);
        let bytes: Vec<u8> =
            (0..noise.below(120)).map(|_| u8::try_from(noise.below(256)).unwrap_or(0)).collect();
        try_source(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn random_tokens_never_panic_compiler_or_machine() {
    for seed in 0..3000 {
        let mut noise = Noise(seed);
        let source: Vec<_> = (0..noise.below(40)).map(|_| TOKENS[noise.below(TOKENS.len())]).collect();
        try_source(&source.join(" "));
    }
}

/// A tree of statements that is always Lua, so that the machine gets to run something.
fn statement(noise: &mut Noise, depth: usize) -> String {
    let name = ["x", "y", "t", "s"][noise.below(4)];
    let inner = |noise: &mut Noise| if depth == 0 { "x = 1".to_owned() } else { statement(noise, depth - 1) };
    match noise.below(12) {
        0 => format!("local {name} = {}", expression(noise, 3)),
        1 => format!("{name} = {}", expression(noise, 3)),
        2 => format!("if {} then {} else {} end", expression(noise, 2), inner(noise), inner(noise)),
        3 => format!("for i = 1, 3 do {} end", inner(noise)),
        4 => format!("for k, v in pairs({{1, a = 2}}) do {} end", inner(noise)),
        5 => format!("local function f(a, ...) {} end x = f", inner(noise)),
        6 => format!("pcall(function() {} end)", inner(noise)),
        7 => format!("t = {{}} t[{}] = {}", expression(noise, 1), expression(noise, 2)),
        8 => format!("repeat {} until true", inner(noise)),
        9 => format!("do local x = function() return {name} end {} y = x end", inner(noise)),
        10 => format!("s = tostring({}):sub(1, 20)", expression(noise, 2)),
        _ => format!("{} {}", inner(noise), inner(noise)),
    }
}

fn expression(noise: &mut Noise, depth: usize) -> String {
    if depth == 0 {
        return ["x", "y", "1", "nil", "'a'", "{}", "0", "-1.5", "true", "'%'", "1e308"][noise.below(11)]
            .to_owned();
    }
    let (left, right) = (expression(noise, depth - 1), expression(noise, depth - 1));
    match noise.below(14) {
        0..6 => format!("({left} {} {right})", ["+", "..", "==", "<", "and", "%"][noise.below(6)]),
        6 => format!("#({left})"),
        7 => format!("not {left}"),
        8 => format!("{{{left}, {right}, k = {left}}}"),
        9 => format!("select('#', {left}, {right})"),
        10 => format!("string.find({left}, {right})"),
        11 => format!("string.format({left}, {right})"),
        12 => format!("table.concat({{{left}, {right}}}, {right})"),
        _ => format!("string.gsub({left}, {right}, {left})"),
    }
}

#[test]
fn random_programs_never_panic_the_machine() {
    for seed in 0..1500 {
        let mut noise = Noise(seed);
        let source: Vec<_> = (0..1 + noise.below(6)).map(|_| statement(&mut noise, 3)).collect();
        let source = source.join(" ");
        assert!(Chunk::compile("noise", &source).is_ok(), "{source}");
        try_source(&source);
    }
}

#[test]
fn sources_nested_without_end_are_refused() {
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("- ", ""),
        ("not ", ""),
        ("#", ""),
        ("f(", ")"),
        ("function() return ", " end"),
        ("x[", "]"),
        ("2^", ""),
        ("{a=", "}"),
    ] {
        let source = format!("return {}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(Chunk::compile("deep", &source).is_err(), "{open}");
    }
    for (open, close) in
        [("do ", " end"), ("if x then ", " end"), ("while x do ", " end"), ("repeat ", " until x")]
    {
        let source = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(Chunk::compile("deep", &source).is_err(), "{open}");
    }
    for link in ["+1", ".x", "[1]", "()", ":m()", " and 1", " or 1"] {
        assert!(Chunk::compile("long", &format!("return x{}", link.repeat(100_000))).is_err(), "{link}");
    }
}

#[test]
fn functions_have_a_bounded_number_of_names() {
    let locals: String = (0..300).map(|i| format!("local v{i} = {i} ")).collect();
    let error = Chunk::compile("wide", &locals).expect_err("too many");
    assert!(error.message.contains("too many local variables"), "{error}");
    let blocks: String = (0..300).map(|i| format!("do local v{i} = {i} end ")).collect();
    assert!(Chunk::compile("wide", &blocks).is_ok());
    let labels: String = (0..300).map(|i| format!("::l{i}:: x = 1 ")).collect();
    assert!(Chunk::compile("wide", &labels).is_err());
}

#[test]
fn long_flat_sources_are_fine() {
    let concat = format!("return #(''{})", "..'a'".repeat(10_000));
    let arms = format!(
        "local x = 9999 if x == 0 then return 0 {} end",
        "elseif x == 9999 then return 1 ".repeat(10_000)
    );
    let lines = format!("local n = 0 {} return n", "n = n + 1 ".repeat(20_000));
    for (source, answer) in [(concat, "10000"), (arms, "1"), (lines, "20000")] {
        assert_eq!(super::run(&source), answer);
    }
}
