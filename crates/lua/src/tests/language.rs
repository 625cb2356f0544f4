//! The language itself.

use super::{check, run};

#[test]
fn operators_follow_lua_precedence() {
    check(&[
        ("return 1 + 2 * 3 - 4 / 2, 2 ^ 3 ^ 2, -2 ^ 2, 2 ^ -1", "5,512,-4,0.5"),
        ("return 7 % 3, -7 % 3, 7 % -3, 5.5 % 2", "1,2,-2,1.5"),
        ("return not nil == true, not 0, not ''", "true,false,false"),
        ("return 1 .. 2, 'a' .. 'b' .. 'c' == 'abc', 2 .. 1 + 1", "12,true,22"),
        ("return 1 or error('x'), nil and 1, false or 3, nil or false, 1 and 2", "1,nil,3,false,2"),
        (
            "return 1 == 1.0, '1' == 1, nil == false, 1 ~= 2, 'a' < 'aa', 'Z' < 'a'",
            "true,false,false,true,true,true",
        ),
        ("return 1 + 1 == 2 and 2 < 3 or false", "true"),
    ]);
}

#[test]
fn strings_that_spell_numbers_count_as_numbers() {
    check(&[
        ("return '10' + 5, '3' * '4', -'2', 10 .. '', '0x10' + 0, ' 7 ' + 0", "15,12,-2,10,16,7"),
        ("return 'a' + 1", "error: test:1: cannot perform add operation between string and number"),
        ("return 1 < '2'", "error: test:1: attempt to compare number with string"),
        ("for i = '1', 2 do end", "error: test:1: for statement init must be a number"),
    ]);
}

#[test]
fn numbers_print_as_in_gopher_lua() {
    check(&[
        (
            "return 3, 3.0, -0.5, 1e15, 2^53, 1/3",
            "3,3,-0.5,1000000000000000,9007199254740992,0.3333333333333333",
        ),
        ("return 123456.5, 1234567.5, 0.0001, 0.00001", "123456.5,1.2345675e+06,0.0001,1e-05"),
        ("return 1/0, -1/0, 0/0 ~= 0/0, 1e19, -0", "+Inf,-Inf,true,1e+19,0"),
        ("return 1e100, 2^63, -2^63", "1e+100,9.223372036854776e+18,-9223372036854775808"),
    ]);
}

#[test]
fn assignment_takes_several_values() {
    check(&[
        ("local a, b, c = (function() return 1, 2, 3 end)() return a, b, c", "1,2,3"),
        ("local a, b = (function() return 1, 2 end)(), 10 return a, b", "1,10"),
        ("local a, b = ((function() return 1, 2 end)()) return a, b", "1,nil"),
        ("local x, y = 1, 2 x, y = y, x return x, y", "2,1"),
        ("local i, a = 1, {} i, a[i] = i + 1, 20 return i, a[1], a[2]", "2,20,nil"),
        ("local t = {} t.a, t.b, t.c = 1, 2 return t.a, t.b, t.c", "1,2,nil"),
    ]);
}

#[test]
fn closures_share_and_keep_their_variables() {
    check(&[
        ("local n = 0 local function f() n = n + 1 return n end f() f() return f(), n", "3,3"),
        (
            "local fs = {} for i = 1, 3 do fs[i] = function() i = i + 1 return i end end return fs[1](), fs[1](), fs[2]()",
            "2,3,3",
        ),
        (
            "local fs = {} for _, v in ipairs({5, 6}) do fs[#fs + 1] = function() return v end end return fs[1](), fs[2]()",
            "5,6",
        ),
        ("local a = 1 local function f() return a end local a = 2 return f(), a", "1,2"),
        (
            "local function mk(p) return function() p = p + 1 return p end end local x, y = mk(1), mk(10) return x(), x(), y()",
            "2,3,11",
        ),
        (
            "local x = 1 local function f() return function() return function() x = x + 1 return x end end end return f()()()",
            "2",
        ),
        (
            "local fs, j = {}, 0 while j < 2 do j = j + 1 local k = j fs[j] = function() k = k + 10 return k end end return fs[1](), fs[2]()",
            "11,12",
        ),
        (
            "local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end return fact(10)",
            "3628800",
        ),
    ]);
}

#[test]
fn loops_count_and_stop_as_in_lua() {
    check(&[
        (
            "local s = 0 for i = 1, 10 do s = s + i end for i = 10, 1, -2 do s = s + i end for i = 1, 0 do s = 1000 end return s",
            "85",
        ),
        ("local n = 0 for i = 0.1, 1, 0.1 do n = n + 1 end return n", "10"),
        ("local i = 0 repeat local done = i >= 3 i = i + 1 until done return i", "4"),
        ("local n = 0 while true do n = n + 1 if n > 4 then break end end return n", "5"),
        (
            "local s = '' for i = 1, 3 do for j = 1, 3 do if j == 2 then break end s = s .. i .. j end end return s",
            "112131",
        ),
        ("for i = 1, 10 do if i == 3 then return i end end", "3"),
    ]);
}

#[test]
fn goto_jumps_to_visible_labels() {
    check(&[
        (
            "local s = '' for i = 1, 4 do if i == 2 then goto continue end s = s .. i ::continue:: end return s",
            "134",
        ),
        ("local i = 1 ::top:: i = i + 1 if i < 5 then goto top end return i", "5"),
        ("goto done do return 1 end ::done:: return 2", "2"),
        ("do goto out end ::out:: return 3", "3"),
        ("goto nowhere", "compile: test line:1(column:0) near '':   no visible label 'nowhere' for goto"),
        (
            "do ::inner:: end goto inner",
            "compile: test line:1(column:0) near '':   no visible label 'inner' for goto",
        ),
        ("::a:: ::a::", "compile: test line:1(column:0) near '':   label 'a' already defined"),
    ]);
}

#[test]
fn varargs_are_passed_on() {
    check(&[
        ("local function f(...) return select('#', ...), ... end return f(nil, nil)", "2,nil,nil"),
        (
            "local function f(a, ...) local x, y = ... return a, x, y, select('#', ...) end return f(1, 2)",
            "1,2,nil,1",
        ),
        (
            "local function f(...) local t = {n = select('#', ...), ...} return t.n, t[1], t[t.n] end return f(1, nil, 3)",
            "3,1,3",
        ),
        ("return (function(...) return ... end)(1, 2, 3)", "1,2,3"),
        ("local t = {...} return #t", "0"),
        (
            "function f() return ... end",
            "compile: test line:1(column:21) near '...':   cannot use '...' outside a vararg function",
        ),
    ]);
}

#[test]
fn methods_and_nested_names_are_defined_and_called() {
    check(&[
        (
            "t = {a = {b = {}}} function t.a.b.c(x) return x end function t.a.b:d(x) return self == t.a.b, x end return t.a.b.c(5), t.a.b:d(6)",
            "5,true,6",
        ),
        ("local t = {f = function(self, x) return self.v + x end, v = 10} return t:f(5), t.f(t, 1)", "15,11"),
        ("return ('x'):upper(), #'abc', ('a,b'):find(',')", "X,3,2,2"),
        ("local function f(t) return t[1] end return f{7}, type'x'", "7,string"),
    ]);
}

#[test]
fn literals_of_all_kinds_are_read() {
    check(&[
        ("return [[a\nb]], [==[a]]b]==], [[\nx]]", "a\nb,a]]b,x"),
        (r#"return "\65\066\n\\\"\'\x", 'q"'"#, "AB\n\\\"'x,q\""),
        ("return 0x10, 1e3, .5, 3., 0xff, 1e-2", "16,1000,0.5,3,255,0.01"),
        ("-- a\n--[[ b\n]] return 1 --[==[ c ]==] , 2", "1,2"),
        ("return 1 --[=x", "1"),
        ("return #{1, 2; 3,}, #'\\0\\0'", "3,2"),
    ]);
}

#[test]
fn table_constructors_mix_all_kinds_of_items() {
    check(&[
        (
            "local t = {1, 2, n = 4, ['x y'] = 6, [1 + 2] = 9, (function() return 7, 8 end)()} return #t, t.n, t[3], t[4], t['x y']",
            "4,4,7,8,6",
        ),
        ("return ({'b', [1] = 'a'})[1], ({[1] = 'a', 'b'})[1]", "b,b"),
        ("local t = {nil, nil, 3} return #t", "3"),
        ("return #{1, nil}, #{n = 1}, #{}", "1,0,0"),
        (
            "local t = {} t[1.5] = 'a' t[-1] = 'b' t[true] = 'c' t[0] = 'd' return t[1.5], t[-1], t[true], t[0], #t",
            "a,b,c,d,0",
        ),
    ]);
}

#[test]
fn syntax_errors_name_line_column_and_token() {
    check(&[
        ("return 1 +", "compile: test at EOF:   syntax error"),
        ("local x = 1\nx = = 2", "compile: test line:2(column:5) near '=':   syntax error"),
        ("for i = 1 do end", "compile: test line:1(column:11) near 'do':   syntax error"),
        ("x = 'abc", "compile: test line:1(column:9) near 'abc':   unterminated string"),
        ("x = [[abc", "compile: test line:1(column:10) near 'abc':   unterminated multiline string"),
        ("x = 1 & 2", "compile: test line:1(column:7) near '&':   Invalid token"),
        ("f() = 1", "compile: test line:1(column:5) near '=':   syntax error"),
        ("break", "compile: test line:1(column:1) near 'break':   no loop to break"),
        (
            "f()\n(g)()",
            "compile: test line:2(column:1) near '(':   ambiguous syntax (function call x new line)",
        ),
        ("local function", "compile: test at EOF:   syntax error"),
        ("return 1 return 2", "compile: test line:1(column:10) near 'return':   syntax error"),
    ]);
}

#[test]
fn run_time_errors_name_the_line() {
    check(&[
        ("local t = nil\nreturn t.x", "error: test:2: attempt to index a non-table object(nil) with key 'x'"),
        ("local t = {}\n\nt.x.y = 1", "error: test:3: attempt to index a non-table object(nil) with key 'y'"),
        ("return (5)[1]", "error: test:1: attempt to index a non-table object(number) with key '1'"),
        ("nothing()", "error: test:1: attempt to call a non-function object"),
        ("local t = {}\nt:nothing()", "error: test:2: attempt to call a non-function object"),
        ("return 'x' .. nil", "error: test:1: cannot perform concat operation between string and nil"),
        ("return nil + 1", "error: test:1: cannot perform add operation between nil and number"),
        ("return {} < {}", "error: test:1: attempt to compare table with table"),
        ("return {} > 1", "error: test:1: attempt to compare number with table"),
        ("return #5", "error: test:1: __len undefined"),
        ("return -{}", "error: test:1: __unm undefined"),
        ("local t = {} t[nil] = 1", "error: test:1: table index is nil"),
        ("local t = {} t[0/0] = 1", "error: test:1: table index is NaN"),
        ("return ipairs(nil)", "error: test:1: bad argument #1 to ipairs (table expected, got nil)"),
        ("for x in 5 do end", "error: test:1: attempt to call a non-function object"),
        ("local function f()\n  error('boom')\nend\nf()", "error: test:2: boom"),
    ]);
}

#[test]
fn pairs_walks_the_array_then_the_keys_in_their_first_order() {
    check(&[
        (
            "local s = '' for k in pairs({c = 1, a = 2, b = 3, 10, 20}) do s = s .. k .. ' ' end return s",
            "1 2 c a b ",
        ),
        // A removed key takes its old place when it comes back.
        (
            "local t = {a = 1, b = 2, c = 3} t.a = nil t.d = 4 t.a = 5 local s = '' for k in pairs(t) do s = s .. k end return s",
            "abcd",
        ),
        (
            "local t = {} t[0] = 0 t[-1] = 1 t.x = 2 t[1] = 3 local s = '' for k in pairs(t) do s = s .. k .. ' ' end return s",
            "1 0 -1 x ",
        ),
        (
            "local t = {} for i = 20, 1, -1 do t['k' .. i] = i end local s = '' for k in pairs(t) do s = s .. k end return s:sub(1, 9), s:sub(-4)",
            "k20k19k18,k2k1",
        ),
        (
            "local t = {1, 2, 3, x = 1} local n = 0 for k in pairs(t) do t[k] = nil n = n + 1 end return n, next(t)",
            "4,nil",
        ),
        (
            "local t = {5, nil, 7} local s = '' for k, v in pairs(t) do s = s .. k .. v end for k, v in ipairs(t) do s = s .. k .. v end return s",
            "153715",
        ),
        (
            "local s = '' for k, v in next, {a = 1} do s = s .. k .. v end return s, next({}), next({9})",
            "a1,nil,1,9",
        ),
    ]);
}

#[test]
fn the_border_is_the_last_value_of_the_array_part() {
    check(&[
        ("local t = {} t[1] = 1 t[2] = 2 t[4] = 4 return #t", "4"),
        ("local t = {1, 2, 3} t[3] = nil return #t", "2"),
        ("local t = {1, 2, 3} t[2] = nil return #t", "3"),
        ("local t = {} t[5] = nil table.insert(t, 'a') return #t, t[1]", "1,a"),
    ]);
}

#[test]
fn globals_belong_to_one_machine() {
    assert_eq!(run("x = 1 string.extra = 2 return x"), "1");
    assert_eq!(run("return x, string.extra, _G.x, _G == _G._G"), "nil,nil,nil,true");
    assert_eq!(run("_G.y = 3 return y"), "3");
}
